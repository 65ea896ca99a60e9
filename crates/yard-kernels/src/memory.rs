//! Large zeroed pieces of memory at addresses that suit vectors.

use std::alloc::Layout;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A cache line, and the widest vector.
const ALIGNMENT: usize = 64;
/// From here on memory comes straight from the system: untouched parts then take none.
const LARGE: usize = 1 << 20;
/// Buffers that grow do so in such steps, so that a batch that is larger by one does not mean a new buffer.
const GROWTH: usize = 1 << 14;

/// Types of which any bytes, and so all zeros, are a value.
///
/// # Safety
///
/// The type has no padding, no forbidden values and nothing to drop.
pub(crate) unsafe trait Plain: Copy {}
// SAFETY: numbers.
unsafe impl Plain for u8 {}
// SAFETY: numbers.
unsafe impl Plain for u16 {}
// SAFETY: numbers.
unsafe impl Plain for f32 {}

/// A fixed number of values, zero at first, aligned to 64 bytes.
pub(crate) struct Buffer<T> {
    start: NonNull<T>,
    length: usize,
    values: PhantomData<T>,
}

// SAFETY: owns its memory, like a boxed slice of plain numbers.
unsafe impl<T: Plain + Send> Send for Buffer<T> {}
// SAFETY: as above.
unsafe impl<T: Plain + Sync> Sync for Buffer<T> {}

impl<T: Plain> Buffer<T> {
    /// `None` when the memory cannot be had.
    pub(crate) fn zeroed(length: usize) -> Option<Self> {
        let bytes =
            length.checked_mul(size_of::<T>()).filter(|bytes| *bytes <= isize::MAX as usize - LARGE)?;
        let start = if bytes == 0 { aligned_nowhere() } else { allocate(bytes)? };
        Some(Self { start: start.cast(), length, values: PhantomData })
    }

    /// As [`Self::zeroed`], for what will be read again and again: huge pages serve it, where the system has them. They are
    /// taken whole, even if little of them is touched.
    pub(crate) fn zeroed_whole(length: usize) -> Option<Self> {
        let buffer = Self::zeroed(length)?;
        #[cfg(target_os = "linux")]
        if buffer.bytes() >= LARGE {
            // SAFETY: from `LARGE` bytes on it is a mapping of its own. Refused is as good as granted.
            unsafe {
                libc::madvise(buffer.start.as_ptr().cast(), buffer.bytes(), libc::MADV_HUGEPAGE);
            }
        }
        Some(buffer)
    }

    /// No values, and no memory.
    pub(crate) const fn empty() -> Self {
        Self { start: aligned_nowhere().cast(), length: 0, values: PhantomData }
    }

    /// Makes room for at least so many values, forgetting those there were. `None` when the memory cannot be had; then
    /// all is as before.
    pub(crate) fn grow(&mut self, length: usize) -> Option<()> {
        if self.length < length {
            *self = Self::zeroed(length.checked_next_multiple_of(GROWTH)?)?;
        }
        Some(())
    }

    pub(crate) fn bytes(&self) -> usize {
        self.length * size_of::<T>()
    }
}

/// An address that no value of no bytes minds.
const fn aligned_nowhere() -> NonNull<u8> {
    #[repr(align(64))]
    struct Line;
    NonNull::<Line>::dangling().cast()
}

fn layout(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes, ALIGNMENT).ok()
}

#[cfg(unix)]
fn allocate(bytes: usize) -> Option<NonNull<u8>> {
    if bytes < LARGE {
        // SAFETY: not of size zero.
        return NonNull::new(unsafe { std::alloc::alloc_zeroed(layout(bytes)?) });
    }
    // SAFETY: a new private mapping, of no file, at no given place.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return None;
    }
    NonNull::new(start.cast())
}

#[cfg(not(unix))]
fn allocate(bytes: usize) -> Option<NonNull<u8>> {
    // SAFETY: not of size zero.
    NonNull::new(unsafe { std::alloc::alloc_zeroed(layout(bytes)?) })
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        let bytes = self.length * size_of::<T>();
        if bytes == 0 {
            return;
        }
        #[cfg(unix)]
        if bytes >= LARGE {
            // SAFETY: mapped by `allocate` with this length, and nobody else's.
            unsafe { libc::munmap(self.start.as_ptr().cast(), bytes) };
            return;
        }
        if let Some(layout) = layout(bytes) {
            // SAFETY: allocated by `allocate` with this layout.
            unsafe { std::alloc::dealloc(self.start.as_ptr().cast(), layout) };
        }
    }
}

impl<T: Plain> std::ops::Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: so many plain values live there, written with zeros at first.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl<T: Plain> std::ops::DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl<T> std::fmt::Debug for Buffer<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Buffer").field("length", &self.length).finish_non_exhaustive()
    }
}

/// A slice that several threads write, each its own parts of it.
pub(crate) struct SharedSlice<'a, T> {
    start: *mut T,
    length: usize,
    borrow: PhantomData<&'a mut [T]>,
}

impl<T> Clone for SharedSlice<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SharedSlice<'_, T> {}

// SAFETY: gives out parts only through an unsafe function whose callers keep them apart.
unsafe impl<T: Send> Send for SharedSlice<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SharedSlice<'_, T> {}

/// Asks for memory that will be needed soon. Nothing is read, so any place will do.
#[inline(always)]
pub(crate) fn prefetch<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: asking never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

impl<'a, T> SharedSlice<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), length: slice.len(), borrow: PhantomData }
    }

    pub(crate) const fn len(self) -> usize {
        self.length
    }

    /// Asks for the memory of the value at `index`, which will be needed soon. Nothing is read, so any index will do.
    #[inline(always)]
    pub(crate) fn prefetch(&self, index: usize) {
        prefetch(self.start.wrapping_add(index));
    }

    /// The values from `from`, `count` of them.
    ///
    /// # Safety
    ///
    /// No other part that overlaps this one is in use.
    ///
    /// # Panics
    ///
    /// The part does not lie inside the slice.
    #[inline(always)]
    pub(crate) unsafe fn part(self, from: usize, count: usize) -> &'a mut [T] {
        assert!(from <= self.length && count <= self.length - from, "a part outside its slice");
        // SAFETY: inside the slice, which is borrowed mutably for 'a; the caller keeps parts apart.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(from), count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_of_any_size_are_zeroed_aligned_and_writable() {
        for length in [0, 1, 63, 64, 1000, LARGE - 1, LARGE, LARGE + 1, 3 * LARGE] {
            let mut buffer = Buffer::<u8>::zeroed(length).unwrap();
            assert_eq!(buffer.len(), length);
            assert_eq!(buffer.as_ptr() as usize % ALIGNMENT, 0);
            assert!(buffer.iter().all(|byte| *byte == 0));
            buffer.fill(7);
            assert!(buffer.iter().all(|byte| *byte == 7));
        }
    }

    #[test]
    fn more_memory_than_there_can_be_is_refused() {
        assert!(Buffer::<f32>::zeroed(usize::MAX / 2).is_none());
        assert!(Buffer::<u8>::zeroed(isize::MAX as usize).is_none());
        assert!(Buffer::<u8>::zeroed(isize::MAX as usize - 2 * LARGE).is_none());
    }
}
