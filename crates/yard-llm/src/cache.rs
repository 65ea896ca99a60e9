//! Keys and values of sequences, in pages with exact accounting.

use yard_kernels::{KeyValuePages, KeyValueShape, Machine, PAGE_POSITIONS, PageElement, PageSlot};

use crate::{LlmError, config::ModelConfig};

/// The keys and values of all layers. Pages are handed out to [`Sequence`]s and come back from them.
#[derive(Debug)]
pub struct KeyValueCache {
    layers: Vec<KeyValuePages>,
    free: Vec<u32>,
    total: usize,
    /// How many sequences hold each page.
    holders: Vec<u32>,
    /// Which pages are kept for sequences to come.
    kept: Vec<bool>,
    /// Pages that are kept and that no sequence holds.
    idle: usize,
    context: usize,
}

/// The tokens of one request, as far as their keys and values are known. Give it back with [`KeyValueCache::release`]:
/// pages of a sequence that is merely dropped stay taken.
#[derive(Debug, Default)]
pub struct Sequence {
    pages: Vec<u32>,
    length: usize,
}

// === impl Sequence ===

impl Sequence {
    /// No tokens.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many tokens it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn pages(&self) -> &[u32] {
        &self.pages
    }

    /// Where the keys and values of positions go.
    pub(crate) fn slots(&self, first: usize, count: usize) -> impl Iterator<Item = PageSlot> {
        (first..first + count).map(|position| PageSlot {
            page: self.pages[position / PAGE_POSITIONS],
            slot: position % PAGE_POSITIONS,
        })
    }
}

// === impl KeyValueCache ===

impl KeyValueCache {
    /// Room for so many positions, rounded up to whole pages. The system gives memory to pages when they are written.
    ///
    /// # Errors
    ///
    /// There is no memory for them.
    pub fn new(config: &ModelConfig, positions: usize, element: PageElement) -> Result<Self, LlmError> {
        let shape = KeyValueShape { heads: config.key_heads, head_size: config.head_size, element };
        let total = positions.div_ceil(PAGE_POSITIONS).max(1);
        let count = u32::try_from(total)
            .map_err(|_| LlmError::Configuration(format!("{total} pages of keys and values")))?;
        let layers =
            (0..config.layers).map(|_| KeyValuePages::new(shape, total)).collect::<Result<_, _>>()?;
        // Low numbers go first: what is used stays together.
        let free = (0..count).rev().collect();
        Ok(Self {
            layers,
            free,
            total,
            holders: vec![0; total],
            kept: vec![false; total],
            idle: 0,
            context: config.context,
        })
    }

    /// How many pages nobody holds.
    #[must_use]
    pub fn free_pages(&self) -> usize {
        self.free.len()
    }

    /// How many pages there are.
    #[must_use]
    pub const fn pages(&self) -> usize {
        self.total
    }

