//! GGUF model files: the types of their weights, read, dequantized and quantized.
//!
//! This crate knows what a file is made of, not what it means: it names no model family, computes no layer and speaks
//! no protocol. Its arithmetic on weights is the plain reference that faster code is compared with.

#![warn(missing_docs)]

mod blocks;

pub use blocks::{BlockError, BlockType, dequantize};
