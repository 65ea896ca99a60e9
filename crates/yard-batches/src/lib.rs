//! Batches: files of requests that are answered in the background, when nobody else is waiting.
//!
//! [`Batches`] is what the server calls: it keeps files and begins, shows and cancels batches. [`Runner::start`] starts the
//! one task that runs them: the oldest of each owner first, owners side by side. What became of a line is written before
//! it counts as done, under the key of its batch and number, so that a restart runs the lines without an outcome and no
//! other. What it needs from outside stands here as small traits: where rows are kept ([`BatchStore`]), where bytes are
//! kept ([`Contents`]), what runs a line ([`LineRunner`]) and the clock ([`Clock`]).
//!
//! It knows no HTTP, no SQL and no engine; what a line asks for is a JSON document that it passes on.
//!
//! The feature `store-suite` adds stand-ins for these and the suite that every implementation of [`BatchStore`] must pass.

#![warn(missing_docs)]

mod batches;
mod contents;
mod error;
mod files;
mod id;
mod line;
mod line_runner;
mod lines;
mod next_batches;
mod records;
mod runner;
mod status;
mod store;
#[cfg(any(test, feature = "store-suite"))]
pub mod testing;
mod written;

pub use batches::{Activity, BatchOptions, Batches, Clock, NewBatch, SystemClock};
pub use contents::{ByteStream, ContentError, Contents, Hold, StagedContent};
pub use error::BatchError;
pub use files::NewFile;
pub use id::{BatchId, FileId, IdError};
pub use line::{MAX_CUSTOM_ID, ParsedLine, parse_line};
pub use line_runner::{LineAnswer, LineCall, LineRunner};
pub use next_batches::{Waiting, next_batches};
pub use records::{
    Batch, BatchEnd, Counts, Endpoint, EndpointError, LineRecord, Moments, Owner, Problem, Purpose,
    PurposeError, StoredFile, Usage, Window, WindowError,
};
pub use runner::Runner;
pub use status::{BatchStatus, StatusError};
pub use store::{BatchStore, BatchStoreError, FileQuery};
