//! What a file says about its tensors, and where their data is.

use std::ops::Range;

use crate::BlockType;
use crate::cursor::Cursor;
use crate::error::{GgufError, TensorError, shown};
use crate::metadata::put_text;

mod unsupported;

/// The least a description takes: a name's length and one letter, the count of dimensions and one of them, the type
/// and the offset.
pub(crate) const LEAST_BYTES: usize = 8 + 1 + 4 + 8 + 4 + 8;

/// The longest name, in bytes.
const NAME_LIMIT: u64 = 64;
const MOST_DIMENSIONS: usize = 4;

/// A tensor's name, type and shape. Its values fit the type: rows are whole blocks, and their bytes can be counted.
///
/// In a file a description is the name (`u64` length, UTF-8, at most 64 bytes), how many dimensions (`u32`, 1 to 4),
/// the dimensions (`u64` each), the type (`u32`, see [`BlockType::number`]), and where the data begins (`u64`, counted
/// from the first multiple of the alignment after the last description, itself a multiple of the alignment).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    name: String,
    kind: BlockType,
    dimensions: Vec<usize>,
    byte_length: usize,
}

/// A description with the offset that the file states, not yet compared with the file.
#[derive(Debug)]
pub(crate) struct Described {
    info: TensorInfo,
    offset: u64,
}

/// A tensor and where its data is in the file.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) info: TensorInfo,
    pub(crate) data: Range<usize>,
}

impl TensorInfo {
    /// A tensor of this name, type and shape, the dimension of neighbouring values first.
    ///
    /// # Errors
    ///
    /// The name is empty or longer than 64 bytes, or the shape is not one that the type can store.
    pub fn new(name: &str, kind: BlockType, dimensions: &[usize]) -> Result<Self, GgufError> {
        let length = name.len() as u64;
        if length == 0 || length > NAME_LIMIT {
            return Err(GgufError::NameLength { what: "a tensor's name", length, limit: NAME_LIMIT });
        }
        let byte_length = byte_length(kind, dimensions)
            .map_err(|source| GgufError::Tensor { tensor: shown(name), source })?;
        Ok(Self { name: name.to_owned(), kind, dimensions: dimensions.to_vec(), byte_length })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How values are stored.
    #[must_use]
    pub fn kind(&self) -> BlockType {
        self.kind
    }

    /// One to four dimensions, the one of neighbouring values first (the reverse of what most libraries show).
    #[must_use]
    pub fn dimensions(&self) -> &[usize] {
        &self.dimensions
    }

    /// How many values a row has: the first dimension.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.dimensions[0]
    }

    /// How many rows there are: the product of all other dimensions.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.dimensions[1..].iter().product()
    }

    /// How many values there are.
    #[must_use]
    pub fn values(&self) -> usize {
        self.dimensions.iter().product()
    }

    /// How many bytes a row takes.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.byte_length / self.rows()
    }

    /// How many bytes all rows take, without padding.
    #[must_use]
    pub fn byte_length(&self) -> usize {
        self.byte_length
    }

    pub(crate) fn write(&self, head: &mut Vec<u8>, offset: u64) {
        put_text(head, &self.name);
        head.extend((self.dimensions.len() as u32).to_le_bytes());
        for dimension in &self.dimensions {
            head.extend((*dimension as u64).to_le_bytes());
        }
        head.extend(self.kind.number().to_le_bytes());
        head.extend(offset.to_le_bytes());
    }
}

/// What a tensor's values take. Also checks that the values themselves can be counted.
fn byte_length(kind: BlockType, dimensions: &[usize]) -> Result<usize, TensorError> {
    let [columns, others @ ..] = dimensions else { return Err(TensorError::DimensionCount(0)) };
    if others.len() >= MOST_DIMENSIONS {
        return Err(TensorError::DimensionCount(dimensions.len() as u64));
    }
    if dimensions.contains(&0) {
        return Err(TensorError::EmptyDimension);
    }
    let mut bytes = kind.row_bytes(*columns)?;
    let mut values = *columns;
    for dimension in others {
        bytes = bytes.checked_mul(*dimension).ok_or(TensorError::TooLarge)?;
        values = values.checked_mul(*dimension).ok_or(TensorError::TooLarge)?;
    }
    Ok(bytes)
}

