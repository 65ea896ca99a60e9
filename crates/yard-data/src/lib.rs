//! Data sets: files to record batches, schemas, statistics, splits.
