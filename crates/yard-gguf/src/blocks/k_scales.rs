//! The eight scales and eight minima of 6 bits that `Q4_K` and `Q5_K` keep in 12 bytes.
//!
//! Byte `i < 4` holds scale `i` in its low 6 bits, byte `4 + i` minimum `i`. Byte `8 + i` holds the low 4 bits of scale
//! `4 + i` in its low half and those of minimum `4 + i` in its high half; their upper 2 bits are the top 2 bits of the
//! bytes `i` and `4 + i`.

/// Groups of 32 values in a block.
pub(super) const GROUPS: usize = 8;
pub(super) const BYTES: usize = 12;

const HALF: usize = GROUPS / 2;

/// What a group's numbers are multiplied by, and what is taken off.
#[derive(Clone, Copy)]
pub(super) struct Group {
    pub(super) scale: u8,
    pub(super) minimum: u8,
}

pub(super) fn unpack(bytes: &[u8]) -> [Group; GROUPS] {
    std::array::from_fn(|group| {
        if group < HALF {
            return Group { scale: bytes[group] & 0x3f, minimum: bytes[HALF + group] & 0x3f };
        }
        let index = group - HALF;
        let low = bytes[2 * HALF + index];
        Group {
            scale: low & 0x0f | bytes[index] >> 6 << 4,
            minimum: low >> 4 | bytes[HALF + index] >> 6 << 4,
        }
    })
}

/// The reverse of `unpack`.
pub(super) fn pack(groups: &[Group; GROUPS], bytes: &mut [u8]) {
    for index in 0..HALF {
        let (first, second) = (groups[index], groups[HALF + index]);
        bytes[index] = first.scale | second.scale >> 4 << 6;
        bytes[HALF + index] = first.minimum | second.minimum >> 4 << 6;
        bytes[2 * HALF + index] = second.scale & 0x0f | second.minimum << 4;
    }
}
