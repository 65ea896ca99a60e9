//! NPY: one NumPy array, with another file for the labels.

use std::io::Read;

use super::arrays::element::{Element, Kind};
use super::arrays::{ArrayStream, ArraysReader, Header};
use super::idx::path_shown;
use crate::batches::ReadLimits;
use crate::bytes::{self, Bytes};
use crate::error::DataError;
use crate::source::FileSource;

const FORMAT: &str = "npy";
const MAGIC: &[u8] = b"\x93NUMPY";
const MOST_HEADER_BYTES: usize = 64 << 10;
const MOST_DIMENSIONS: usize = 8;

/// Columns `x`, or `x_0`, `x_1` and so on for an array of two dimensions.
pub(crate) fn open(file: &FileSource, limits: &ReadLimits) -> Result<ArraysReader, DataError> {
    let shown = file.shown();
    let rows = stream(bytes::open(&file.path, &shown, limits.unfolded_bytes)?, &shown, limits)?;
    let labels = match &file.labels_path {
        Some(path) => {
            let labels_shown = path_shown(file, path);
            let content = bytes::open(path, &labels_shown, limits.unfolded_bytes)?;
            Some(stream(content, &labels_shown, limits)?)
        }
        None => None,
    };
    ArraysReader::new("x", rows, labels, shown, FORMAT, limits)
}

pub(super) fn stream(mut content: Bytes, shown: &str, limits: &ReadLimits) -> Result<ArrayStream, DataError> {
    let header = header(&mut content, shown)?;
    ArrayStream::new(header, content, shown, FORMAT, limits)
}

fn header(content: &mut Bytes, shown: &str) -> Result<Header, DataError> {
    let failed = |error| bytes::failure(shown, FORMAT, error);
    let malformed = |problem: &str| DataError::malformed(shown, FORMAT, problem);
    let mut start = [0; 8];
    content.read_exact(&mut start).map_err(failed)?;
    if !start.starts_with(MAGIC) {
        return Err(malformed("it does not start like one"));
    }
    let length_bytes = match start[6] {
        1 => 2,
        2 | 3 => 4,
        version => {
            return Err(DataError::Unsupported {
                file: shown.to_owned(),
                what: format!("version {version} of the NPY format"),
            });
        }
    };
    let mut length = [0; 4];
    content.read_exact(&mut length[..length_bytes]).map_err(failed)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MOST_HEADER_BYTES {
        let (what, limit) = ("the header in bytes".to_owned(), MOST_HEADER_BYTES as u64);
        return Err(DataError::TooLarge { file: shown.to_owned(), what, found: length as u64, limit });
    }
    let mut text = vec![0; length];
    content.read_exact(&mut text).map_err(failed)?;
    let text = String::from_utf8(text).map_err(|_| malformed("its header is no text"))?;
    let value =
        |key: &str| value_of(&text, key).ok_or_else(|| malformed(&format!("its header has no `{key}`")));
    let kind = value("descr")?;
    let unsupported = |what: String| DataError::Unsupported { file: shown.to_owned(), what };
    let element = element(kind)
        .ok_or_else(|| unsupported(format!("the NumPy type {}", crate::error::shortened(kind))))?;
    let shape = shape(value("shape")?).ok_or_else(|| malformed("its header tells no shape"))?;
    if value("fortran_order")?.starts_with("True") && shape.len() > 1 {
        let what = "an array in Fortran order (save numpy.ascontiguousarray(x) instead)".to_owned();
        return Err(unsupported(what));
    }
    Ok(Header { element, shape })
}

/// What stands behind a key in a Python dictionary, up to the end of the text.
fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, behind) = text.split_once(&format!("'{key}'"))?;
    Some(behind.trim_start().strip_prefix(':')?.trim_start())
}

/// Reads `'<f8'` and the like. Records (a list) and objects (pickles, which could run code) are no elements.
fn element(text: &str) -> Option<Element> {
    let (kind, _) = text.strip_prefix('\'')?.split_once('\'')?;
    let (big_endian, kind) = match kind.strip_prefix(['<', '|', '=']) {
        Some(kind) => (false, kind),
        None => (true, kind.strip_prefix('>')?),
    };
    let size: usize = kind.get(1..)?.parse().ok()?;
    let (kind, size) = match kind.get(..1)? {
        "b" => (Kind::Bool, size),
        "i" => (Kind::Signed, size),
        "u" => (Kind::Unsigned, size),
        "f" => (Kind::Float, size),
        "S" => (Kind::Bytes, size),
        "U" => (Kind::Unicode, size.checked_mul(4)?),
        _ => return None,
    };
    Element::new(kind, size, big_endian)
}

/// Reads `(3, 4)` and the like.
fn shape(text: &str) -> Option<Vec<u64>> {
    let (inside, _) = text.strip_prefix('(')?.split_once(')')?;
    let parts: Vec<&str> = inside.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.len() > MOST_DIMENSIONS {
        return None;
    }
    parts.into_iter().map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(descr: &str, order: &str, shape: &str) -> Result<Header, DataError> {
        let text = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let bytes = [b"\x93NUMPY\x01\0", &(text.len() as u16).to_le_bytes()[..], text.as_bytes()].concat();
        header(&mut (Box::new(std::io::Cursor::new(bytes)) as Bytes), "x.npy")
    }

    #[test]
    fn headers_tell_type_and_shape() {
        let float = Element::new(Kind::Float, 4, true).unwrap();
        assert_eq!(check("'>f4'", "False", "(3, 4)").unwrap(), Header { element: float, shape: vec![3, 4] });
        assert_eq!(check("'|u1'", "True", "(5,)").unwrap().shape, [5]);
        assert_eq!(check("'|u1'", "False", "()").unwrap().shape, [0; 0]);
        assert_eq!(check("'<U3'", "False", "(5,)").unwrap().element.size(), 12);
    }

    #[test]
    fn objects_records_and_fortran_order_are_refused_by_name() {
        let message = |descr, order| check(descr, order, "(3, 4)").unwrap_err().to_string();
        assert!(
            message("'|O'", "False").starts_with("x.npy: the NumPy type '|O'"),
            "{}",
            message("'|O'", "False")
        );
        assert!(message("[('a', '<f8')]", "False").contains("[('a', '<f8')]"));
        assert!(message("'<f8'", "True").contains("Fortran order"));
        assert!(check("'<f8'", "False", "(-1,)").is_err());
        assert!(check("'<U99999999999999999999'", "False", "(1,)").is_err());
    }
}