pub(crate) fn read(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<Described>, GgufError> {
    let mut tensors = Vec::with_capacity(count);
    for _ in 0..count {
        tensors.push(read_one(cursor)?);
    }
    Ok(tensors)
}

fn read_one(cursor: &mut Cursor<'_>) -> Result<Described, GgufError> {
    let name = cursor.name("a tensor's name", NAME_LIMIT)?;
    let refused = |source| GgufError::Tensor { tensor: shown(name), source };
    let count = cursor.u32("a tensor's count of dimensions")?;
    if count == 0 || count as usize > MOST_DIMENSIONS {
        return Err(refused(TensorError::DimensionCount(u64::from(count))));
    }
    let mut dimensions = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let dimension = cursor.u64("a tensor's dimensions")?;
        dimensions.push(usize::try_from(dimension).map_err(|_| refused(TensorError::TooLarge))?);
    }
    let number = cursor.u32("a tensor's type")?;
    let kind = BlockType::from_number(number)
        .ok_or_else(|| refused(TensorError::Type { name: unsupported::name(number), number }))?;
    let offset = cursor.u64("a tensor's offset")?;
    Ok(Described { info: TensorInfo::new(name, kind, &dimensions)?, offset })
}

/// Finds each tensor's data in a file of `file_length` bytes whose head ends at `head_end`.
pub(crate) fn place(
    described: Vec<Described>,
    alignment: u32,
    head_end: usize,
    file_length: usize,
) -> Result<Vec<Placed>, GgufError> {
    let first_data = head_end.checked_next_multiple_of(alignment as usize);
    let mut placed = Vec::with_capacity(described.len());
    for Described { info, offset } in described {
        let refused = |source| GgufError::Tensor { tensor: shown(&info.name), source };
        if offset % u64::from(alignment) != 0 {
            return Err(refused(TensorError::Misaligned { offset, alignment }));
        }
        let start = first_data.and_then(|first| first.checked_add(usize::try_from(offset).ok()?));
        let data = start.and_then(|start| Some(start..start.checked_add(info.byte_length)?));
        match data {
            Some(data) if data.end <= file_length => placed.push(Placed { info, data }),
            _ => return Err(refused(TensorError::OutsideFile { offset, bytes: info.byte_length })),
        }
    }
    Ok(placed)
}

/// The places of the tensors, sorted by name. Fails when two have one name.
pub(crate) fn sorted_by_name(placed: &[Placed]) -> Result<Vec<usize>, GgufError> {
    let name_of = |index: usize| placed[index].info.name.as_str();
    let mut sorted: Vec<usize> = (0..placed.len()).collect();
    sorted.sort_unstable_by(|left, right| name_of(*left).cmp(name_of(*right)));
    match sorted.windows(2).find(|pair| name_of(pair[0]) == name_of(pair[1])) {
        Some(pair) => Err(GgufError::Duplicate { what: "the tensor", name: shown(name_of(pair[0])) }),
        None => Ok(sorted),
    }
}

/// Fails when two tensors claim the same bytes.
pub(crate) fn check_overlaps(placed: &[Placed]) -> Result<(), GgufError> {
    let mut in_order: Vec<&Placed> = placed.iter().collect();
    in_order.sort_unstable_by_key(|tensor| tensor.data.start);
    for pair in in_order.windows(2) {
        let [first, second] = [pair[0], pair[1]];
        if second.data.start < first.data.end {
            let source = TensorError::Overlap { other: shown(&first.info.name) };
            return Err(GgufError::Tensor { tensor: shown(&second.info.name), source });
        }
    }
    Ok(())
}
