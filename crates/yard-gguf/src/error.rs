//! Why a GGUF file is refused.

use std::path::PathBuf;

use crate::BlockError;
use crate::metadata::MetadataError;

/// Why a GGUF file is refused. `Display` is fit for the person who made the file; names out of it are cut and escaped.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// Opening or mapping failed.
    #[error("the file could not be opened")]
    Io(#[from] std::io::Error),
    /// A directory, pipe or device.
    #[error("{} is not a regular file", path.display())]
    NotRegular {
        /// What was to be opened.
        path: PathBuf,
    },
    /// The first four bytes are not `GGUF`.
    #[error("it is not a GGUF file: it does not begin with the letters GGUF")]
    NotGguf,
    /// The numbers are in the other byte order.
    #[error("it is a big endian GGUF file; only little endian ones are read")]
    BigEndian,
    /// A version of the format that is not read.
    #[error("it is of GGUF version {0}; only versions 2 and 3 are read")]
    Version(u32),
    /// The file ends too soon.
    #[error("the file ends inside {what}: {needed} bytes are needed at byte {offset}, {left} are left")]
    Truncated {
        /// Inside what.
        what: &'static str,
        /// Where it would begin.
        offset: usize,
        /// How many bytes it takes.
        needed: u64,
        /// How many there are.
        left: usize,
    },
    /// What comes before the tensors is longer than [`crate::ReadLimits::head_bytes`].
    #[error("metadata and tensor descriptions take more than the {limit} bytes allowed")]
    HeadTooLong {
        /// What is allowed.
        limit: usize,
    },
    /// More of something than is allowed, or than the bytes left can hold.
    #[error("it declares {declared} {what}, more than the {limit} that are possible here")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many it declares.
        declared: u64,
        /// How many it may have.
        limit: u64,
    },
    /// A name without letters, or a very long one.
    #[error("{what} is {length} bytes long, not between 1 and {limit}")]
    NameLength {
        /// Whose name.
        what: &'static str,
        /// How long it is.
        length: u64,
        /// How long it may be.
        limit: u64,
    },
    /// Bytes that should be text.
    #[error("{what} at byte {offset} is not valid UTF-8")]
    NotText {
        /// What should be text.
        what: &'static str,
        /// Where it begins.
        offset: usize,
    },
    /// Two entries or tensors of one name.
    #[error("{what} '{name}' is there twice")]
    Duplicate {
        /// What is there twice.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The value of a metadata key cannot be read.
    #[error("the value of the metadata key '{key}' cannot be read")]
    Value {
        /// The key.
        key: String,
        /// Why.
        #[source]
        source: Box<GgufError>,
    },
    /// A value type that the format does not have.
    #[error("there is no value type {0}")]
    ValueType(u32),
    /// A truth value other than 0 and 1.
    #[error("a truth value is {0}, neither 0 nor 1")]
    NotBool(u8),
    /// Arrays within arrays within arrays.
    #[error("arrays are nested more than {limit} deep")]
    TooDeep {
        /// How deep they may be.
        limit: u32,
    },
    /// Metadata that steers reading itself has the wrong type.
    #[error("metadata that says how the file is to be read is unusable")]
    Metadata(#[from] MetadataError),
    /// `general.alignment` is not a power of two, or very large.
    #[error("general.alignment is {0}, not a power of two up to 2 MiB")]
    Alignment(u32),
    /// The file is one of several that make a model.
    #[error("it is one of {count} files of a split model; merge them into one file first")]
    Split {
        /// How many there are.
        count: u64,
    },
    /// A tensor that cannot be.
    #[error("the tensor '{tensor}' is unusable")]
    Tensor {
        /// Its name.
        tensor: String,
        /// What is wrong with it.
        #[source]
        source: TensorError,
    },
    /// A tensor that the caller needs is not there.
    #[error("it has no tensor '{tensor}'")]
    NoTensor {
        /// Its name.
        tensor: String,
    },
}

/// What is wrong with a tensor's description.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TensorError {
    /// A type of values that is not read.
    #[error("its values are stored as {name} (type {number}), which is not supported")]
    Type {
        /// The type's published name.
        name: &'static str,
        /// The type's number.
        number: u32,
    },
    /// No dimensions or more than four.
    #[error("it has {0} dimensions, not between 1 and 4")]
    DimensionCount(u64),
    /// A dimension of zero.
    #[error("one of its dimensions is 0")]
    EmptyDimension,
    /// More values than can be counted.
    #[error("its dimensions multiply to more bytes than can be counted")]
    TooLarge,
    /// Rows that would end inside a block.
    #[error("its rows do not fit its type")]
    Row(#[from] BlockError),
    /// Data that does not begin at a multiple of the alignment.
    #[error("its data begins at {offset}, not a multiple of the alignment {alignment}")]
    Misaligned {
        /// Where, counted from the first tensor's data.
        offset: u64,
        /// The file's alignment.
        alignment: u32,
    },
    /// Data beyond the end of the file.
    #[error("its {bytes} bytes at {offset} after the descriptions reach beyond the end of the file")]
    OutsideFile {
        /// Where, counted from the first tensor's data.
        offset: u64,
        /// How many.
        bytes: usize,
    },
    /// Data that two tensors claim.
    #[error("its data overlaps that of the tensor '{other}'")]
    Overlap {
        /// The other tensor.
        other: String,
    },
}

/// A name out of a file, cut and escaped so that it cannot flood or garble a log or a terminal.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(96).flat_map(char::escape_debug).collect()
}
