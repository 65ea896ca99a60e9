use fs_err as fs;
use half::f16;
use proptest::prelude::*;
use yard_types::{DataType, Dim, TensorData};

use super::*;

fn spec(name: &str, data_type: DataType, dims: &[i64]) -> TensorSpec {
    let shape = dims.iter().map(|size| usize::try_from(*size).map_or(Dim::Any, Dim::Fixed)).collect();
    TensorSpec { name: name.into(), data_type, shape: Some(shape), labels: None }
}

fn takes(inputs: &[TensorSpec]) -> Signature {
    Signature { inputs: inputs.to_vec(), outputs: vec![] }
}

fn options() -> ReadOptions {
    ReadOptions { format: None, header: Header::Auto, ignore: vec![], scale: 1.0 }
}

fn read_file(
    name: &str,
    content: &[u8],
    options: &ReadOptions,
    signature: &Signature,
) -> Result<Vec<NamedTensor>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    read(&[path], options, signature).map_err(|error| error.to_string())
}

#[track_caller]
fn check(name: &str, content: &str, signature: &Signature, expected: &[(&str, &[usize], TensorData)]) {
    check_with(name, content.as_bytes(), &options(), signature, expected);
}

#[track_caller]
fn check_with(
    name: &str,
    content: &[u8],
    options: &ReadOptions,
    signature: &Signature,
    expected: &[(&str, &[usize], TensorData)],
) {
    let expected: Vec<NamedTensor> = expected
        .iter()
        .map(|(name, shape, data)| NamedTensor {
            name: (*name).into(),
            tensor: Tensor::new(shape.to_vec(), data.clone()).unwrap(),
        })
        .collect();
    assert_eq!(read_file(name, content, options, signature), Ok(expected));
}

#[track_caller]
fn refused(name: &str, content: &[u8], signature: &Signature, part_of_message: &str) {
    let message = read_file(name, content, &options(), signature).unwrap_err();
    assert!(message.contains(part_of_message), "{message}");
}

#[test]
fn csv_rows_are_read_with_and_without_a_header() {
    let signature = takes(&[spec("x", DataType::Fp32, &[-1, 2])]);
    let expected = [("x", &[2, 2][..], TensorData::Fp32(vec![1.0, -2.5, 3e2, f32::INFINITY]))];
    check("a.csv", "1,-2.5\n3e2,inf\n", &signature, &expected);
    check("a.csv", "\u{feff}left, right\r\n1, -2.5\r\n3e2,inf", &signature, &expected);
}

#[test]
fn csv_columns_can_be_left_out_by_name_or_number() {
    let signature = takes(&[spec("x", DataType::Int64, &[-1])]);
    for ignore in [["id", "label"], ["1", "3"]] {
        let options = ReadOptions { ignore: ignore.map(str::to_owned).to_vec(), ..options() };
        let expected = [("x", &[2][..], TensorData::Int64(vec![5, 6]))];
        check_with("a.csv", b"id,x,label\n1,5,a\n2,6,b\n", &options, &signature, &expected);
    }
}

#[test]
fn csv_columns_find_their_inputs_by_name() {
    let signature = takes(&[
        spec("colour", DataType::Bytes, &[-1, 1]),
        spec("numbers", DataType::Fp32, &[-1, 2]),
        spec("numbers_raw", DataType::Bool, &[-1, 1]),
    ]);
    let expected = [
        ("colour", &[2, 1][..], TensorData::Bytes(vec!["red".into(), "a,\"b".into()])),
        ("numbers", &[2, 2][..], TensorData::Fp32(vec![1.0, 2.0, 3.0, 4.0])),
        ("numbers_raw", &[2, 1][..], TensorData::Bool(vec![true, false])),
    ];
    let content = "numbers_0,colour,numbers_1,numbers_raw\n1,red,2,true\n3,\"a,\"\"b\",4,0\n";
    check("a.csv", content, &signature, &expected);
    refused(
        "a.csv",
        b"numbers_0,colour,numbers_1\n1,red,2\n",
        &signature,
        "no column for input 'numbers_raw'",
    );
    refused("a.csv", b"weight,colour\n1,red\n", &signature, "column 'weight' belongs to no input");
}

#[test]
fn csv_faults_are_told_with_line_and_column() {
    let signature = takes(&[spec("x", DataType::Fp32, &[-1, 2])]);
    refused("a.csv", b"1,2\n3,x\n", &signature, "line 2, column 2: 'x' is not a number");
    refused("a.csv", b"1,2\n3,\n", &signature, "line 2, column 2: '' is not a number");
    refused("a.csv", b"1,2\n3\n", &signature, "line 2 has 1 columns, the lines before it 2");
    refused("a.csv", b"1,2,3\n", &signature, "takes 2 values a row, got 3");
    refused("a.csv", b"", &signature, "empty");
    refused("a.csv", b"a,b\n", &signature, "no row");
    refused("a.csv", b"1,\xff\n", &signature, "not UTF-8");
    let whole = takes(&[spec("x", DataType::Uint8, &[-1, 1])]);
    refused("a.csv", b"1\n256\n", &whole, "line 2, column 1: '256' is not a whole number");
}

