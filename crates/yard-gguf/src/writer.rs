//! Writing a GGUF file: the head at once, then tensor after tensor.

use std::io::Write;

use crate::file::alignment_of;
use crate::header::{MAGIC, VERSION};
use crate::{GgufError, Metadata, TensorInfo};

/// Writes a file whose head is known, one tensor's data at a time. The same calls write the same bytes.
///
/// The alignment is that of `general.alignment` in the metadata, or 32. Padding is zeros.
#[derive(Debug)]
pub struct GgufWriter<'a, W> {
    out: W,
    alignment: usize,
    /// What is still to be written, in this order.
    tensors: &'a [TensorInfo],
}

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Writing failed.
    #[error("the file could not be written")]
    Io(#[from] std::io::Error),
    /// The file could not be read afterwards.
    #[error("the file would be unreadable")]
    Unreadable(#[from] GgufError),
    /// Another tensor's turn.
    #[error("the data of the tensor '{actual}' is written where that of '{expected}' belongs")]
    Order {
        /// Whose turn it is.
        expected: String,
        /// Whose data was given.
        actual: String,
    },
    /// A tensor behind the last one.
    #[error("the data of all tensors is written already; that of '{tensor}' is one too many")]
    Surplus {
        /// Whose data was given.
        tensor: String,
    },
    /// More or fewer bytes than the tensor takes.
    #[error("the tensor '{tensor}' takes {expected} bytes, not {actual}")]
    Length {
        /// The tensor.
        tensor: String,
        /// What it takes.
        expected: usize,
        /// What was given.
        actual: usize,
    },
    /// Finished before all tensors were written.
    #[error("the data of the tensor '{tensor}' is missing")]
    Missing {
        /// The first that is missing.
        tensor: String,
    },
    /// The tensors together are too long.
    #[error("the tensors take more bytes than can be counted")]
    TooLong,
}

impl<'a, W: Write> GgufWriter<'a, W> {
    /// Writes the head: header, metadata, and the descriptions of `tensors`, whose data is to follow in this order.
    ///
    /// # Errors
    ///
    /// Two tensors have one name, the metadata says that the file is one that is not read, or writing fails.
    pub fn start(mut out: W, metadata: &Metadata, tensors: &'a [TensorInfo]) -> Result<Self, WriteError> {
        refuse_same_names(tensors)?;
        let alignment = alignment_of(metadata)? as usize;
        let mut head = Vec::new();
        head.extend(MAGIC);
        head.extend(VERSION.to_le_bytes());
        head.extend((tensors.len() as u64).to_le_bytes());
        head.extend((metadata.len() as u64).to_le_bytes());
        metadata.write(&mut head);
        let mut offset = 0_usize;
        for tensor in tensors {
            tensor.write(&mut head, offset as u64);
            offset = offset
                .checked_add(tensor.byte_length())
                .and_then(|end| end.checked_next_multiple_of(alignment))
                .ok_or(WriteError::TooLong)?;
        }
        out.write_all(&head)?;
        let mut writer = Self { out, alignment, tensors };
        writer.pad(head.len())?;
        Ok(writer)
    }

    /// Writes the data of the next tensor, which must be the one of this name.
    ///
    /// # Errors
    ///
    /// It is another tensor's turn, the bytes are not as many as the tensor takes, or writing fails.
    pub fn tensor(&mut self, name: &str, bytes: &[u8]) -> Result<(), WriteError> {
        let Some((next, others)) = self.tensors.split_first() else {
            return Err(WriteError::Surplus { tensor: name.to_owned() });
        };
        if next.name() != name {
            return Err(WriteError::Order { expected: next.name().to_owned(), actual: name.to_owned() });
        }
        if bytes.len() != next.byte_length() {
            let (expected, actual) = (next.byte_length(), bytes.len());
            return Err(WriteError::Length { tensor: name.to_owned(), expected, actual });
        }
        self.out.write_all(bytes)?;
        self.pad(bytes.len())?;
        self.tensors = others;
        Ok(())
    }

    /// Ends the file and gives back what it was written to, flushed.
    ///
    /// # Errors
    ///
    /// A tensor's data is missing, or writing fails.
    pub fn finish(mut self) -> Result<W, WriteError> {
        if let Some(missing) = self.tensors.first() {
            return Err(WriteError::Missing { tensor: missing.name().to_owned() });
        }
        self.out.flush()?;
        Ok(self.out)
    }

    /// Zeros up to the next multiple of the alignment after `length` bytes that began at one.
    fn pad(&mut self, length: usize) -> std::io::Result<()> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut left = length.next_multiple_of(self.alignment) - length;
        while left > 0 {
            let step = left.min(ZEROS.len());
            self.out.write_all(&ZEROS[..step])?;
            left -= step;
        }
        Ok(())
    }
}

fn refuse_same_names(tensors: &[TensorInfo]) -> Result<(), GgufError> {
    let mut names: Vec<&str> = tensors.iter().map(TensorInfo::name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(GgufError::Duplicate { what: "the tensor", name: crate::error::shown(pair[0]) }),
        None => Ok(()),
    }
}
