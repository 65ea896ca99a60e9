//! Data sets: files to Arrow record batches and tables, schemas, statistics, checks, splits.
//!
//! [`Source`] says where data are; [`open`] gives their rows as a stream of record batches, [`infer`] a [`Schema`] that
//! can be edited, [`TypedReader`] the stream in the types of the schema, and [`Table::read`] columns in memory.
//! [`Split`] and [`folds`] divide rows. Every reader is bounded by [`ReadLimits`], refuses what it cannot read with
//! the place in the file, and gives the same rows in the same order each time.
//!
//! It is no query engine and prepares nothing for a model: values come as they stand in the file. It knows no models,
//! no HTTP, no SQL and no async runtime; where data sets are kept is the store's affair.

#![warn(missing_docs)]

mod batches;
mod builtin;
mod bytes;
mod checks;
mod describe;
mod draw;
mod drift;
mod error;
mod formats;
mod infer;
mod schema;
mod source;
mod split;
mod statistics;
mod table;
mod typed;

pub use batches::{BatchReader, ReadLimits};
pub use builtin::Builtin;
pub use checks::{Anomaly, AnomalyKind, CheckOptions, Checker, check, schema_of};
pub use describe::{describe_page, describe_table};
pub use draw::{Draw, draw};
pub use drift::{ColumnDrift, Distance, DriftOptions, Measure, Verdict, drift};
pub use error::DataError;
pub use infer::{ColumnOverride, InferOptions, Inferred, Note, infer};
pub use schema::{ColumnSpec, ColumnType, Domain, Role, Schema, sort_levels};
pub use source::{FileSource, Format, Source, open};
pub use split::{Fold, Split, SplitShares, folds};
pub use statistics::{
    ColumnKind, ColumnStatistics, DistinctCount, Histogram, NumberStatistics, Quantiles, Statistics,
    StatisticsBuilder, StatisticsOptions, ValueCount,
};
pub use table::{Column, Table, TableOptions, Values};
pub use typed::{OnMisfit, TypedReader};
