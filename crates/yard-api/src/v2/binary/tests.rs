use super::*;
use crate::v2::InferRequest;

fn part() -> Part {
    Part::Input("x".into())
}

fn decode(data_type: DataType, shape: &[usize], raw: &[u8]) -> Result<TensorData, String> {
    decode_raw(&part, shape, data_type, Bytes::copy_from_slice(raw)).map_err(|error| error.to_string())
}

#[test]
fn header_lengths_are_plain_numbers_within_the_body() {
    assert_eq!(parse_header_length("0", 0), Ok(0));
    assert_eq!(parse_header_length("10", 10), Ok(10));
    for text in ["11", "", "-1", "+1", " 1", "1 ", "1.0", "0x1", "99999999999999999999999"] {
        let error = parse_header_length(text, 10).unwrap_err().to_string();
        assert!(error.ends_with("at most 10"), "{text}: {error}");
    }
}

#[test]
fn elements_are_little_endian() {
    let cases = [
        (DataType::Bool, vec![0, 1], TensorData::Bool(vec![false, true])),
        (DataType::Uint16, vec![1, 0, 0, 1], TensorData::Uint16(vec![1, 256])),
        (DataType::Int8, vec![0xff, 1], TensorData::Int8(vec![-1, 1])),
        (DataType::Fp16, vec![0x00, 0x3c, 0x00, 0xc0], TensorData::Fp16(vec![f16::ONE, f16::from_f32(-2.0)])),
        (
            DataType::Bf16,
            vec![0x80, 0x3f, 0x00, 0xc0],
            TensorData::Bf16(vec![bf16::ONE, bf16::from_f32(-2.0)]),
        ),
        (DataType::Fp32, vec![0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0], TensorData::Fp32(vec![1.0, -2.0])),
        (
            DataType::Bytes,
            vec![2, 0, 0, 0, b'h', b'i', 0, 0, 0, 0],
            TensorData::Bytes(vec!["hi".into(), "".into()]),
        ),
    ];
    for (data_type, raw, expected) in cases {
        assert_eq!(decode(data_type, &[2], &raw).as_ref(), Ok(&expected), "{data_type}");
        assert_eq!(raw_size(&expected), Some(raw.len()));
        let mut written = Vec::new();
        append_raw(&expected, &mut written);
        assert_eq!(written, raw, "{data_type}");
    }
}

#[test]
fn wrong_sizes_are_refused() {
    let cases = [
        (DataType::Fp32, vec![2], vec![0; 7], "input 'x' of shape [2] and type FP32 takes 8 bytes, got 7"),
        (
            DataType::Fp32,
            vec![2, 2],
            vec![0; 20],
            "input 'x' of shape [2,2] and type FP32 takes 16 bytes, got 20",
        ),
        (
            DataType::Bool,
            vec![1],
            vec![2],
            "element 0 of input 'x' is 2, which is not a BOOL: its byte is 0 or 1",
        ),
        (DataType::Bytes, vec![1], vec![], "input 'x' of shape [1] takes 1 elements, got 0"),
        (DataType::Bytes, vec![1], vec![0; 8], "input 'x' of shape [1] takes 1 elements, got more"),
        (
            DataType::Bytes,
            vec![1],
            vec![5, 0, 0, 0, b'x'],
            "string 0 in the binary data of input 'x' is cut off: each is a 4-byte little-endian length and its bytes",
        ),
        (
            DataType::Bytes,
            vec![2],
            vec![0, 0, 0, 0, 1, 0],
            "string 1 in the binary data of input 'x' is cut off: each is a 4-byte little-endian length and its bytes",
        ),
    ];
    for (data_type, shape, raw, message) in cases {
        assert_eq!(decode(data_type, &shape, &raw), Err(message.to_owned()));
    }
    for shape in [vec![usize::MAX, 2], vec![isize::MAX as usize], vec![isize::MAX as usize / 4, 4]] {
        for data_type in [DataType::Fp64, DataType::Bytes] {
            assert!(decode(data_type, &shape, &[0; 16]).is_err(), "{shape:?}");
        }
    }
}

#[test]
fn strings_share_the_memory_of_the_body() {
    let raw = Bytes::from_static(b"\x06\0\0\0shared");
    let TensorData::Bytes(strings) = decode_raw(&part, &[1], DataType::Bytes, raw.clone()).unwrap() else {
        panic!("not strings")
    };
    assert!(raw.as_ptr_range().contains(&strings[0].as_ptr()));
}

fn read(header: &str, raw: &[u8]) -> Result<Vec<TensorData>, String> {
    let body = Bytes::from([header.as_bytes(), raw].concat());
    let request = InferRequest::from_binary(&body, header.len()).map_err(|error| error.to_string())?;
    Ok(request.inputs.into_iter().map(|input| input.tensor.into_parts().1).collect())
}

fn input(name: &str, size: &str) -> String {
    format!(
        r#"{{"name":"{name}","shape":[1,2],"datatype":"INT8","parameters":{{"binary_data_size":{size}}}}}"#
    )
}

#[test]
fn inputs_take_their_bytes_in_order_beside_json_data() {
    let json = r#"{"name":"j","shape":[1],"datatype":"INT8","data":[7]}"#;
    let header = format!(r#"{{"inputs":[{},{json},{}]}}"#, input("a", "2"), input("b", "2"));
    let expected =
        vec![TensorData::Int8(vec![1, 2]), TensorData::Int8(vec![7]), TensorData::Int8(vec![3, 4])];
    assert_eq!(read(&header, &[1, 2, 3, 4]), Ok(expected));
}

#[test]
fn a_body_that_does_not_add_up_is_refused() {
    let one = |size| format!(r#"{{"inputs":[{}]}}"#, input("a", size));
    let both = r#"{"inputs":[{"name":"a","shape":[1],"datatype":"INT8","data":[1],"parameters":{"binary_data_size":1}}]}"#;
    let cases = [
        (one("2"), vec![1], "the binary data of input 'a' goes on for 2 bytes, but the body has 1 left"),
        (one("2"), vec![1, 2, 3], "1 bytes follow the binary data of the last input"),
        (one("1"), vec![1], "input 'a' of shape [1,2] and type INT8 takes 2 bytes, got 1"),
        (
            one("18446744073709551615"),
            vec![1, 2],
            "the binary data of input 'a' goes on for 18446744073709551615 bytes, but the body has 2 left",
        ),
        (
            one("-2"),
            vec![1, 2],
            "parameter 'binary_data_size' of input 'a' must be a whole number, 0 or more",
        ),
        (
            one("18446744073709551616"),
            vec![1, 2],
            "parameter 'binary_data_size' of input 'a' must be a whole number, 0 or more",
        ),
        (both.to_owned(), vec![1], "input 'a' has both 'data' and binary data: give one of them"),
    ];
    for (header, raw, message) in cases {
        assert_eq!(read(&header, &raw), Err(message.to_owned()), "{header}");
    }
    let body = Bytes::from_static(b"{}");
    assert!(InferRequest::from_binary(&body, 3).is_err());
    assert!(InferRequest::from_binary(&body, usize::MAX).is_err());
}

#[test]
fn shared_memory_is_not_offered() {
    let header = r#"{"inputs":[{"name":"a","shape":[1],"datatype":"INT8","parameters":{"shared_memory_region":"r"}}]}"#;
    let body = Bytes::from(header);
    let error = InferRequest::from_json(&body).unwrap_err();
    assert_eq!(yard_types::Coded::code(&error), yard_types::ErrorCode::Unsupported);
}
