//! What is written can be read again, and nothing that is read can do harm.

use bytes::Bytes;
use half::{bf16, f16};
use proptest::{collection::vec, prelude::*, sample::select};
use yard_api::{
    grpc, plain,
    v2::{InferOutput, InferRequest, InferResponse},
};
use yard_types::{DataType, Dim, Signature, Tensor, TensorData, TensorSpec};

/// Any data of a type, with finite numbers and UTF-8 text only if `json` says so.
fn data(data_type: DataType, count: usize, json: bool) -> BoxedStrategy<TensorData> {
    macro_rules! any_of {
        ($type:ty, $variant:ident) => {
            vec(any::<$type>(), count).prop_map(TensorData::$variant).boxed()
        };
    }
    let keep = move |is_finite: bool| is_finite || !json;
    match data_type {
        DataType::Bool => any_of!(bool, Bool),
        DataType::Uint8 => any_of!(u8, Uint8),
        DataType::Uint16 => any_of!(u16, Uint16),
        DataType::Uint32 => any_of!(u32, Uint32),
        DataType::Uint64 => any_of!(u64, Uint64),
        DataType::Int8 => any_of!(i8, Int8),
        DataType::Int16 => any_of!(i16, Int16),
        DataType::Int32 => any_of!(i32, Int32),
        DataType::Int64 => any_of!(i64, Int64),
        // NaN is left out of binary data as well, since it is not equal to itself.
        DataType::Fp16 => {
            let value = any::<u16>().prop_map(f16::from_bits);
            let value = value.prop_filter("NaN", move |value| !value.is_nan() && keep(value.is_finite()));
            vec(value, count).prop_map(TensorData::Fp16).boxed()
        }
        DataType::Bf16 => {
            let value = any::<u16>().prop_map(bf16::from_bits);
            let value = value.prop_filter("NaN", move |value| !value.is_nan() && keep(value.is_finite()));
            vec(value, count).prop_map(TensorData::Bf16).boxed()
        }
        DataType::Fp32 => {
            let value = any::<u32>().prop_map(f32::from_bits);
            let value = value.prop_filter("NaN", move |value| !value.is_nan() && keep(value.is_finite()));
            vec(value, count).prop_map(TensorData::Fp32).boxed()
        }
        DataType::Fp64 => {
            let value = any::<u64>().prop_map(f64::from_bits);
            let value = value.prop_filter("NaN", move |value| !value.is_nan() && keep(value.is_finite()));
            vec(value, count).prop_map(TensorData::Fp64).boxed()
        }
        DataType::Bytes if json => {
            let text =
                vec(any::<char>(), 0..8).prop_map(|text| Bytes::from(text.into_iter().collect::<String>()));
            vec(text, count).prop_map(TensorData::Bytes).boxed()
        }
        DataType::Bytes => {
            vec(vec(any::<u8>(), 0..8).prop_map(Bytes::from), count).prop_map(TensorData::Bytes).boxed()
        }
    }
}

fn shape() -> impl Strategy<Value = Vec<usize>> {
    vec(0_usize..4, 0..5)
}

fn tensor(types: Vec<DataType>, json: bool) -> impl Strategy<Value = Tensor> {
    (select(types), shape()).prop_flat_map(move |(data_type, shape)| {
        let count = shape.iter().product();
        data(data_type, count, json).prop_map(move |data| Tensor::new(shape.clone(), data).unwrap())
    })
}

fn json_types() -> Vec<DataType> {
    DataType::ALL
        .into_iter()
        .filter(|data_type| !matches!(data_type, DataType::Fp16 | DataType::Bf16))
        .collect()
}

fn response<'a>(tensors: &'a [Tensor], names: &'a [String], binary: &[bool]) -> InferResponse<'a> {
    let outputs = tensors.iter().zip(names).zip(binary).map(|((tensor, name), binary)| InferOutput {
        name,
        tensor: std::borrow::Cow::Borrowed(tensor),
        binary: *binary,
    });
    InferResponse {
        model_name: "m",
        model_version: "1",
        id: None,
        parameters: Vec::new(),
        outputs: outputs.collect(),
    }
}

fn names(count: usize) -> Vec<String> {
    // Names that must be escaped, too.
    (0..count).map(|place| format!("\"n\u{e9}\n{place}\\")).collect()
}

