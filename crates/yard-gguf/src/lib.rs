//! GGUF model files: read within bounds, written, their weights quantized and dequantized.
//!
//! What is read may come from anyone. Reading never panics, takes memory in proportion to what it reads, and refuses
//! whatever contradicts itself or the file's length before memory is asked for. [`Gguf::open`] maps a file, so that
//! its weights are read from the disk when they are first looked at; [`Gguf::read`] reads any bytes.
//!
//! This crate knows what a file is made of, not what it means: it names no model family, computes no layer and speaks
//! no protocol. Its arithmetic on weights ([`dequantize`], [`quantize`]) is the plain reference that faster code is compared
//! with. Big endian files, version 1, and models split over several files are refused by name.

#![warn(missing_docs)]

mod blocks;
mod cursor;
mod error;
mod file;
mod header;
mod limits;
mod metadata;
mod tensors;
mod writer;

pub use blocks::{BlockError, BlockType, dequantize, quantize};
pub use error::{GgufError, TensorError};
pub use file::{Gguf, MappedFile, Tensor};
pub use limits::ReadLimits;
pub use metadata::{Array, FromValue, Metadata, MetadataError, Mismatch, Strings, Value, ValueType};
pub use tensors::TensorInfo;
pub use writer::{GgufWriter, WriteError};
