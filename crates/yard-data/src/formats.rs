//! One reader for each format.

pub(crate) mod csv;
