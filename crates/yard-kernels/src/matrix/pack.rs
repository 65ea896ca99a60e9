//! From the blocks of a file to tiles.

use yard_gguf::BlockType;

use super::format::{
    BLOCK, BLOCKS_A_SUPER, Format, PackedQ4_0, PackedQ4_1, PackedQ4K, PackedQ5_0, PackedQ5_1, PackedQ5K,
    PackedQ6K, PackedQ8_0, SUPER_BLOCK, Scales, TILE,
};

/// How much memory a tile takes, and how its blocks are packed.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Bytes of the numbers of a tile.
    pub(super) numbers: usize,
    /// Bytes of the scales of a tile.
    pub(super) scales: usize,
}

impl Layout {
    /// The layout of tiles with so many columns, which are whole blocks of `kind`. `None` if it cannot be counted.
    pub(super) fn of(kind: BlockType, columns: usize) -> Option<Self> {
        fn quantized<F: Format>(columns: usize) -> Option<Layout> {
            let blocks = columns / BLOCK;
            let headers = columns.div_ceil(SUPER_BLOCK) * F::SCALES.header_bytes();
            let scales = blocks.checked_mul(F::SCALES.block_bytes())?.checked_add(headers)?;
            Some(Layout { numbers: blocks.checked_mul(F::NUMBER_BYTES)?, scales })
        }
        let plain =
            |bytes: usize| Some(Self { numbers: columns.checked_mul(TILE)?.checked_mul(bytes)?, scales: 0 });
        match kind {
            BlockType::F32 => plain(4),
            BlockType::F16 | BlockType::BF16 => plain(2),
            BlockType::Q4_0 => quantized::<PackedQ4_0>(columns),
            BlockType::Q4_1 => quantized::<PackedQ4_1>(columns),
            BlockType::Q5_0 => quantized::<PackedQ5_0>(columns),
            BlockType::Q5_1 => quantized::<PackedQ5_1>(columns),
            BlockType::Q8_0 => quantized::<PackedQ8_0>(columns),
            BlockType::Q4_K => quantized::<PackedQ4K>(columns),
            BlockType::Q5_K => quantized::<PackedQ5K>(columns),
            BlockType::Q6_K => quantized::<PackedQ6K>(columns),
        }
    }
}

/// The memory of one tile.
pub(super) struct Tile<'a> {
    pub(super) numbers: &'a mut [u8],
    pub(super) scales: &'a mut [u8],
}

/// Packs one row's blocks as row `row` of a tile.
pub(super) fn pack_row(kind: BlockType, source: &[u8], row: usize, tile: &mut Tile<'_>) {
    match kind {
        BlockType::F32 => plain::<4>(source, row, tile),
        BlockType::F16 | BlockType::BF16 => plain::<2>(source, row, tile),
        BlockType::Q4_0 => small::<PackedQ4_0, 18>(source, row, tile, |block| nibbles(&block[2..], 0)),
        BlockType::Q4_1 => small::<PackedQ4_1, 20>(source, row, tile, |block| nibbles(&block[4..], 0)),
        BlockType::Q5_0 => {
            small::<PackedQ5_0, 22>(source, row, tile, |block| nibbles(&block[6..], fifth_bits(&block[2..])));
        }
        BlockType::Q5_1 => {
            small::<PackedQ5_1, 24>(source, row, tile, |block| nibbles(&block[8..], fifth_bits(&block[4..])));
        }
        BlockType::Q8_0 => {
            small::<PackedQ8_0, 34>(source, row, tile, |block| {
                std::array::from_fn(|at| block[2 + at] ^ 0x80)
            });
        }
        BlockType::Q4_K => grouped::<PackedQ4K, 144>(source, row, tile),
        BlockType::Q5_K => grouped::<PackedQ5K, 176>(source, row, tile),
        BlockType::Q6_K => six_bits(source, row, tile),
    }
}

/// Values of `BYTES` bytes, the sixteen rows side by side.
fn plain<const BYTES: usize>(source: &[u8], row: usize, tile: &mut Tile<'_>) {
    let (values, _) = source.as_chunks::<BYTES>();
    let (targets, _) = tile.numbers.as_chunks_mut::<BYTES>();
    for (column, value) in values.iter().enumerate() {
        targets[column * TILE + row] = *value;
    }
}

/// Types whose block of 32 begins with an `f16` scale and perhaps an `f16` minimum.
fn small<F: Format, const BYTES: usize>(
    source: &[u8],
    row: usize,
    tile: &mut Tile<'_>,
    numbers: impl Fn(&[u8; BYTES]) -> [u8; BLOCK],
) {
    let targets = tile.numbers.chunks_exact_mut(F::NUMBER_BYTES);
    let scales = tile.scales.chunks_exact_mut(F::SCALES.block_bytes());
    for ((block, target), scales) in source.as_chunks::<BYTES>().0.iter().zip(targets).zip(scales) {
        put_numbers::<F>(&numbers(block), row, target);
        scales[row * 2..row * 2 + 2].copy_from_slice(&block[..2]);
        if F::SCALES as u8 == Scales::WithMinimum as u8 {
            scales[32 + row * 2..32 + row * 2 + 2].copy_from_slice(&block[2..4]);
        }
    }
}