/// An answer as a request: what is an output of one is an input of the other.
fn as_request(answer: &[u8], header_length: usize) -> (Bytes, usize) {
    let header = std::str::from_utf8(&answer[..header_length]).unwrap();
    let header = header.replacen(r#"{"model_name":"m","model_version":"1","outputs":"#, r#"{"inputs":"#, 1);
    assert!(header.starts_with(r#"{"inputs":"#));
    let body = [header.as_bytes(), &answer[header_length..]].concat();
    (Bytes::from(body), header.len())
}

fn tensors_of(request: InferRequest<'_>) -> Vec<Tensor> {
    request.inputs.into_iter().map(|input| input.tensor).collect()
}

/// Equal down to the sign of zero.
fn assert_same(left: &Tensor, right: &Tensor) {
    assert_eq!(format!("{left:?}"), format!("{right:?}"));
}

/// Bodies that look enough like a request to reach every part of the parser.
fn near_json() -> impl Strategy<Value = Vec<u8>> {
    let pieces = vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\"inputs\":",
        "\"name\":\"x\"",
        "\"shape\":[1]",
        "\"shape\":[2,2]",
        "\"datatype\":\"FP32\"",
        "\"datatype\":\"BYTES\"",
        "\"datatype\":\"INT8\"",
        "\"datatype\":\"BOOL\"",
        "\"data\":[1]",
        "\"data\":[[1,2],[3,4]]",
        "\"data\":[",
        "\"parameters\":{",
        "\"binary_data_size\":4",
        "\"id\":\"i\"",
        "\"outputs\":[",
        "\"x_test\":",
        "1",
        "-",
        "1.5e3",
        "0.10000000149011612",
        "true",
        "null",
        "\"\\ud83d\\ude00\"",
        "\\u12",
        "\u{e9}",
        " ",
        "\n",
        "NaN",
        "1e999",
        "99999999999999999999",
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]}]}",
    ];
    let piece = prop_oneof![
        8 => select(pieces).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..4),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn signature(data_type: DataType) -> Signature {
    let shape = Some(vec![Dim::Symbol("batch".into()), Dim::Fixed(2)]);
    let spec = TensorSpec { name: "x".into(), data_type, shape, labels: None };
    Signature { inputs: vec![spec.clone()], outputs: vec![spec] }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_answers_read_back_as_requests(tensors in vec(tensor(json_types(), true), 1..4)) {
        let names = names(tensors.len());
        let written = response(&tensors, &names, &[false; 4]).write().unwrap();
        prop_assert_eq!(written.header_length, None);
        serde_json::from_slice::<serde_json::Value>(&written.bytes).unwrap();
        let (body, _) = as_request(&written.bytes, written.bytes.len());
        let read = InferRequest::from_json(&body).unwrap();
        for (input, name) in read.inputs.iter().zip(&names) {
            prop_assert_eq!(&*input.name, name);
        }
        for (got, expected) in tensors_of(read).iter().zip(&tensors) {
            assert_same(got, expected);
        }
    }

    #[test]
    fn binary_answers_read_back_as_requests(
        tensors in vec(tensor(DataType::ALL.to_vec(), false), 1..4),
        json in tensor(json_types(), true),
    ) {
        let mut tensors = tensors;
        tensors.insert(1, json);
        let names = names(tensors.len());
        let binary = [true, false, true, true, true];
        let written = response(&tensors, &names, &binary).write().unwrap();
        let (body, header_length) = as_request(&written.bytes, written.header_length.unwrap());
        let read = InferRequest::from_binary(&body, header_length).unwrap();
        for (got, expected) in tensors_of(read).iter().zip(&tensors) {
            assert_same(got, expected);
        }
        // One byte more or less is noticed.
        let longer = Bytes::from([&body[..], b"x"].concat());
        prop_assert!(InferRequest::from_binary(&longer, header_length).is_err());
        prop_assert!(InferRequest::from_binary(&body.slice(..body.len() - 1), header_length).is_err() || body.len() == header_length);
    }

    #[test]
    fn nested_and_flat_data_are_the_same(tensor in tensor(json_types(), true)) {
        // The plain writer nests, the V2 writer does not.
        prop_assume!(!tensor.shape().is_empty());
        let spec = TensorSpec { name: "x".into(), data_type: tensor.data_type(), shape: None, labels: None };
        let signature = Signature { inputs: vec![spec.clone()], outputs: vec![spec] };
        let nested = plain::write_response(&signature, std::slice::from_ref(&tensor)).unwrap();
        let nested = std::str::from_utf8(&nested).unwrap().replacen("{\"y_pred\":", "", 1);
        let nested = nested.strip_suffix('}').unwrap();
        let (data_type, shape) = (tensor.data_type(), tensor.shape());
        let body = Bytes::from(format!(
            r#"{{"inputs":[{{"data":{nested},"name":"x","shape":{shape:?},"datatype":"{data_type}"}}]}}"#
        ));
        let read = InferRequest::from_json(&body).unwrap();
        assert_same(&tensors_of(read)[0], &tensor);
        // A dimension of zero hides those inside it, so that only other shapes can be seen from the nesting.
        if !shape.contains(&0) {
            let body = Bytes::from(format!(r#"{{"x_test":{nested}}}"#));
            let read = plain::read_request(&body, &signature).unwrap();
            assert_same(&read[0].tensor, &tensor);
        }
    }

    #[test]
    fn grpc_answers_read_back_as_requests(tensors in vec(tensor(DataType::ALL.to_vec(), false), 1..4)) {
        let names = names(tensors.len());
        let message = grpc::encode_response(&response(&tensors, &names, &[true; 4])).unwrap();
        let inputs = message.outputs.into_iter().map(|output| grpc::proto::model_infer_request::InferInputTensor {
            name: output.name,
            datatype: output.datatype,
            shape: output.shape,
            parameters: output.parameters,
            contents: None,
        });
        let request = grpc::proto::ModelInferRequest {
            inputs: inputs.collect(),
            raw_input_contents: message.raw_output_contents,
            ..Default::default()
        };
        let read = grpc::decode_request(request).unwrap();
        for (got, expected) in tensors_of(read).iter().zip(&tensors) {
            assert_same(got, expected);
        }
    }

    #[test]
    fn what_is_not_json_is_refused(body in near_json(), split in any::<prop::sample::Index>()) {
        let is_json = serde_json::from_slice::<serde_json::Value>(&body).is_ok();
        let body = Bytes::from(body);
        prop_assert!(is_json || InferRequest::from_json(&body).is_err());
        for data_type in [DataType::Fp32, DataType::Bytes, DataType::Int8, DataType::Bool] {
            prop_assert!(is_json || plain::read_request(&body, &signature(data_type)).is_err());
        }
        let _ = InferRequest::from_binary(&body, split.index(body.len() + 2));
        let _ = yard_api::v2::read_index_request(&body);
        let _ = yard_api::v2::check_load_request(&body);
    }

    #[test]
    fn broken_requests_never_panic(
        tensors in vec(tensor(DataType::ALL.to_vec(), false), 1..3),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        header_change in -2_isize..3,
    ) {
        let names = names(tensors.len());
        let written = response(&tensors, &names, &[true; 3]).write().unwrap();
        let (body, header_length) = as_request(&written.bytes, written.header_length.unwrap());
        let mut broken = body.to_vec();
        let place = place.index(broken.len());
        broken[place] = byte;
        let broken = Bytes::from(broken);
        let _ = InferRequest::from_binary(&broken, header_length.saturating_add_signed(header_change));
        let _ = InferRequest::from_binary(&broken.slice(..place), header_length);
        let _ = InferRequest::from_json(&broken);
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in vec(any::<u8>(), 0..200), header_length in 0_usize..220) {
        let body = Bytes::from(body);
        let _ = InferRequest::from_json(&body);
        let _ = InferRequest::from_binary(&body, header_length);
        let _ = plain::read_request(&body, &signature(DataType::Fp64));
        if let Ok(message) = prost::Message::decode(body) {
            let _ = grpc::decode_request(message);
        }
    }
}

/// The one element of a request whose data is this spelling.
fn read_number(data_type: &str, spelling: &str) -> Option<TensorData> {
    let body = Bytes::from(format!(
        r#"{{"inputs":[{{"name":"x","shape":[1],"datatype":"{data_type}","data":[{spelling}]}}]}}"#
    ));
    let request = InferRequest::from_json(&body).ok()?;
    Some(tensors_of(request).remove(0).into_parts().1)
}

fn assert_reads_as_std(spelling: &str) {
    let single = spelling.parse::<f32>().unwrap();
    let expected = single.is_finite().then_some(single.to_bits());
    let got = read_number("FP32", spelling).map(|data| match data {
        TensorData::Fp32(values) => values[0].to_bits(),
        other => panic!("{other:?}"),
    });
    assert_eq!(got, expected, "{spelling} as FP32");
    let double = spelling.parse::<f64>().unwrap();
    let expected = double.is_finite().then_some(double.to_bits());
    let got = read_number("FP64", spelling).map(|data| match data {
        TensorData::Fp64(values) => values[0].to_bits(),
        other => panic!("{other:?}"),
    });
    assert_eq!(got, expected, "{spelling} as FP64");
}

#[test]
fn floats_that_are_hard_to_round_are_read_as_the_standard_library_reads_them() {
    for spelling in [
        "0",
        "-0",
        "0.0",
        "-0.0e5",
        "0e999",
        "1",
        "16777217",
        "16777219",
        "33554435",
        "9007199254740993",
        "1.00000005960464477539",
        "1.000000059604644775390625",
        "1.0000000596046447753906251",
        "0.10000000149011612",
        "3.4028234663852886e38",
        "3.4028235677973366e38",
        "3.4028235677973365e38",
        "3.4028236e38",
        "1e39",
        "1e308",
        "1e309",
        "1.1754943508222875e-38",
        "1.1754942e-38",
        "1e-45",
        "7.006492321624085e-46",
        "7.0064923216240853e-46",
        "1e-46",
        "1e-400",
        "4.9e-324",
        "2.4703282292062327e-324",
        "2.2250738585072011e-308",
        "8.5",
        "123456789012345678",
        "1234567890123456789",
        "12345678901234567890",
        "123456789012345678901234567890",
        "0.000000000000000000000000000000000000001",
        "1000000000000000000000000000000000000000",
        "5e-324",
        "179769313486231580793728971405301e276",
        "1e22",
        "1e23",
        "1e-22",
        "1e-23",
        "6.5e-5",
        "9.999999e-5",
        "8388608.5",
        "8388609.5",
        "16777216.0000000001",
        "1E5",
        "1e+5",
        "1e05",
        "1e000000000000000000005",
        "0.30000001192092896",
        "2.0000001192092896",
    ] {
        assert_reads_as_std(spelling);
        assert_reads_as_std(&format!("-{}", spelling.trim_start_matches('-')));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn floats_are_read_as_the_standard_library_reads_them(
        spelling in r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,22})?([eE][+-]?[0-9]{1,2})?",
    ) {
        assert_reads_as_std(&spelling);
    }

    #[test]
    fn floats_near_the_middle_of_two_singles_are_read_as_the_standard_library_reads_them(
        bits in 0_u32..0x7f7f_ffff,
        digits in 8_usize..22,
        nudge in -3_i64..4,
    ) {
        // The exact middle of two neighbours, moved by a few units of the last place of a double, and cut to some digits.
        let low = f64::from(f32::from_bits(bits));
        let high = f64::from(f32::from_bits(bits + 1));
        let middle = low + (high - low) / 2.0;
        let moved = f64::from_bits(middle.to_bits().saturating_add_signed(nudge));
        assert_reads_as_std(&format!("{moved:.digits$e}"));
        assert_reads_as_std(&format!("{moved:.digits$}"));
        assert_reads_as_std(&moved.to_string());
    }

    #[test]
    fn doubles_written_by_other_programs_are_read_exactly(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        assert_reads_as_std(&format!("{value:e}"));
        let single = f32::from_bits((bits >> 32) as u32);
        if single.is_finite() {
            // As Python writes the elements of a float32 array: the double of the same value.
            assert_reads_as_std(&format!("{:?}", f64::from(single)));
        }
    }

    #[test]
    fn integers_are_read_as_the_standard_library_reads_them(value in any::<i128>(), shift in 0_u32..128) {
        let spelling = (value >> shift).to_string();
        let expected = spelling.parse().ok().map(|value| TensorData::Int64(vec![value]));
        prop_assert_eq!(read_number("INT64", &spelling), expected);
        let expected = spelling.parse().ok().map(|value| TensorData::Uint64(vec![value]));
        prop_assert_eq!(read_number("UINT64", &spelling), expected);
        let expected = spelling.parse().ok().map(|value| TensorData::Int16(vec![value]));
        prop_assert_eq!(read_number("INT16", &spelling), expected);
        let expected = spelling.parse().ok().map(|value| TensorData::Uint8(vec![value]));
        prop_assert_eq!(read_number("UINT8", &spelling), expected);
    }
}