#[test]
fn every_form_of_json_is_read() {
    let signature = takes(&[spec("x", DataType::Fp32, &[-1, 2])]);
    let expected = [("x", &[2, 2][..], TensorData::Fp32(vec![1.0, 2.0, 3.0, 4.0]))];
    for content in [
        " [[1, 2], [3, 4]]",
        r#"{"inputs": [[1, 2], [3, 4]]}"#,
        r#"{"x_test": [[1, 2], [3, 4]]}"#,
        r#"{"inputs": {"x": [[1, 2], [3, 4]]}}"#,
        r#"{"id": "1", "inputs": [ {"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}]}"#,
    ] {
        check("a.json", content, &signature, &expected);
    }
    refused("a.json", b"{\"inputs\": [[1, 2], [3]]}", &signature, "rows");
    refused("a.json", b"nonsense", &signature, "JSON");
    refused("a.json", b"", &signature, "JSON");
}

#[test]
fn an_array_is_converted_and_one_row_may_lack_its_brackets() {
    let signature = takes(&[spec("x", DataType::Fp32, &[-1, 2])]);
    let mut content = b"\x93NUMPY\x01\x00\x46\x00".to_vec();
    content.extend(
        format!("{:<69}\n", "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }").into_bytes(),
    );
    content.extend([0.1_f64, 2.0].map(f64::to_le_bytes).concat());
    let expected = [("x", &[1, 2][..], TensorData::Fp32(vec![0.1, 2.0]))];
    check_with("a.npy", &content, &options(), &signature, &expected);
    let two = takes(&[spec("x", DataType::Fp32, &[-1, 2]), spec("y", DataType::Fp32, &[-1, 2])]);
    refused("a.npy", &content, &two, "an array is one input, but the model takes x, y");
}

fn png(width: u32, height: u32, color: ::png::ColorType, depth: ::png::BitDepth, samples: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut content, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(samples).unwrap();
    writer.finish().unwrap();
    content
}

#[test]
fn greyscale_images_become_rows_of_any_shape_that_fits() {
    let image = png(3, 2, ::png::ColorType::Grayscale, ::png::BitDepth::Eight, &[0, 51, 102, 153, 204, 255]);
    let values = TensorData::Fp32(vec![0.0, 51.0, 102.0, 153.0, 204.0, 255.0]);
    for (dims, shape) in [
        (&[-1, 6][..], &[1, 6][..]),
        (&[-1, 2, 3], &[1, 2, 3]),
        (&[-1, 1, 2, 3], &[1, 1, 2, 3]),
        (&[1, 2, 3, 1], &[1, 2, 3, 1]),
        (&[-1, 1, -1, -1], &[1, 1, 2, 3]),
    ] {
        let signature = takes(&[spec("x", DataType::Fp32, dims)]);
        check_with("a.png", &image, &options(), &signature, &[("x", shape, values.clone())]);
    }
    let scaled = ReadOptions { scale: 1.0 / 255.0, ..options() };
    let signature = takes(&[spec("x", DataType::Fp16, &[-1, 6])]);
    let tensors = read_file("a.png", &image, &scaled, &signature).unwrap();
    let TensorData::Fp16(values) = tensors[0].tensor.data() else { panic!("FP16 is expected") };
    assert_eq!((values[0], values[5]), (f16::ZERO, f16::ONE));
}

#[test]
fn the_channels_of_a_colour_image_stand_where_the_model_has_them() {
    let image = png(2, 1, ::png::ColorType::Rgb, ::png::BitDepth::Eight, &[1, 2, 3, 4, 5, 6]);
    let first = takes(&[spec("x", DataType::Uint8, &[-1, 3, 1, 2])]);
    check_with(
        "a.png",
        &image,
        &options(),
        &first,
        &[("x", &[1, 3, 1, 2], TensorData::Uint8(vec![1, 4, 2, 5, 3, 6]))],
    );
    let last = takes(&[spec("x", DataType::Uint8, &[-1, -1, -1, 3])]);
    check_with(
        "a.png",
        &image,
        &options(),
        &last,
        &[("x", &[1, 1, 2, 3], TensorData::Uint8(vec![1, 2, 3, 4, 5, 6]))],
    );
}

