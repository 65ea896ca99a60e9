use proptest::prelude::*;

use super::*;

/// A file as NumPy writes it: the header padded to a multiple of 64.
fn file(version: u8, header: &str, elements: &[u8]) -> Vec<u8> {
    let mut content = MAGIC.to_vec();
    content.extend([version, 0]);
    let width = if version == 1 { 2 } else { 4 };
    let padding = (64 - (content.len() + width + header.len() + 1) % 64) % 64;
    let length = u32::try_from(header.len() + padding + 1).unwrap();
    content.extend(&length.to_le_bytes()[..width]);
    content.extend(header.as_bytes());
    content.extend(std::iter::repeat_n(b' ', padding));
    content.push(b'\n');
    content.extend(elements);
    content
}

fn header(descr: &str, fortran_order: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': {fortran_order}, 'shape': {shape}, }}")
}

fn bytes<const N: usize>(values: impl IntoIterator<Item = [u8; N]>) -> Vec<u8> {
    values.into_iter().flatten().collect()
}

#[test]
fn every_version_of_the_format_is_read() {
    for version in [1, 2, 3] {
        let elements = bytes([1.5_f64, -2.0].map(f64::to_le_bytes));
        let tensor = read(&file(version, &header("<f8", "False", "(1, 2)"), &elements)).unwrap();
        assert_eq!(tensor, Tensor::new(vec![1, 2], TensorData::Fp64(vec![1.5, -2.0])).unwrap());
    }
}

#[track_caller]
fn element(descr: &str, raw: &[u8], expected: TensorData) {
    let tensor = read(&file(1, &header(descr, "False", "(1,)"), raw)).unwrap();
    assert_eq!(tensor, Tensor::new(vec![1], expected).unwrap());
}

#[test]
fn every_kind_of_number_is_read_in_both_byte_orders() {
    element("|b1", &[1], TensorData::Bool(vec![true]));
    element("|u1", &[200], TensorData::Uint8(vec![200]));
    element("|i1", &[200], TensorData::Int8(vec![-56]));
    element("<u2", &[1, 2], TensorData::Uint16(vec![0x0201]));
    element(">u2", &[1, 2], TensorData::Uint16(vec![0x0102]));
    element("<i4", &(-7_i32).to_le_bytes(), TensorData::Int32(vec![-7]));
    element(">i8", &(-7_i64).to_be_bytes(), TensorData::Int64(vec![-7]));
    element("<u4", &7_u32.to_le_bytes(), TensorData::Uint32(vec![7]));
    element("<u8", &u64::MAX.to_le_bytes(), TensorData::Uint64(vec![u64::MAX]));
    element("<i2", &(-2_i16).to_le_bytes(), TensorData::Int16(vec![-2]));
    element(">f2", &f16::from_f32(0.5).to_be_bytes(), TensorData::Fp16(vec![f16::from_f32(0.5)]));
    element("<f4", &0.1_f32.to_le_bytes(), TensorData::Fp32(vec![0.1]));
    element(">f8", &0.1_f64.to_be_bytes(), TensorData::Fp64(vec![0.1]));
}

#[test]
fn column_major_arrays_are_turned_round() {
    // [[0, 1, 2], [3, 4, 5]] column by column.
    let tensor = read(&file(1, &header("|u1", "True", "(2, 3)"), &[0, 3, 1, 4, 2, 5])).unwrap();
    assert_eq!(tensor, Tensor::new(vec![2, 3], TensorData::Uint8(vec![0, 1, 2, 3, 4, 5])).unwrap());
    // numpy.arange(24).reshape(2, 3, 4) saved with order='F'.
    let column_major: Vec<u8> =
        (0..24).map(|place| (place % 2) * 12 + (place / 2 % 3) * 4 + place / 6).collect();
    let tensor = read(&file(1, &header("|u1", "True", "(2, 3, 4)"), &column_major)).unwrap();
    assert_eq!(tensor.data(), &TensorData::Uint8((0..24).collect()));
}

#[test]
fn scalars_and_empty_arrays_are_read() {
    assert_eq!(read(&file(1, &header("|u1", "False", "()"), &[7])).unwrap().shape(), [0_usize; 0]);
    assert_eq!(read(&file(1, &header("|u1", "True", "(0, 3)"), &[])).unwrap().shape(), [0, 3]);
}

#[track_caller]
fn refused(content: &[u8], part_of_message: &str) {
    let message = read(content).unwrap_err();
    assert!(message.contains(part_of_message), "{message}");
}

#[test]
fn other_files_are_refused_with_their_reason() {
    refused(b"PK\x03\x04", "no .npy file");
    refused(MAGIC, "before its header");
    refused(&file(4, "", &[]), "format 4");
    refused(&file(1, &header("<f4", "False", "(2,)"), &[0; 4]), "2 elements of 4 bytes, but 4 bytes follow");
    refused(&file(1, &header("|O", "False", "(1,)"), &[0; 8]), "type '|O'");
    refused(&file(1, &header("<U3", "False", "(1,)"), &[0; 12]), "type '<U3'");
    refused(&file(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", &[0; 4]), "records");
    refused(&file(1, &header("<f4", "Maybe", "(1,)"), &[0; 4]), "True or False");
    refused(&file(1, &header("<f4", "False", "(x,)"), &[0; 4]), "no number");
    refused(&file(1, &header("<f4", "False", "(18446744073709551615, 2)"), &[]), "too large");
    refused(&file(1, "{'shape': (1,)}", &[]), "lacks");
    refused(&file(1, "{'evil': 'x'}", &[]), "unknown key");
    refused(&file(2, &" ".repeat(20_000), &[]), "longer than");
}

proptest! {
    #[test]
    fn any_bytes_are_an_array_or_a_reason(content: Vec<u8>, version in 0_u8..5) {
        drop(read(&content));
        let header = String::from_utf8_lossy(&content).into_owned();
        drop(read(&file(version, &header, &content)));
    }

    #[test]
    fn what_numpy_would_write_is_read(values in prop::collection::vec(any::<f32>(), 0..50), version in 1_u8..4) {
        let elements = bytes(values.iter().map(|value| value.to_le_bytes()));
        let shape = format!("({},)", values.len());
        let tensor = read(&file(version, &header("<f4", "False", &shape), &elements)).unwrap();
        let TensorData::Fp32(read) = tensor.data() else { panic!("FP32 is expected") };
        prop_assert!(read.iter().zip(&values).all(|(one, other)| one.to_bits() == other.to_bits()));
        prop_assert_eq!(read.len(), values.len());
    }
}
