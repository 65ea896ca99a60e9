//! 32 numbers of 4 bits in 16 bytes, and of 5 bits with a fifth bit for each in a `u32`.

use super::SMALL_BLOCK;

pub(super) const BYTES: usize = SMALL_BLOCK / 2;

/// Number `i` in the low half of byte `i`, number `i + 16` in its high half.
pub(super) fn unpack(bytes: &[u8]) -> [u8; SMALL_BLOCK] {
    std::array::from_fn(|index| if index < BYTES { bytes[index] & 0x0f } else { bytes[index - BYTES] >> 4 })
}

/// As `unpack`, with bit `i` of the little endian `u32` in `fifth` on top of number `i`.
pub(super) fn unpack_five(fifth: &[u8], bytes: &[u8]) -> [u8; SMALL_BLOCK] {
    let mut numbers = unpack(bytes);
    for (index, number) in numbers.iter_mut().enumerate() {
        *number |= (fifth[index / 8] >> (index % 8) & 1) << 4;
    }
    numbers
}