#[test]
fn sixteen_bits_are_kept_and_a_single_bit_is_spread() {
    let deep = png(1, 1, ::png::ColorType::Grayscale, ::png::BitDepth::Sixteen, &[0x12, 0x34]);
    let signature = takes(&[spec("x", DataType::Int32, &[-1, 1])]);
    check_with("a.png", &deep, &options(), &signature, &[("x", &[1, 1], TensorData::Int32(vec![0x1234]))]);
    let flat = png(8, 1, ::png::ColorType::Grayscale, ::png::BitDepth::One, &[0b1000_0001]);
    let signature = takes(&[spec("x", DataType::Uint8, &[-1, 8])]);
    let expected = TensorData::Uint8(vec![255, 0, 0, 0, 0, 0, 0, 255]);
    check_with("a.png", &flat, &options(), &signature, &[("x", &[1, 8], expected)]);
}

#[test]
fn images_that_do_not_fit_are_refused_and_not_resized() {
    let image = png(2, 2, ::png::ColorType::Grayscale, ::png::BitDepth::Eight, &[0; 4]);
    let signature = takes(&[spec("pixels", DataType::Fp32, &[-1, 64])]);
    let message =
        "a greyscale image of 2 by 2 pixels, but input 'pixels' takes [-1,64]; images are not resized";
    refused("a.png", &image, &signature, message);
    let clear = png(1, 1, ::png::ColorType::Rgba, ::png::BitDepth::Eight, &[0; 4]);
    refused("a.png", &clear, &signature, "transparency");
    refused("a.png", b"GIF89a", &signature, "no readable PNG");
    refused("a.png", &image[..30], &signature, "no readable PNG");
    let byte = takes(&[spec("x", DataType::Uint8, &[-1, 4])]);
    let bright = png(2, 2, ::png::ColorType::Grayscale, ::png::BitDepth::Eight, &[200; 4]);
    let options = ReadOptions { scale: 2.0, ..options() };
    assert!(read_file("a.png", &bright, &options, &byte).unwrap_err().contains("choose another --scale"));
}

#[test]
fn several_images_are_rows_under_one_another() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..3_u8)
        .map(|value| {
            let path = folder.path().join(format!("{value}.png"));
            fs::write(&path, png(1, 1, ::png::ColorType::Grayscale, ::png::BitDepth::Eight, &[value]))
                .unwrap();
            path
        })
        .collect();
    let tensors = read(&paths, &options(), &takes(&[spec("x", DataType::Fp32, &[-1, 1])])).unwrap();
    assert_eq!(tensors[0].tensor, Tensor::new(vec![3, 1], TensorData::Fp32(vec![0.0, 1.0, 2.0])).unwrap());
    let mixed = [paths[0].clone(), folder.path().join("a.csv")];
    assert!(matches!(
        read(&mixed, &options(), &takes(&[spec("x", DataType::Fp32, &[-1, 1])])),
        Err(InputError::SeveralFiles)
    ));
}

#[test]
fn missing_files_and_unknown_formats_are_told_apart() {
    let signature = takes(&[spec("x", DataType::Fp32, &[-1, 1])]);
    let missing = read(&["/nowhere/a.csv".into()], &options(), &signature).unwrap_err();
    assert!(missing.is_missing_file(), "{missing}");
    let unknown = read(&["/nowhere/a.bin".into()], &options(), &signature).unwrap_err();
    assert!(matches!(unknown, InputError::UnknownFormat(_)), "{unknown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_an_input_or_a_reason(content: Vec<u8>, extension in "(csv|json|npy|png)") {
        let signature = takes(&[spec("x", DataType::Fp32, &[-1, 2])]);
        drop(read_file(&format!("a.{extension}"), &content, &options(), &signature));
        let two = takes(&[spec("x", DataType::Bytes, &[-1]), spec("y", DataType::Int8, &[-1])]);
        drop(read_file(&format!("a.{extension}"), &content, &options(), &two));
    }

    #[test]
    fn numbers_written_as_csv_are_the_same_when_read(rows in prop::collection::vec(any::<[f32; 3]>(), 1..20)) {
        let lines: Vec<String> = rows.iter().map(|row| format!("{},{},{}\n", row[0], row[1], row[2])).collect();
        let signature = takes(&[spec("x", DataType::Fp32, &[-1, 3])]);
        let tensors = read_file("a.csv", lines.concat().as_bytes(), &options(), &signature).unwrap();
        let TensorData::Fp32(values) = tensors[0].tensor.data() else { panic!("FP32 is expected") };
        let same = |(read, written): (&f32, &f32)| read.to_bits() == written.to_bits() || (read.is_nan() && written.is_nan());
        prop_assert!(values.iter().zip(rows.as_flattened()).all(same));
    }
}
