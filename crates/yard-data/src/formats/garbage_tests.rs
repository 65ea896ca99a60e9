//! Whatever the bytes: an answer or an error, never a panic, never more memory than allowed.

use std::io::{Cursor, Write};

use fs_err as fs;
use proptest::prelude::*;

use super::image_folder::decode;
use super::{idx, npy, zip};
use crate::batches::{BatchReader, ReadLimits};
use crate::bytes::Bytes;
use crate::error::DataError;
use crate::source::{FileSource, Format, Source, open};

const LIMITS: ReadLimits = ReadLimits {
    batch_rows: 64,
    batch_bytes: 1 << 16,
    row_bytes: 1 << 20,
    columns: 64,
    unfolded_bytes: 1 << 22,
};

fn bytes(content: &[u8]) -> Bytes {
    Box::new(Cursor::new(content.to_vec()))
}

fn file(name: &str) -> Vec<u8> {
    fs::read(format!("{}/tests/files/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn read_all(content: &[u8], format: Format) -> Result<u64, DataError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    let source = FileSource {
        path: file.path().to_owned(),
        format: Some(format),
        labels_path: None,
        shown: Some("garbage".to_owned()),
    };
    let mut reader: Box<dyn BatchReader> = open(&Source::File(source), &LIMITS)?;
    let mut rows = 0;
    while let Some(batch) = reader.next_batch()? {
        rows += batch.num_rows() as u64;
    }
    Ok(rows)
}

/// A good file with some bytes replaced, and perhaps its end cut off.
fn damaged(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = good.len();
    let damage = prop::collection::vec((0..length, any::<u8>()), 0..6);
    (damage, 0..=length).prop_map(move |(damage, cut)| {
        let mut content = good.clone();
        for (at, byte) in damage {
            content[at] = byte;
        }
        // Mostly whole, so that the damage is reached.
        if cut % 3 == 0 {
            content.truncate(cut);
        }
        content
    })
}

proptest! {
    #[test]
    fn random_bytes_are_survived(content in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = idx::stream(bytes(&content), "garbage", &LIMITS);
        let _ = npy::stream(bytes(&content), "garbage", &LIMITS);
        for format in [Format::Csv, Format::JsonLines, Format::Idx, Format::Npy, Format::Npz] {
            let _ = read_all(&content, format);
        }
        for magic in [&b"\x89PNG\r\n\x1a\n"[..], b"\xff\xd8\xff"] {
            let _ = decode::decode(&[magic, &content].concat(), "garbage", LIMITS.row_bytes);
        }
    }

    #[test]
    fn damaged_arrays_are_survived(
        npy in damaged(file("x.npy")),
        npz in damaged(file("images.npz")),
        stored in damaged(file("stored.npz")),
        idx in damaged([&[0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 4][..], &[9; 24]].concat()),
    ) {
        for (content, format) in [(npy, Format::Npy), (npz, Format::Npz), (stored, Format::Npz), (idx, Format::Idx)] {
            if let Ok(rows) = read_all(&content, format) {
                prop_assert!(rows <= content.len() as u64 * 1100, "{rows} rows cannot be in so few bytes");
            }
        }
    }

    #[test]
    fn damaged_pictures_are_survived(
        png in damaged(file("pictures/cat/b.png")),
        jpeg in damaged(file("photos/one/a.jpg")),
        progressive in damaged(file("photos/two/b.jpeg")),
    ) {
        for content in [png, jpeg, progressive] {
            if let Ok(picture) = decode::decode(&content, "garbage", LIMITS.row_bytes) {
                let [channels, height, width] = picture.shape;
                prop_assert_eq!(picture.values.len(), channels * height * width);
                prop_assert!(picture.values.len() * 4 <= LIMITS.row_bytes);
            }
        }
    }

    #[test]
    fn damaged_tables_are_survived(
        parquet in damaged(file("rows.parquet")),
        csv in damaged(file("quoted.csv")),
        json in damaged(file("rows.jsonl.gz")),
    ) {
        let _ = read_all(&parquet, Format::Parquet);
        let _ = read_all(&csv, Format::Csv);
        let _ = read_all(&json, Format::JsonLines);
    }
}

#[test]
fn undamaged_files_are_read_by_the_same_means() {
    assert_eq!(read_all(&file("x.npy"), Format::Npy).unwrap(), 4);
    assert_eq!(read_all(&file("images.npz"), Format::Npz).unwrap(), 2);
    assert_eq!(read_all(&file("rows.parquet"), Format::Parquet).unwrap(), 4);
    assert!(decode::decode(&file("photos/two/b.jpeg"), "good", LIMITS.row_bytes).is_ok());
    assert!(decode::decode(&file("pictures/cat/b.png"), "good", LIMITS.row_bytes).is_ok());
    let archive = format!("{}/tests/files/images.npz", env!("CARGO_MANIFEST_DIR"));
    assert_eq!(zip::entries(archive.as_ref(), "good").unwrap().len(), 2);
}
