//! Keys and values in pages of sixteen positions.
//!
//! A page of a head holds its keys column by column, sixteen positions side by side, so that the scores of sixteen
//! positions are one register, and its values position by position, filled up to a multiple of sixteen columns.

use crate::error::check_length;
use crate::memory::{Buffer, Plain, SharedSlice};
use crate::simd::{Kernel, Lanes, WIDTH};
use crate::{KernelError, Machine};

/// How many positions share a page.
pub const PAGE_POSITIONS: usize = WIDTH;

/// The largest head size.
const LARGEST_HEAD: usize = 256;
/// Rows of a head that a thread writes at a time.
const ROWS_A_PIECE: usize = 4 * PAGE_POSITIONS;

/// How keys and values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PageElement {
    /// As they are computed.
    F32,
    /// Rounded to half the memory.
    F16,
}

/// What a page store is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyValueShape {
    /// Heads of keys and values.
    pub heads: usize,
    /// Values of a head: a multiple of 8, at most 256.
    pub head_size: usize,
    /// How they are kept.
    pub element: PageElement,
}

/// Where a position's keys and values lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSlot {
    /// The page.
    pub page: u32,
    /// The position in it, below [`PAGE_POSITIONS`].
    pub slot: usize,
}

/// The keys and values of one layer, in a fixed number of pages that callers number as they like. Memory of pages that
/// were never written is not taken from the system.
#[derive(Debug)]
pub struct KeyValuePages {
    shape: KeyValueShape,
    pages: usize,
    store: Store,
}

#[derive(Debug)]
pub(super) enum Store {
    F32(Buffer<f32>),
    F16(Buffer<u16>),
}

/// A number in a page.
pub(super) trait Element: Plain + Default + Send + Sync {
    fn load<L: Lanes>(lanes: L, values: &[Self; WIDTH]) -> L::V;
    fn store<L: Lanes>(lanes: L, vector: L::V, values: &mut [Self; WIDTH]);
}

impl Element for f32 {
    #[inline(always)]
    fn load<L: Lanes>(lanes: L, values: &[Self; WIDTH]) -> L::V {
        lanes.load(values)
    }

    #[inline(always)]
    fn store<L: Lanes>(lanes: L, vector: L::V, values: &mut [Self; WIDTH]) {
        lanes.store(vector, values);
    }
}

impl Element for u16 {
    #[inline(always)]
    fn load<L: Lanes>(lanes: L, values: &[Self; WIDTH]) -> L::V {
        lanes.load_f16(values)
    }

    #[inline(always)]
    fn store<L: Lanes>(lanes: L, vector: L::V, values: &mut [Self; WIDTH]) {
        lanes.store_f16(vector, values);
    }
}

impl KeyValueShape {
    /// Bytes that a page takes in each layer.
    #[must_use]
    pub const fn page_bytes(&self) -> usize {
        let element = match self.element {
            PageElement::F32 => 4,
            PageElement::F16 => 2,
        };
        self.heads * self.page_elements() * element
    }

    /// Columns of a position's values.
    pub(super) const fn value_columns(&self) -> usize {
        self.head_size.next_multiple_of(WIDTH)
    }

    /// Where a head's part of a page begins. The heads of a page lie together: pages that are not used take no memory.
    const fn start_of(&self, head: usize, page: u32) -> usize {
        (page as usize * self.heads + head) * self.page_elements()
    }

    /// Numbers of one head in a page.
    const fn page_elements(&self) -> usize {
        PAGE_POSITIONS * (self.head_size + self.value_columns())
    }
}

impl KeyValuePages {
    /// A store of so many pages.
    ///
    /// # Errors
    ///
    /// The head size is not one of those supported, there are no heads or too many pages, or no memory for them.
    pub fn new(shape: KeyValueShape, pages: usize) -> Result<Self, KernelError> {
        let unsupported = |what, actual, rule| Err(KernelError::UnsupportedSize { what, actual, rule });
        if shape.head_size == 0 || shape.head_size > LARGEST_HEAD || !shape.head_size.is_multiple_of(8) {
            return unsupported("the head size", shape.head_size, "a multiple of 8 up to 256");
        }
        if shape.heads == 0 {
            return unsupported("heads", 0, "more than 0");
        }
        if u32::try_from(pages).is_err() {
            return unsupported("pages", pages, "countable in 32 bits");
        }
        let elements =
            shape.heads.checked_mul(pages).and_then(|count| count.checked_mul(shape.page_elements()));
        let out_of_memory = || KernelError::OutOfMemory { what: "keys and values" };
        let elements = elements.ok_or_else(out_of_memory)?;
        let store = match shape.element {
            PageElement::F32 => Store::F32(Buffer::zeroed_whole(elements).ok_or_else(out_of_memory)?),
            PageElement::F16 => Store::F16(Buffer::zeroed_whole(elements).ok_or_else(out_of_memory)?),
        };
        Ok(Self { shape, pages, store })
    }

