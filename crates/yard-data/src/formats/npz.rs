//! NPZ: an archive of NumPy arrays, of which one holds the rows and one the labels.

use super::arrays::{ArrayStream, ArraysReader};
use super::{npy, zip};
use crate::batches::ReadLimits;
use crate::error::DataError;
use crate::source::FileSource;

const FORMAT: &str = "npz";
/// In this order: an archive with a training and a test part gives its training part.
const ROWS: [&str; 7] = ["x", "X", "x_train", "X_train", "data", "features", "images"];
const LABELS: [&str; 6] = ["y", "y_train", "label", "labels", "target", "targets"];

/// Columns as of NPY, with `label`.
pub(crate) fn open(file: &FileSource, limits: &ReadLimits) -> Result<ArraysReader, DataError> {
    let shown = file.shown();
    let entries = zip::entries(&file.path, &shown)?;
    let stream = |names: &[&str]| -> Result<Option<ArrayStream>, DataError> {
        let found = names.iter().find_map(|name| {
            entries.iter().find(|entry| entry.name.strip_suffix(".npy").unwrap_or(&entry.name) == *name)
        });
        let Some(entry) = found else { return Ok(None) };
        let content = zip::content(&file.path, &shown, entry, limits.unfolded_bytes)?;
        npy::stream(content, &format!("{shown}, {}", entry.name), limits).map(Some)
    };
    let Some(rows) = stream(&ROWS)? else {
        let found: Vec<&str> = entries.iter().take(20).map(|entry| entry.name.as_str()).collect();
        let problem = format!("no array is named {}; there are: {}", ROWS.join(", "), found.join(", "));
        return Err(DataError::malformed(&shown, FORMAT, problem));
    };
    ArraysReader::new("x", rows, stream(&LABELS)?, shown, FORMAT, limits)
}