/// `Q4_K` and `Q5_K`: eight groups of 32, each with a scale and a minimum of six bits.
fn grouped<F: Format, const BYTES: usize>(source: &[u8], row: usize, tile: &mut Tile<'_>) {
    const PACKED_SCALES: usize = 12;
    let scale_bytes = F::SCALES.header_bytes() + BLOCKS_A_SUPER * F::SCALES.block_bytes();
    let targets = tile.numbers.chunks_exact_mut(F::NUMBER_BYTES * BLOCKS_A_SUPER);
    let scales = tile.scales.chunks_exact_mut(scale_bytes);
    for ((block, target), scales) in source.as_chunks::<BYTES>().0.iter().zip(targets).zip(scales) {
        scales[row * 2..row * 2 + 2].copy_from_slice(&block[..2]);
        scales[32 + row * 2..32 + row * 2 + 2].copy_from_slice(&block[2..4]);
        let packed = &block[4..4 + PACKED_SCALES];
        let fifth = &block[4 + PACKED_SCALES..block.len() - 128];
        let nibbles = &block[block.len() - 128..];
        for group in 0..BLOCKS_A_SUPER {
            let (scale, minimum) = six_bit_scale(packed, group);
            let at = F::SCALES.header_bytes() + group * F::SCALES.block_bytes();
            scales[at + row] = scale;
            scales[at + TILE + row] = minimum;
            let numbers = std::array::from_fn(|column| {
                let low = nibbles[group / 2 * BLOCK + column] >> (group % 2 * 4) & 0x0f;
                let upper = if F::BITS == 5 { fifth[column] >> group & 1 } else { 0 };
                low | upper << 4
            });
            put_numbers::<F>(&numbers, row, &mut target[group * F::NUMBER_BYTES..]);
        }
    }
}

/// Scale and minimum of a group: the first four in the low six bits of bytes 0 to 3 and 4 to 7, the others with their
/// low halves in bytes 8 to 11 and their upper bits on top of the first ones.
fn six_bit_scale(packed: &[u8], group: usize) -> (u8, u8) {
    if group < 4 {
        return (packed[group] & 0x3f, packed[group + 4] & 0x3f);
    }
    let low = packed[group + 4];
    (low & 0x0f | packed[group - 4] >> 6 << 4, low >> 4 | packed[group] >> 6 << 4)
}

/// `Q6_K`: sixteen groups of 16 with signed scales.
fn six_bits(source: &[u8], row: usize, tile: &mut Tile<'_>) {
    type F = PackedQ6K;
    const BYTES: usize = 210;
    let scale_bytes = F::SCALES.header_bytes() + BLOCKS_A_SUPER * F::SCALES.block_bytes();
    let targets = tile.numbers.chunks_exact_mut(F::NUMBER_BYTES * BLOCKS_A_SUPER);
    let scales = tile.scales.chunks_exact_mut(scale_bytes);
    for ((block, target), scales) in source.as_chunks::<BYTES>().0.iter().zip(targets).zip(scales) {
        scales[row * 2..row * 2 + 2].copy_from_slice(&block[208..210]);
        for group in 0..BLOCKS_A_SUPER {
            let at = F::SCALES.header_bytes() + group * F::SCALES.block_bytes();
            scales[at + row] = block[192 + group * 2];
            scales[at + TILE + row] = block[192 + group * 2 + 1];
            // Each half of 128 values: 64 bytes of low bits, 32 of upper bits; four quarters of 32 values.
            let (half, quarter) = (group / 4, group % 4);
            let numbers = std::array::from_fn(|column| {
                let low = block[half * 64 + quarter % 2 * 32 + column] >> (quarter / 2 * 4) & 0x0f;
                let upper = block[128 + half * 32 + column] >> (quarter * 2) & 3;
                low | upper << 4
            });
            put_numbers::<F>(&numbers, row, &mut target[group * F::NUMBER_BYTES..]);
        }
    }
}

/// Numbers whose low bits are in the low halves of 16 bytes and then in the high halves, with the fifth bits beside.
fn nibbles(bytes: &[u8], fifth: u32) -> [u8; BLOCK] {
    std::array::from_fn(|at| {
        let low = bytes[at % 16] >> (at / 16 * 4) & 0x0f;
        low | ((fifth >> at & 1) << 4) as u8
    })
}

fn fifth_bits(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// Puts a row's numbers of a block where the format has them. The target is zero there.
fn put_numbers<F: Format>(numbers: &[u8; BLOCK], row: usize, target: &mut [u8]) {
    let target = &mut target[..F::NUMBER_BYTES];
    let (groups, _) = numbers.as_chunks::<4>();
    let at = row * 4;
    if F::BITS == 8 {
        for (group, four) in groups.iter().enumerate() {
            target[group * 64 + at..group * 64 + at + 4].copy_from_slice(four);
        }
        return;
    }
    for group in 0..4 {
        for column in 0..4 {
            let (low, high) = (groups[group][column], groups[group + 4][column]);
            target[group * 64 + at + column] = low & 0x0f | high << 4;
        }
    }
    if F::BITS == 5 {
        for (group, four) in groups.iter().enumerate() {
            for column in 0..4 {
                target[256 + at + column] |= (four[column] >> 4) << group;
            }
        }
    }
    if F::BITS == 6 {
        for (group, four) in groups.iter().enumerate() {
            for column in 0..4 {
                target[256 + group / 4 * 64 + at + column] |= (four[column] >> 4) << (group % 4 * 2);
            }
        }
    }
}
