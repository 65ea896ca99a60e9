//! What is broken, cut off, too large or empty is refused with words that help.

use std::path::Path;

use fs_err as fs;
use yard_data::{DataError, FileSource, Format, ReadLimits, Source, open};

use crate::support::{file, rows, table};

fn message(path: &Path, format: Format) -> String {
    let source = Source::File(FileSource {
        path: path.to_owned(),
        format: Some(format),
        labels_path: None,
        shown: Some("it".to_owned()),
    });
    rows(&source).unwrap_err().to_string()
}

#[test]
fn a_file_that_is_cut_off_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut");
    for (name, format, keep, expected) in [
        ("x.npy", Format::Npy, 170, "it is not a valid npy file: it ends too early (is it cut off?)"),
        ("x.npy", Format::Npy, 20, "it is not a valid npy file: it ends too early (is it cut off?)"),
        (
            "tiny-images-idx3-ubyte.gz",
            Format::Idx,
            45,
            "it is not a valid idx file: it ends too early (is it cut off?)",
        ),
        ("images.npz", Format::Npz, 300, "it is not a valid npz file: it has no end record"),
        (
            "rows.jsonl.gz",
            Format::JsonLines,
            60,
            "it is not a valid json_lines file: it ends too early (is it cut off?)",
        ),
    ] {
        let bytes = fs::read(file(name)).unwrap();
        fs::write(&cut, &bytes[..keep]).unwrap();
        assert_eq!(message(&cut, format), expected, "{name}");
    }
    let bytes = fs::read(file("rows.parquet")).unwrap();
    fs::write(&cut, &bytes[..1000]).unwrap();
    assert!(message(&cut, Format::Parquet).starts_with("it is not a valid parquet file: "));
}

#[test]
fn pictures_that_are_broken_or_of_another_size_are_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("cat")).unwrap();
    fs::copy(file("pictures/cat/a.png"), folder.path().join("cat/a.png")).unwrap();
    let other = folder.path().join("cat/b.jpg");
    fs::copy(file("photos/one/a.jpg"), &other).unwrap();
    assert_eq!(
        message(folder.path(), Format::ImageFolder),
        "it/cat/b.jpg is not a valid image file: it is 16x16 with 3 channels, the first image is 6x4 with 3 \
         channels; make all images alike"
    );
    let png = fs::read(file("pictures/cat/a.png")).unwrap();
    fs::write(&other, &png[..50]).unwrap();
    assert!(message(folder.path(), Format::ImageFolder).starts_with("it/cat/b.jpg is not a valid png file"));
    let jpeg = fs::read(file("photos/one/a.jpg")).unwrap();
    fs::write(&other, &jpeg[..400]).unwrap();
    assert!(message(folder.path(), Format::ImageFolder).starts_with("it/cat/b.jpg is not a valid jpeg file"));
    fs::write(&other, b"hello").unwrap();
    assert!(message(folder.path(), Format::ImageFolder).contains("it starts like neither"));
}

#[test]
fn what_is_empty_or_unknown_says_what_would_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    fs::write(&empty, b"").unwrap();
    assert_eq!(message(&empty, Format::Csv), "it has no rows");
    assert_eq!(message(&empty, Format::JsonLines), "it has no rows");
    assert!(message(&empty, Format::Parquet).starts_with("it is not a valid parquet file"));
    assert!(message(&empty, Format::Npz).contains("no end record"));
    assert!(message(folder.path(), Format::ImageFolder).contains("each class is a folder"));
    assert!(message(&folder.path().join("nothing"), Format::Csv).starts_with("cannot read it"));
    let error = table(&Source::path(folder.path().join("data.xlsx"))).unwrap_err();
    assert!(error.to_string().contains("unknown format; say which one it is: csv, parquet"));
    assert!(message(folder.path(), Format::Csv).contains("a folder as this format"));
}

#[test]
fn sizes_that_a_file_only_claims_cost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claims.idx");
    let size = [0x7f, 0xff, 0xff, 0xff];
    fs::write(&path, [&[0, 0, 8, 3][..], &size, &size, &size].concat()).unwrap();
    assert!(message(&path, Format::Idx).contains("a row in bytes is"));
    // Rows of a fair size, but two thousand million of them.
    fs::write(&path, [&[0, 0, 8, 2][..], &size, &[0, 0, 0, 9]].concat()).unwrap();
    assert_eq!(message(&path, Format::Idx), "it is not a valid idx file: it ends too early (is it cut off?)");
    let source = Source::path(&path);
    let schema = yard_data::Schema {
        columns: vec![yard_data::ColumnSpec {
            name: "image_0".to_owned(),
            kind: yard_data::ColumnType::Number,
            role: yard_data::Role::Feature,
            nullable: false,
            domain: yard_data::Domain::Any,
            shape: Vec::new(),
        }],
    };
    let error = yard_data::Table::read(&source, &schema, &yard_data::TableOptions::default()).unwrap_err();
    assert!(matches!(error, DataError::MemoryLimit { needed, .. } if needed == 8 * 0x7fff_ffff), "{error}");
}

fn read_all(source: &Source, limits: &ReadLimits) -> Result<(), DataError> {
    let mut reader = open(source, limits)?;
    while reader.next_batch()?.is_some() {}
    Ok(())
}

#[test]
fn what_unfolds_beyond_the_limit_is_refused() {
    let limits = ReadLimits { unfolded_bytes: 30, ..ReadLimits::default() };
    for name in ["rows.jsonl.gz", "images.npz", "tiny-images-idx3-ubyte.gz"] {
        let read = read_all(&Source::path(file(name)), &limits);
        assert!(matches!(read, Err(DataError::TooLarge { limit: 30, .. })), "{name}: {read:?}");
    }
    let limits = ReadLimits { row_bytes: 100, ..ReadLimits::default() };
    let read = open(&Source::path(file("pictures")), &limits);
    assert!(matches!(read, Err(DataError::TooLarge { limit: 100, .. })), "{read:?}");
}
