use yard_data::{FileSource, Format, Source, Values};

use crate::support::{check, file, rows, table};

fn path(name: &str) -> Source {
    Source::path(file(name))
}

#[test]
fn csv_written_by_python_is_read() {
    check(
        &path("quoted.csv"),
        &["name", "number", "label"],
        &[
            &["red", "1.5", "a;b"],
            &["sa\"id", "-0.002", "ü"],
            &["two\nlines", "1e+300", "a;b"],
            &["-", "-", "ü"],
        ],
    );
}

#[test]
fn json_lines_written_by_python_are_read() {
    check(
        &path("rows.jsonl.gz"),
        &["name", "number", "flag"],
        &[
            &["red", "1.5", "true"],
            &["sa\"id", "-0.002", "false"],
            &["two\nlines", "1e300", "-"],
            &["", "-", "true"],
        ],
    );
}

#[test]
fn parquet_written_by_pyarrow_is_read() {
    for name in ["rows.parquet", "gzip.parquet"] {
        check(
            &path(name),
            &["whole", "number", "name", "shade", "flag", "block"],
            &[
                &["1", "1.5", "red", "x", "true", "[1.0, 2.0]"],
                &["-", "-0.002", "sa\"id", "y", "false", "[3.0, 4.0]"],
                &["3", "1e300", "two\nlines", "-", "-", "[5.0, 6.0]"],
                &["4", "-", "", "x", "true", "[7.0, 8.0]"],
            ],
        );
    }
}

#[test]
fn columns_of_parquet_become_those_of_a_table() {
    let table = table(&path("rows.parquet")).unwrap();
    let values = |name: &str| &table.column(name).unwrap().values;
    let Values::Numbers(whole) = values("whole") else { panic!("{table:?}") };
    assert!(whole[0] == 1.0 && whole[1].is_nan() && whole[3] == 4.0);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let missing = Values::MISSING;
    let shade = Values::Categories { codes: vec![0, 1, missing, 0], levels: names(&["x", "y"]) };
    assert_eq!(*values("shade"), shade);
    let flag = Values::Categories { codes: vec![1, 0, missing, 1], levels: names(&["false", "true"]) };
    assert_eq!(*values("flag"), flag);
    let block = Values::Tensors { shape: vec![2], values: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0] };
    assert_eq!(*values("block"), block);
}

#[test]
fn numpy_arrays_are_read() {
    let source = Source::File(FileSource {
        path: file("x.npy"),
        format: None,
        labels_path: Some(file("y.npy")),
        shown: None,
    });
    let expected: [&[&str]; 4] = [
        &["0.0", "0.25", "0.5", "0.0"],
        &["0.75", "1.0", "1.25", "1.0"],
        &["1.5", "1.75", "2.0", "1.0"],
        &["2.25", "2.5", "2.75", "0.0"],
    ];
    check(&source, &["x_0", "x_1", "x_2", "label"], &expected);
    let stored = [["2.5"], ["-1.0"], ["0.0"], ["4.0"]];
    let expected: Vec<Vec<&str>> =
        expected.iter().zip(stored).map(|(row, label)| [&row[..3], &label].concat()).collect();
    let expected: Vec<&[&str]> = expected.iter().map(Vec::as_slice).collect();
    check(&path("stored.npz"), &["x_0", "x_1", "x_2", "label"], &expected);
}

#[test]
fn compressed_numpy_archives_with_images_and_text_are_read() {
    let table = table(&path("images.npz")).unwrap();
    let values = (0_u8..24).map(f32::from).collect();
    assert_eq!(table.column("x").unwrap().values, Values::Tensors { shape: vec![3, 2, 2], values });
    let levels = vec!["cat".to_owned(), "dög".to_owned()];
    assert_eq!(table.column("label").unwrap().values, Values::Categories { codes: vec![0, 1], levels });
}

#[test]
fn idx_finds_its_labels_beside_the_images() {
    let table = table(&path("tiny-images-idx3-ubyte.gz")).unwrap();
    let values = (0_u8..24).map(f32::from).collect();
    assert_eq!(table.column("image").unwrap().values, Values::Tensors { shape: vec![1, 2, 4], values });
    let levels = vec!["0".to_owned(), "7".to_owned()];
    assert_eq!(table.column("label").unwrap().values, Values::Categories { codes: vec![1, 0, 1], levels });
}

#[test]
fn rows_and_labels_must_be_as_many() {
    let folder = tempfile::tempdir().unwrap();
    let labels = folder.path().join("labels.idx");
    fs_err::write(&labels, [0, 0, 8, 1, 0, 0, 0, 5, 1, 2, 3, 4, 5]).unwrap();
    let source = Source::File(FileSource {
        path: file("tiny-images-idx3-ubyte.gz"),
        format: Some(Format::Idx),
        labels_path: Some(labels),
        shown: Some("digits".to_owned()),
    });
    let message = rows(&source).unwrap_err().to_string();
    assert_eq!(
        message,
        "digits is not a valid idx file: there are 3 rows but 5 labels; they must be as many"
    );
}

/// The ramp of `make.py`, channel after channel.
fn ramp() -> Vec<f32> {
    let value = |channel: usize, pixel: usize| ((pixel * 3 + channel) * 3) as f32;
    (0..3).flat_map(|channel| (0..24).map(move |pixel| value(channel, pixel))).collect()
}

#[test]
fn png_files_in_folders_are_read_with_palette_and_without_transparency() {
    let table = table(&path("pictures")).unwrap();
    let Values::Tensors { shape, values } = &table.column("image").unwrap().values else {
        panic!("{table:?}")
    };
    assert_eq!((table.rows, shape.as_slice()), (3, &[3, 4, 6][..]));
    for image in values.chunks(72) {
        assert_eq!(image, ramp());
    }
    let levels = vec!["cat".to_owned(), "dog".to_owned()];
    assert_eq!(table.column("label").unwrap().values, Values::Categories { codes: vec![0, 0, 1], levels });
}

#[test]
fn jpeg_files_are_read_sequential_and_progressive() {
    let table = table(&path("photos")).unwrap();
    let Values::Tensors { shape, values } = &table.column("image").unwrap().values else {
        panic!("{table:?}")
    };
    assert_eq!((table.rows, shape.as_slice()), (2, &[3, 16, 16][..]));
    for image in values.chunks(3 * 256) {
        for (channel, expected) in image.chunks(256).zip([200.0, 100.0, 50.0]) {
            // JPEG loses a little.
            assert!(channel.iter().all(|value| (value - expected).abs() <= 3.0), "{channel:?}");
        }
    }
}

#[test]
fn gray_images_have_one_channel_and_deep_ones_come_as_eight_bits() {
    let images = |folder: &str| {
        let mut reader = yard_data::open(&path(folder), &yard_data::ReadLimits::default()).unwrap();
        let schema = yard_data::infer(&mut *reader, &yard_data::InferOptions::default()).unwrap().schema;
        let options = yard_data::TableOptions {
            columns: Some(vec!["image".to_owned()]),
            ..yard_data::TableOptions::default()
        };
        match yard_data::Table::read(&path(folder), &schema, &options).unwrap().columns.remove(0).values {
            Values::Tensors { shape, values } => (shape, values),
            other => panic!("{other:?}"),
        }
    };
    let (shape, values) = images("gray");
    assert_eq!(shape, [1, 16, 16]);
    assert!(values.iter().all(|value| (value - 200.0).abs() <= 2.0), "{values:?}");
    let (shape, values) = images("deep");
    assert_eq!(shape, [1, 4, 6]);
    assert_eq!(values, &ramp()[..24]);
}