    /// Bytes of all pages in all layers.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.layers.iter().map(|layer| layer.shape().page_bytes() * self.total).sum()
    }

    /// Takes the pages that a sequence needs for so many more tokens, and copies its last page if another sequence holds
    /// it too: what is written next is this one's alone. The sequence is no longer for it until a step has run the tokens.
    ///
    /// # Errors
    ///
    /// The context would be exceeded, or there are too few pages. Nothing was taken.
    pub fn reserve(&mut self, sequence: &mut Sequence, tokens: usize) -> Result<(), LlmError> {
        let length = sequence.length.saturating_add(tokens);
        if length > self.context {
            return Err(LlmError::ContextFull { tokens: length, context: self.context });
        }
        let more = length.div_ceil(PAGE_POSITIONS).saturating_sub(sequence.pages.len());
        let next = sequence.length / PAGE_POSITIONS;
        let common = sequence.pages.get(next).copied().filter(|page| !self.is_own(*page));
        let needed = more + usize::from(common.is_some());
        if needed > self.free.len() {
            return Err(LlmError::CacheFull { needed, free: self.free.len() });
        }
        if let Some(common) = common {
            let own = self.free[self.free.len() - 1];
            for layer in &mut self.layers {
                layer.copy_page(common, own)?;
            }
            self.free.pop();
            self.holders[own as usize] = 1;
            sequence.pages[next] = own;
            self.let_go(common);
        }
        for page in self.free.drain(self.free.len() - more..).rev() {
            self.holders[page as usize] = 1;
            sequence.pages.push(page);
        }
        Ok(())
    }

    /// A sequence with the same first tokens; the pages they are in are held in common.
    #[must_use]
    pub fn share(&mut self, sequence: &Sequence, tokens: usize) -> Sequence {
        let tokens = tokens.min(sequence.length);
        self.begin(&sequence.pages[..tokens.div_ceil(PAGE_POSITIONS)], tokens)
    }

    /// A sequence whose first tokens are in these pages, which others hold or which are kept.
    pub(crate) fn begin(&mut self, pages: &[u32], tokens: usize) -> Sequence {
        for page in pages {
            let holders = &mut self.holders[*page as usize];
            self.idle -= usize::from(*holders == 0 && self.kept[*page as usize]);
            *holders += 1;
        }
        Sequence { pages: pages.to_vec(), length: tokens }
    }

    /// Has a sequence hold another page with the same content in place of one of its own.
    pub(crate) fn replace(&mut self, sequence: &mut Sequence, place: usize, page: u32) {
        let before = sequence.pages[place];
        if before != page {
            self.idle -= usize::from(self.holders[page as usize] == 0);
            self.holders[page as usize] += 1;
            sequence.pages[place] = page;
            self.let_go(before);
        }
    }

    /// Keeps a page that a sequence holds, also when the sequence has gone. Its content stays as it is.
    pub(crate) fn keep(&mut self, page: u32) {
        debug_assert!(self.holders[page as usize] > 0 && !self.kept[page as usize]);
        self.kept[page as usize] = true;
    }

    /// No longer keeps a page.
    pub(crate) fn forget(&mut self, page: u32) {
        debug_assert!(self.kept[page as usize]);
        self.kept[page as usize] = false;
        if self.holders[page as usize] == 0 {
            self.idle -= 1;
            self.free.push(page);
        }
    }

    /// Whether a page is kept and held by no sequence.
    pub(crate) fn is_idle(&self, page: u32) -> bool {
        self.kept[page as usize] && self.holders[page as usize] == 0
    }

    /// Pages that are kept and held by no sequence.
    #[must_use]
    pub const fn idle_pages(&self) -> usize {
        self.idle
    }

    /// Whether one sequence holds a page and may write to it.
    fn is_own(&self, page: u32) -> bool {
        self.holders[page as usize] == 1 && !self.kept[page as usize]
    }

    fn let_go(&mut self, page: u32) {
        let holders = &mut self.holders[page as usize];
        *holders -= 1;
        if *holders == 0 {
            if self.kept[page as usize] {
                self.idle += 1;
            } else {
                self.free.push(page);
            }
        }
    }

    /// Forgets the last tokens of a sequence, so that only `tokens` are left. Pages that are no longer needed come back.
    pub fn truncate(&mut self, sequence: &mut Sequence, tokens: usize) {
        sequence.length = sequence.length.min(tokens);
        let keep = sequence.length.div_ceil(PAGE_POSITIONS);
        // The last page that stays may be held in common: it is copied before it is written again.
        for page in sequence.pages.drain(keep.min(sequence.pages.len())..).rev() {
            self.let_go(page);
        }
    }

    /// Takes a sequence's pages back.
    pub fn release(&mut self, mut sequence: Sequence) {
        self.truncate(&mut sequence, 0);
    }

    pub(crate) fn layer(&self, layer: usize) -> &KeyValuePages {
        &self.layers[layer]
    }

    pub(crate) fn write(
        &mut self,
        machine: &Machine,
        layer: usize,
        slots: &[PageSlot],
        keys: &[f32],
        values: &[f32],
    ) -> Result<(), LlmError> {
        Ok(self.layers[layer].write(machine, slots, keys, values)?)
    }

    /// Whether [`Self::reserve`] has made room for so many tokens.
    pub(crate) fn has_room(&self, sequence: &Sequence, tokens: usize) -> bool {
        let length = sequence.length.saturating_add(tokens);
        let written = &sequence.pages[(sequence.length / PAGE_POSITIONS).min(sequence.pages.len())..];
        length <= self.context
            && length <= sequence.pages.len() * PAGE_POSITIONS
            && written.iter().all(|page| self.is_own(*page))
    }

    /// Whether it was made for a model of these numbers.
    pub(crate) fn fits(&self, config: &ModelConfig) -> bool {
        let shape = (config.key_heads, config.head_size);
        self.layers.len() == config.layers
            && self.context == config.context
            && self.layers.iter().all(|layer| (layer.shape().heads, layer.shape().head_size) == shape)
    }

    pub(crate) fn grow(sequence: &mut Sequence, tokens: usize) {
        sequence.length += tokens;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(positions: usize) -> KeyValueCache {
        KeyValueCache::new(&crate::families::tests::small(), positions, PageElement::F16).unwrap()
    }

    #[test]
    fn pages_are_taken_as_tokens_come_and_all_come_back() {
        let mut cache = cache(64);
        assert_eq!(cache.free_pages(), 4);
        let mut sequence = Sequence::new();
        cache.reserve(&mut sequence, 16).unwrap();
        KeyValueCache::grow(&mut sequence, 16);
        assert_eq!(cache.free_pages(), 3);
        cache.reserve(&mut sequence, 1).unwrap();
        KeyValueCache::grow(&mut sequence, 1);
        assert_eq!(cache.free_pages(), 2);
        let refused = cache.reserve(&mut sequence, 200);
        assert!(matches!(refused, Err(LlmError::CacheFull { needed: 12, free: 2 })), "{refused:?}");
        let refused = cache.reserve(&mut sequence, 240);
        assert!(matches!(refused, Err(LlmError::ContextFull { tokens: 257, context: 256 })), "{refused:?}");
        cache.truncate(&mut sequence, 16);
        assert_eq!((sequence.len(), cache.free_pages()), (16, 3));
        cache.release(sequence);
        assert_eq!(cache.free_pages(), 4);
    }

    #[test]
    fn a_page_held_in_common_comes_back_with_its_last_holder() {
        let mut cache = cache(64);
        let mut first = Sequence::new();
        cache.reserve(&mut first, 40).unwrap();
        KeyValueCache::grow(&mut first, 40);
        let second = cache.share(&first, 39);
        assert_eq!((second.len(), second.pages()), (39, first.pages()));
        cache.release(first);
        assert_eq!(cache.free_pages(), 1);
        cache.release(second);
        assert_eq!(cache.free_pages(), 4);
    }
}