    /// What it was made for.
    #[must_use]
    pub const fn shape(&self) -> &KeyValueShape {
        &self.shape
    }

    /// How many pages there are.
    #[must_use]
    pub const fn pages(&self) -> usize {
        self.pages
    }

    /// Writes the keys and values of new positions: for each slot in turn a row with all heads.
    ///
    /// # Errors
    ///
    /// A slot is not in the store, or there are not as many rows as slots. Nothing was written.
    pub fn write(
        &mut self,
        machine: &Machine,
        slots: &[PageSlot],
        keys: &[f32],
        values: &[f32],
    ) -> Result<(), KernelError> {
        let columns = self.shape.heads * self.shape.head_size;
        check_length("the keys", slots.len().checked_mul(columns), keys.len())?;
        check_length("the values", slots.len().checked_mul(columns), values.len())?;
        for slot in slots {
            self.check_page(slot.page)?;
            if slot.slot >= PAGE_POSITIONS {
                let rule = "less than 16";
                return Err(KernelError::UnsupportedSize { what: "the slot", actual: slot.slot, rule });
            }
        }
        let shape = self.shape;
        match &mut self.store {
            Store::F32(store) => {
                write_rows(machine, SharedSlice::new(store), shape, slots, keys, values);
            }
            Store::F16(store) => {
                write_rows(machine, SharedSlice::new(store), shape, slots, keys, values);
            }
        }
        Ok(())
    }

    /// Copies a whole page over another: the first step of writing to one that is shared.
    ///
    /// # Errors
    ///
    /// One of the pages is not in the store.
    pub fn copy_page(&mut self, from: u32, to: u32) -> Result<(), KernelError> {
        self.check_page(from)?;
        self.check_page(to)?;
        let size = self.shape.heads * self.shape.page_elements();
        let (source, target) = (from as usize * size, to as usize * size);
        match &mut self.store {
            Store::F32(store) => store.copy_within(source..source + size, target),
            Store::F16(store) => store.copy_within(source..source + size, target),
        }
        Ok(())
    }

    pub(super) fn check_page(&self, page: u32) -> Result<(), KernelError> {
        let page = page as usize;
        if page < self.pages { Ok(()) } else { Err(KernelError::NoSuchPage { page, pages: self.pages }) }
    }

    pub(super) const fn store(&self) -> &Store {
        &self.store
    }

    /// Where a head's page begins, and the number of its keys, after which its values come.
    #[inline(always)]
    pub(super) fn place(&self, head: usize, page: u32) -> (usize, usize) {
        (self.shape.start_of(head, page), PAGE_POSITIONS * self.shape.head_size)
    }
}

fn write_rows<E: Element>(
    machine: &Machine,
    store: SharedSlice<'_, E>,
    shape: KeyValueShape,
    slots: &[PageSlot],
    keys: &[f32],
    values: &[f32],
) {
    // A thread has a head to itself, so that no two write to one page. Few rows are not worth waking one.
    let pieces = shape.heads * slots.len().div_ceil(ROWS_A_PIECE);
    let at_a_time = if slots.len() <= PAGE_POSITIONS { pieces } else { pieces / shape.heads };
    machine.pool.for_each(pieces, at_a_time, &|pieces_of_heads| {
        for piece in pieces_of_heads {
            let chunks = slots.len().div_ceil(ROWS_A_PIECE);
            let (head, chunk) = (piece / chunks, piece % chunks);
            for row in chunk * ROWS_A_PIECE..slots.len().min((chunk + 1) * ROWS_A_PIECE) {
                let at = (row * shape.heads + head) * shape.head_size;
                let start = shape.start_of(head, slots[row].page);
                // SAFETY: pieces of one head are all this thread's.
                let page = unsafe { store.part(start, shape.page_elements()) };
                machine.cpu.run(WriteRow {
                    page,
                    slot: slots[row].slot,
                    keys: &keys[at..at + shape.head_size],
                    values: &values[at..at + shape.head_size],
                });
            }
        }
    });
}

struct WriteRow<'a, E> {
    page: &'a mut [E],
    slot: usize,
    keys: &'a [f32],
    values: &'a [f32],
}

impl<E: Element> Kernel for WriteRow<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let (keys, values) = self.page.split_at_mut(PAGE_POSITIONS * self.keys.len());
        let mut stored = [E::default(); WIDTH];
        for (index, chunk) in self.keys.chunks(WIDTH).enumerate() {
            E::store(lanes, lanes.load_some(chunk), &mut stored);
            for column in 0..chunk.len() {
                keys[(index * WIDTH + column) * PAGE_POSITIONS + self.slot] = stored[column];
            }
        }
        let columns = self.values.len().next_multiple_of(WIDTH);
        let row = &mut values[self.slot * columns..(self.slot + 1) * columns];
        for (chunk, target) in self.values.chunks(WIDTH).zip(row.as_chunks_mut::<WIDTH>().0) {
            E::store(lanes, lanes.load_some(chunk), target);
        }
    }
}
