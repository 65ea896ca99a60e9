//! IDX, the format of MNIST: a file of images and a file of their labels.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::arrays::element::{Element, Kind};
use super::arrays::{ArrayStream, ArraysReader, Header};
use crate::batches::ReadLimits;
use crate::bytes::{self, Bytes};
use crate::error::DataError;
use crate::source::{FileSource, Format};

const FORMAT: &str = "idx";
const MOST_DIMENSIONS: u8 = 8;

/// The labels are in the file that was named, else in the one beside that has `labels-idx1` for `images-idx3`.
pub(crate) fn open(file: &FileSource, limits: &ReadLimits) -> Result<ArraysReader, DataError> {
    let shown = file.shown();
    let images = stream(bytes::open(&file.path, &shown, limits.unfolded_bytes)?, &shown, limits)?;
    let labels = match labels_of(file) {
        Some(path) => {
            let content = bytes::open(&path, &path_shown(file, &path), limits.unfolded_bytes)?;
            Some(stream(content, &path_shown(file, &path), limits)?)
        }
        None => None,
    };
    ArraysReader::new("image", images, labels, shown, FORMAT, limits)
}

/// A path that must not be shown is called after the file that it belongs to.
pub(super) fn path_shown(file: &FileSource, labels: &Path) -> String {
    match &file.shown {
        Some(shown) => format!("{shown} (labels)"),
        None => labels.display().to_string(),
    }
}

pub(super) fn stream(content: Bytes, shown: &str, limits: &ReadLimits) -> Result<ArrayStream, DataError> {
    let (header, content) = header(content, shown)?;
    ArrayStream::new(header, content, shown, FORMAT, limits)
}

fn header(mut content: Bytes, shown: &str) -> Result<(Header, Bytes), DataError> {
    let failed = |error| bytes::failure(shown, FORMAT, error);
    let mut magic = [0; 4];
    content.read_exact(&mut magic).map_err(failed)?;
    let [0, 0, kind, dimensions] = magic else {
        return Err(DataError::malformed(shown, FORMAT, "it does not start with two zero bytes"));
    };
    let element = match kind {
        0x08 => Element::new(Kind::Unsigned, 1, true),
        0x09 => Element::new(Kind::Signed, 1, true),
        0x0b => Element::new(Kind::Signed, 2, true),
        0x0c => Element::new(Kind::Signed, 4, true),
        0x0d => Element::new(Kind::Float, 4, true),
        0x0e => Element::new(Kind::Float, 8, true),
        _ => None,
    };
    let Some(element) = element else {
        let problem = format!("there is no type of values with the number {kind:#04x}");
        return Err(DataError::malformed(shown, FORMAT, problem));
    };
    if !(1..=MOST_DIMENSIONS).contains(&dimensions) {
        let problem = format!("it has {dimensions} dimensions, 1 to {MOST_DIMENSIONS} are read");
        return Err(DataError::malformed(shown, FORMAT, problem));
    }
    let mut shape = Vec::new();
    for _ in 0..dimensions {
        let mut size = [0; 4];
        content.read_exact(&mut size).map_err(failed)?;
        shape.push(u64::from(u32::from_be_bytes(size)));
    }
    Ok((Header { element, shape }, content))
}

/// Where the labels are: named, or for IDX found beside the images.
pub(crate) fn labels_of(file: &FileSource) -> Option<PathBuf> {
    let is_idx = file.format().is_ok_and(|format| format == Format::Idx);
    file.labels_path.clone().or_else(|| labels_beside(&file.path).filter(|_| is_idx))
}

fn labels_beside(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?;
    let labels = name.replace("images", "labels").replace("idx3", "idx1");
    let path = images.with_file_name(&labels);
    (labels != name && path.is_file()).then_some(path)
}
