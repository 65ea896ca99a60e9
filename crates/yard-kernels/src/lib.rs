//! The arithmetic of language models on a CPU: products with quantized weights, attention over paged keys and values,
//! norms, rotations and activations.
//!
//! A [`Machine`] is instructions ([`Cpu`], chosen when the program runs) and threads ([`ThreadPool`]). Weights are packed
//! once ([`PackedMatrix`]), rows of activations are prepared once for all matrices that read them ([`ActivationRows`]).
//!
//! **A row's result is the same bits whatever else is in the batch, for any number of threads, any split of the work and
//! on every path.** It holds by construction: every number is computed by one chain of operations whose order depends on
//! the sizes of its own row alone; batches and threads only change which chains run beside one another.
//!
//! Entries check sizes and answer with a [`KernelError`]; they do not panic. This crate knows no models and no files, and
//! it decides nothing about who may use how many threads.

#![warn(missing_docs)]
#![expect(unsafe_code, reason = "instructions of the machine, and rows written by several threads")]
#![expect(
    clippy::needless_range_loop,
    reason = "one number counts rows of several arrays, which are registers"
)]

#[cfg(target_endian = "big")]
compile_error!("packed weights are little endian");

mod activations;
mod attention;
mod cpu;
mod elementwise;
mod error;
mod machine;
mod matrix;
mod memory;
mod pool;
mod simd;

pub use activations::{ActivationForm, ActivationRows};
pub use attention::{
    AttentionOptions, KeyValuePages, KeyValueShape, PAGE_POSITIONS, PageElement, PageSlot, SequenceRows,
};
pub use cpu::{Cpu, Path, UnsupportedPath};
pub use elementwise::{
    Activation, RopeAngles, RopeError, RopeFrequencies, RopePairing, RopeScaling, YarnScaling,
};
pub use error::KernelError;
pub use machine::Machine;
pub use matrix::{Finish, GatedProduct, PackedMatrix, Product};
pub use pool::ThreadPool;
