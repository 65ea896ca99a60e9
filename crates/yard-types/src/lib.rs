//! The vocabulary of Modelyard: names, ids, tensors, signatures, error codes and states.
//!
//! Every other crate speaks in these types. They are parsed once, at the edge, and are valid from then on.
//! This crate does no I/O, knows no async runtime and no wire format: what crosses a wire or a disk has a type of
//! its own in the crate that owns that boundary.

#![warn(missing_docs)]

mod digest;
mod error_code;
mod name;
mod path;
mod signature;
mod tensor;
mod timestamp;
mod version;

pub use digest::{Digest, DigestParseError};
pub use error_code::{Coded, ErrorCode};
pub use name::{AliasName, ModelName, NameError};
pub use path::{PackagePath, PackagePathError};
pub use signature::{Dim, NamedTensor, Signature, SignatureMismatch, TensorSpec};
pub use tensor::{DataType, Tensor, TensorData, TensorError, UnknownDataType};
pub use timestamp::Timestamp;
pub use version::{Selector, UploadState, VersionNumber, VersionNumberError, VersionRef, VersionState};
