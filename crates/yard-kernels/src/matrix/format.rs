//! How packed weights lie in memory.
//!
//! Sixteen neighbouring output rows make a tile, and a tile is cut into blocks of 32 columns. A block's numbers are eight
//! groups of 64 bytes: group `g` holds, for each row in turn, the numbers of the four columns from `4 g` on, so that a
//! byte dot product with four activations, repeated in every lane, works on all sixteen rows. Numbers are unsigned; the
//! format's offset is what has to be taken off.
//!
//! * 8 bits: the eight groups.
//! * 4, 5 and 6 bits: 256 bytes whose low halves are the low bits of the groups 0 to 3 and whose high halves are those of
//!   the groups 4 to 7.
//! * 5 bits: then 64 bytes, whose bit `g` is the fifth bit of group `g`.
//! * 6 bits: then twice 64 bytes with the upper bits of the groups 0 to 3 and 4 to 7, two bits each from the lowest up.
//!
//! Scales lie apart, tile by tile in the order of blocks; see [`Scales`].

/// Columns in a block.
pub(crate) const BLOCK: usize = 32;
/// Rows in a tile.
pub(crate) const TILE: usize = 16;
/// Columns that share a scale of scales.
pub(super) const SUPER_BLOCK: usize = 256;
/// Blocks that share a scale of scales.
pub(super) const BLOCKS_A_SUPER: usize = SUPER_BLOCK / BLOCK;

/// What a block's numbers `q` are turned into values with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scales {
    /// `scale * q`: 16 `f16`.
    One,
    /// `scale * q + minimum`: 16 `f16` scales, 16 `f16` minima.
    WithMinimum,
    /// `(d * scale) * q - dmin * minimum`: for eight blocks 16 `f16` `d` and 16 `f16` `dmin`, then for each block
    /// 16 bytes of scales and 16 bytes of minima.
    SuperWithMinimum,
    /// `(d * scale) * q`, with one scale for the first 16 columns and one for the others: for eight blocks 16 `f16` `d`,
    /// then for each block twice 16 signed bytes.
    SuperHalves,
}

impl Scales {
    /// Bytes before the scales of eight blocks.
    pub(super) const fn header_bytes(self) -> usize {
        match self {
            Self::One | Self::WithMinimum => 0,
            Self::SuperWithMinimum => 64,
            Self::SuperHalves => 32,
        }
    }

    /// Bytes for a block.
    pub(super) const fn block_bytes(self) -> usize {
        match self {
            Self::One | Self::SuperWithMinimum | Self::SuperHalves => 32,
            Self::WithMinimum => 64,
        }
    }
}

/// A packed format, known when kernels are compiled.
pub(crate) trait Format {
    const BITS: usize;
    const SCALES: Scales;
    /// What is taken off each number.
    const OFFSET: i32;

    /// Bytes of a block's numbers.
    const NUMBER_BYTES: usize = BLOCK * TILE * Self::BITS / 8;
    const HAS_HEADER: bool = Self::SCALES.header_bytes() > 0;
}

macro_rules! formats {
    ($($name:ident: $bits:literal bits, $scales:ident, offset $offset:literal;)*) => { $(
        pub(crate) struct $name;
        impl Format for $name {
            const BITS: usize = $bits;
            const SCALES: Scales = Scales::$scales;
            const OFFSET: i32 = $offset;
        }
    )* };
}
formats! {
    PackedQ4_0: 4 bits, One, offset 8;
    PackedQ4_1: 4 bits, WithMinimum, offset 0;
    PackedQ5_0: 5 bits, One, offset 16;
    PackedQ5_1: 5 bits, WithMinimum, offset 0;
    PackedQ8_0: 8 bits, One, offset 128;
    PackedQ4K: 4 bits, SuperWithMinimum, offset 0;
    PackedQ5K: 5 bits, SuperWithMinimum, offset 0;
    PackedQ6K: 6 bits, SuperHalves, offset 32;
}

/// A product of a tile's rows with some rows of activations.
pub(crate) struct TileInput {
    pub(crate) numbers: *const u8,
    pub(crate) scales: *const u8,
    pub(crate) blocks: usize,
    pub(crate) rows: crate::activations::QuantizedGroup,
}

/// For each row of activations the sums of the sixteen rows of weights.
#[repr(align(64))]
pub(crate) struct TileOutput(pub(crate) [[f32; TILE]; crate::activations::GROUP]);

/// A kernel for one format and one number of rows of activations.
///
/// Each sum starts at zero and takes the blocks in their order, each by the same operations, whatever the number of rows
/// and the path. That is why a row's results do not depend on its company.
///
/// # Safety
///
/// The machine has the instructions of the kernel's path; the pointers of the input lead to as many blocks as it says, in
/// the kernel's format; and the group has at least the kernel's number of rows.
pub(crate) type TileKernel = unsafe fn(&TileInput, &mut TileOutput);
