//! A whole GGUF file, read from bytes or mapped into memory.

use std::fmt;
use std::path::Path;

use crate::cursor::Cursor;
use crate::header::Header;
use crate::limits::ReadLimits;
use crate::metadata::Metadata;
use crate::tensors::{self, Placed, TensorInfo};
use crate::{BlockError, GgufError, dequantize};

mod mapped;

pub use mapped::MappedFile;

/// The alignment of files that do not state theirs.
pub(crate) const DEFAULT_ALIGNMENT: u32 = 32;
pub(crate) const ALIGNMENT_KEY: &str = "general.alignment";
/// The size of a large page; published files have 32 or a page.
const MOST_ALIGNMENT: u32 = 2 << 20;
const SPLIT_KEY: &str = "split.count";

/// A GGUF file that was read within bounds: every tensor lies inside it, aligned, apart from the others.
///
/// A file is the header ([24 bytes](Self::version)), the [metadata](Metadata), the [descriptions](TensorInfo), and the
/// tensors' data, each padded to the alignment: `general.alignment`, or 32.
pub struct Gguf<B> {
    bytes: B,
    version: u32,
    alignment: u32,
    metadata: Metadata,
    tensors: Vec<Placed>,
    /// The places of the tensors, sorted by name.
    sorted: Vec<usize>,
}

/// A tensor's description and data.
#[derive(Debug, Clone, Copy)]
pub struct Tensor<'a> {
    /// Name, type and shape.
    pub info: &'a TensorInfo,
    /// The rows, one after the other: exactly as many bytes as they take.
    pub bytes: &'a [u8],
}

impl Gguf<MappedFile> {
    /// Maps a file into memory and reads its head. Data is read from the disk when it is first looked at.
    ///
    /// The file must not be written or cut while it is open: see [`MappedFile`].
    ///
    /// # Errors
    ///
    /// The file cannot be opened or is no GGUF file that can be read within `limits`.
    pub fn open(path: &Path, limits: &ReadLimits) -> Result<Self, GgufError> {
        Self::read(MappedFile::open(path)?, limits)
    }
}

impl<B: AsRef<[u8]>> Gguf<B> {
    /// Reads the head of a whole file. Bytes that lie badly are refused before memory is asked for.
    ///
    /// # Errors
    ///
    /// The bytes are no GGUF file that can be read within `limits`.
    pub fn read(bytes: B, limits: &ReadLimits) -> Result<Self, GgufError> {
        let file = bytes.as_ref();
        let mut cursor = Cursor::new(file, limits.head_bytes);
        let header = Header::read(&mut cursor, limits)?;
        let metadata = Metadata::read(&mut cursor, header.entries)?;
        let alignment = alignment_of(&metadata)?;
        let described = tensors::read(&mut cursor, header.tensors)?;
        let tensors = tensors::place(described, alignment, cursor.position(), file.len())?;
        let sorted = tensors::sorted_by_name(&tensors)?;
        tensors::check_overlaps(&tensors)?;
        Ok(Self { bytes, version: header.version, alignment, metadata, tensors, sorted })
    }

    /// The version of the format, 2 or 3. The header is the letters `GGUF`, the version (`u32`), how many tensors
    /// (`u64`), and how many metadata entries (`u64`).
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// What each tensor's data is aligned to, from the file's beginning.
    #[must_use]
    pub fn alignment(&self) -> u32 {
        self.alignment
    }

    /// The metadata.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// All tensors, in the order of their descriptions.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = Tensor<'_>> {
        self.tensors.iter().map(|placed| self.tensor_at(placed))
    }

    /// The tensor of this name, if there is one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Tensor<'_>> {
        let place = self.sorted.binary_search_by(|index| self.tensors[*index].info.name().cmp(name)).ok()?;
        Some(self.tensor_at(&self.tensors[self.sorted[place]]))
    }

    /// The tensor of this name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn tensor(&self, name: &str) -> Result<Tensor<'_>, GgufError> {
        self.find(name).ok_or_else(|| GgufError::NoTensor { tensor: crate::error::shown(name) })
    }

    fn tensor_at<'a>(&'a self, placed: &'a Placed) -> Tensor<'a> {
        Tensor { info: &placed.info, bytes: &self.bytes.as_ref()[placed.data.clone()] }
    }
}

impl<B> fmt::Debug for Gguf<B> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Gguf")
            .field("version", &self.version)
            .field("alignment", &self.alignment)
            .field("entries", &self.metadata.len())
            .field("tensors", &self.tensors.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Tensor<'a> {
    /// The bytes of one row, if there is such a row.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<&'a [u8]> {
        let row_bytes = self.info.row_bytes();
        self.bytes.get(index.checked_mul(row_bytes)?..)?.get(..row_bytes)
    }

    /// All values, dequantized: 4 bytes for each, up to seven times what the file holds.
    ///
    /// # Errors
    ///
    /// `bytes` was replaced by some that do not fit `info`.
    pub fn to_f32(&self) -> Result<Vec<f32>, BlockError> {
        let mut values = vec![0.0; self.info.values()];
        dequantize(self.info.kind(), self.bytes, &mut values)?;
        Ok(values)
    }
}

/// What the tensors of a file with this metadata are aligned to. Fails when the metadata says that the file is one that
/// is not read.
pub(crate) fn alignment_of(metadata: &Metadata) -> Result<u32, GgufError> {
    refuse_split(metadata)?;
    match metadata.optional::<u32>(ALIGNMENT_KEY)? {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(alignment) if alignment.is_power_of_two() && alignment <= MOST_ALIGNMENT => Ok(alignment),
        Some(alignment) => Err(GgufError::Alignment(alignment)),
    }
}

fn refuse_split(metadata: &Metadata) -> Result<(), GgufError> {
    match metadata.optional::<u64>(SPLIT_KEY)? {
        Some(count) if count > 1 => Err(GgufError::Split { count }),
        _ => Ok(()),
    }
}
