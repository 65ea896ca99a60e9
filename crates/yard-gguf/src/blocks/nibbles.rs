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

/// The reverse of `unpack`, of the low 4 bits of each number.
pub(super) fn pack(numbers: &[u8; SMALL_BLOCK], bytes: &mut [u8]) {
    let (low, high) = numbers.split_at(BYTES);
    for ((byte, low), high) in bytes.iter_mut().zip(low).zip(high) {
        *byte = low & 0x0f | high << 4;
    }
}

/// The reverse of `unpack_five`.
pub(super) fn pack_five(numbers: &[u8; SMALL_BLOCK], fifth: &mut [u8], bytes: &mut [u8]) {
    pack(numbers, bytes);
    for (byte, eight) in fifth.iter_mut().zip(numbers.chunks_exact(8)) {
        *byte = eight.iter().rev().fold(0, |bits, number| bits << 1 | number >> 4 & 1);
    }
}
