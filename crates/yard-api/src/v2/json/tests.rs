use yard_types::Coded;

use super::*;

fn read(body: &str) -> Result<Vec<(String, Tensor)>, String> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let request = InferRequest::from_json(&body).map_err(|error| error.to_string())?;
    Ok(request.inputs.into_iter().map(|input| (input.name.into_owned(), input.tensor)).collect())
}

/// Reads a request whose one input has this type, shape and data.
fn data(data_type: &str, shape: &str, data: &str) -> Result<TensorData, String> {
    let body =
        format!(r#"{{"inputs":[{{"name":"x","shape":{shape},"datatype":"{data_type}","data":{data}}}]}}"#);
    let mut inputs = read(&body)?;
    Ok(inputs.remove(0).1.into_parts().1)
}

fn refused(data_type: &str, shape: &str, body: &str, message: &str) {
    assert_eq!(data(data_type, shape, body), Err(message.to_owned()), "{data_type} {shape} {body}");
}

#[test]
fn every_data_type_is_read_exactly() {
    let cases = [
        ("BOOL", "[true, false]", TensorData::Bool(vec![true, false])),
        ("UINT8", "[0, 255]", TensorData::Uint8(vec![0, 255])),
        ("UINT16", "[0, 65535]", TensorData::Uint16(vec![0, u16::MAX])),
        ("UINT32", "[0, 4294967295]", TensorData::Uint32(vec![0, u32::MAX])),
        ("UINT64", "[-0, 18446744073709551615]", TensorData::Uint64(vec![0, u64::MAX])),
        ("INT8", "[-128, 127]", TensorData::Int8(vec![i8::MIN, i8::MAX])),
        ("INT16", "[-32768, 32767]", TensorData::Int16(vec![i16::MIN, i16::MAX])),
        ("INT32", "[-2147483648, 2147483647]", TensorData::Int32(vec![i32::MIN, i32::MAX])),
        ("INT64", "[-9223372036854775808, 9223372036854775807]", TensorData::Int64(vec![i64::MIN, i64::MAX])),
        ("FP32", "[1.5, -2e-3]", TensorData::Fp32(vec![1.5, -2e-3])),
        ("FP64", "[0.1, 1e308]", TensorData::Fp64(vec![0.1, 1e308])),
        ("BYTES", r#"["a", ""]"#, TensorData::Bytes(vec!["a".into(), "".into()])),
    ];
    for (data_type, text, expected) in cases {
        assert_eq!(data(data_type, "[2]", text), Ok(expected), "{data_type}");
    }
}

#[test]
fn values_outside_a_type_are_named() {
    refused(
        "UINT8",
        "[2]",
        "[1,256]",
        "element 1 of input 'x' is 256, which is outside the range of UINT8, 0 to 255",
    );
    refused(
        "UINT8",
        "[1]",
        "[-1]",
        "element 0 of input 'x' is -1, which is outside the range of UINT8, 0 to 255",
    );
    refused(
        "INT64",
        "[1]",
        "[9223372036854775808]",
        "element 0 of input 'x' is 9223372036854775808, which is outside the range of INT64, -9223372036854775808 to 9223372036854775807",
    );
    let whole = "is not written as a whole number, without fraction and exponent";
    refused("INT32", "[1]", "[1.0]", &format!("element 0 of input 'x' is 1.0, which {whole}"));
    refused("INT32", "[1]", "[1e3]", &format!("element 0 of input 'x' is 1e3, which {whole}"));
    refused("BOOL", "[1]", "[1]", "element 0 of input 'x' is 1, which is neither true nor false");
    refused("FP32", "[1]", "[1e39]", "element 0 of input 'x' is 1e39, which is too large for FP32");
    refused("FP32", "[1]", "[true]", "element 0 of input 'x' is true, which is not a number");
    refused("FP32", "[1]", "[null]", "element 0 of input 'x' is null, which is not a number");
    refused("FP32", "[1]", r#"["1"]"#, "element 0 of input 'x' is \"1\", which is not a number");
    refused("BYTES", "[1]", "[1]", "element 0 of input 'x' is 1, which is not a string");
}

#[test]
fn numbers_that_json_does_not_have_are_refused() {
    for number in [
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "inf",
        "01",
        "-01",
        "+1",
        ".5",
        "1.",
        "1.e5",
        "1e",
        "1e+",
        "-",
        "0x1",
        "1_0",
        "1f",
    ] {
        for data_type in ["FP32", "FP64", "INT32"] {
            let error = data(data_type, "[1]", &format!("[{number}]")).unwrap_err();
            assert!(error.contains("not the JSON that belongs here"), "{number} as {data_type}: {error}");
        }
    }
}

#[test]
fn half_floats_are_refused_with_the_way_out() {
    refused("FP16", "[1]", "[1.0]", "input 'x' is FP16, which JSON cannot carry: send it as binary data");
    refused("BF16", "[1]", "[1.0]", "input 'x' is BF16, which JSON cannot carry: send it as binary data");
}

#[test]
fn strings_are_unescaped_and_must_be_text() {
    let text = r#"["\u00e9\ud83d\ude00\n\/\"\\", "naïve"]"#;
    let expected = TensorData::Bytes(vec!["é😀\n/\"\\".into(), "naïve".into()]);
    assert_eq!(data("BYTES", "[2]", text), Ok(expected));
    for text in [
        r#"["\ud83d"]"#,
        r#"["\ud83dx"]"#,
        r#"["\ud83d\u0041"]"#,
        r#"["\ude00"]"#,
        r#"["\x"]"#,
        r#"["\u12g4"]"#,
        "[\"a\nb\"]",
        r#"["a]"#,
        r#"["\u+123"]"#,
    ] {
        assert!(data("BYTES", "[1]", text).is_err(), "{text}");
    }
    let head = br#"{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":[""#;
    let body = Bytes::from([head.as_slice(), &[0xff, 0xfe], br#""]}]}"#].concat());
    assert!(InferRequest::from_json(&body).is_err());
}

#[test]
fn strings_without_escapes_share_the_memory_of_the_body() {
    let body =
        Bytes::from_static(br#"{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["shared"]}]}"#);
    let request = InferRequest::from_json(&body).unwrap();
    let TensorData::Bytes(strings) = request.inputs[0].tensor.data() else { panic!("not strings") };
    assert!(body.as_ptr_range().contains(&strings[0].as_ptr()));
    assert!(matches!(request.inputs[0].name, Cow::Borrowed("x")));
}

#[test]
fn nested_lists_must_agree_with_the_shape() {
    let expected = Ok(TensorData::Int8(vec![1, 2, 3, 4, 5, 6]));
    for text in ["[1,2,3,4,5,6]", "[[1,2,3],[4,5,6]]", " [ [ 1 , 2,3 ] , [4,5,6]\n]\t"] {
        assert_eq!(data("INT8", "[2,3]", text), expected, "{text}");
    }
    assert_eq!(data("INT8", "[1,2,3]", "[[[1,2,3],[4,5,6]]]"), expected);
    assert_eq!(data("INT8", "[6,1,1]", "[[[1]],[[2]],[[3]],[[4]],[[5]],[[6]]]"), expected);
    assert_eq!(data("INT8", "[]", "[7]"), Ok(TensorData::Int8(vec![7])));
    for text in ["[]", "[[],[]]"] {
        assert_eq!(data("INT8", "[2,0]", text), Ok(TensorData::Int8(vec![])), "{text}");
    }
    for text in [
        "[[1,2],[3,4],[5,6]]",
        "[[1,2,3],[4,5]]",
        "[[1,2,3],[4,5,6,7]]",
        "[[1,2,3]]",
        "[[1,2,3],[4,5,6],[7,8,9]]",
        "[[1,2,3],4,5,6]",
        "[1,2,3,[4,5,6]]",
        "[[1,2,3],[4,5,[6]]]",
        "[[[1,2,3],[4,5,6]]]",
        "[1,2,3,4,5]",
        "[1,2,3,4,5,6,7]",
        "[[],[]]",
        "[]",
        "[[1,2,3],[4,5,6]",
        "[[1,2,3],[4,5,6]]]",
        "[[1,2,3],[4,5,6],]",
        "[,]",
        "[1 2]",
        "1",
        "{}",
    ] {
        assert!(data("INT8", "[2,3]", text).is_err(), "{text}");
    }
}

#[test]
fn messages_about_counts_and_nesting_say_where() {
    refused("INT8", "[2,3]", "[1,2]", "input 'x' of shape [2,3] takes 6 elements, got 2");
    refused("INT8", "[2]", "[1,2,3]", "input 'x' of shape [2] takes 2 elements, got more");
    let advice = "give one flat list, or lists nested as its shape [2,3] says";
    let problem = "has 2 elements instead of 3";
    refused(
        "INT8",
        "[2,3]",
        "[[1,2,3],[4,5]]",
        &format!("the data of input 'x', row 1: {problem}; {advice}"),
    );
    let problem = "has more than 3 elements";
    refused(
        "INT8",
        "[2,3]",
        "[[1,2,3,4],[4,5]]",
        &format!("the data of input 'x', row 0: {problem}; {advice}"),
    );
    let problem = "an element stands where a list belongs";
    refused("INT8", "[2,3]", "[[1,2,3],4]", &format!("the data of input 'x', row 1: {problem}; {advice}"));
}

#[test]
fn shapes_are_checked_before_room_is_made() {
    for shape in [
        "[-1]",
        "[1.5]",
        "[\"1\"]",
        "[9223372036854775808]",
        "[9223372036854775807,2]",
        "[4294967296,4294967296,4294967296]",
        "5",
        "[[1]]",
    ] {
        assert!(data("FP32", shape, "[1]").is_err(), "{shape}");
    }
    // Would take four exabytes if the shape were believed.
    refused(
        "FP32",
        "[1000000000000000000]",
        "[1]",
        "input 'x' of shape [1000000000000000000] takes 1000000000000000000 elements, got 1",
    );
    let deep = format!("[{}]", ["1"; 33].join(","));
    refused("FP32", &deep, "[1]", "input 'x' is too much: a request has at most 32 dimensions");
    let deepest = format!("[{}]", ["1"; 32].join(","));
    let nested = format!("{}1{}", "[".repeat(32), "]".repeat(32));
    assert_eq!(data("FP32", &deepest, &nested), Ok(TensorData::Fp32(vec![1.0])));
}

#[test]
fn members_may_come_in_any_order() {
    let orders = [
        r#"{"name":"x","shape":[2],"datatype":"FP32","data":[1,2]}"#,
        r#"{"data":[1,2],"datatype":"FP32","shape":[2],"name":"x"}"#,
        r#"{"shape":[2],"data":[1,2],"name":"x","datatype":"FP32"}"#,
        r#"{ "data" : [ 1 , 2 ] , "name" : "x" , "datatype" : "FP32" , "parameters" : {} , "shape" : [ 2 ] }"#,
    ];
    let tensor = Tensor::new(vec![2], TensorData::Fp32(vec![1.0, 2.0])).unwrap();
    for input in orders {
        let body = format!(r#"{{"inputs":[{input}]}}"#);
        assert_eq!(read(&body), Ok(vec![("x".to_owned(), tensor.clone())]), "{input}");
    }
    let strings = r#"{"inputs":[{"data":["]","[\"","{"],"name":"x","datatype":"BYTES","shape":[3]}]}"#;
    let expected = TensorData::Bytes(vec!["]".into(), "[\"".into(), "{".into()]);
    assert_eq!(read(strings).unwrap()[0].1.data(), &expected);
}

#[test]
fn wrong_requests_are_refused_with_a_reason() {
    let good = r#"{"name":"x","shape":[1],"datatype":"FP32","data":[1]}"#;
    let cases = [
        (r#"{}"#.to_owned(), "the request has no member 'inputs'"),
        (r#"{"inputs":[]}"#.to_owned(), "the request has no inputs"),
        (format!(r#"{{"inputs":[{good},{good}]}}"#), "input 'x' is given twice"),
        (format!(r#"{{"inputs":[{good}],"inputs":[{good}]}}"#), "the request has the member 'inputs' twice"),
        (format!(r#"{{"id":"1","id":"2","inputs":[{good}]}}"#), "the request has the member 'id' twice"),
        (
            format!(r#"{{"inputs":[{good}],"extra":1}}"#),
            "the request has an unknown member 'extra'; known are id, model_name, parameters, inputs, outputs",
        ),
        (
            r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32"}]}"#.to_owned(),
            "input 'x' has no member 'data'",
        ),
        (
            r#"{"inputs":[{"shape":[1],"datatype":"FP32","data":[1]}]}"#.to_owned(),
            "input number 1 has no member 'name'",
        ),
        (r#"{"inputs":[{"name":""}]}"#.to_owned(), "the name of input number 1 is empty"),
        (
            r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1],"data":[1]}]}"#.to_owned(),
            "input 'x' has the member 'data' twice",
        ),
        (
            r#"{"inputs":[{"name":"x","dtype":"FP32"}]}"#.to_owned(),
            "input 'x' has an unknown member 'dtype'; known are name, shape, datatype, parameters, data",
        ),
        (
            r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}}]}"#
                .to_owned(),
            "input 'x' has binary data, but the header Inference-Header-Content-Length is missing",
        ),
        (
            format!(r#"{{"inputs":[{good}],"outputs":[{{"name":"y"}},{{"name":"y"}}]}}"#),
            "requested output 'y' is given twice",
        ),
        (
            format!(r#"{{"inputs":[{good}]}} x"#),
            "the request is not the JSON that belongs here: something follows the end of the document at byte 67",
        ),
    ];
    for (body, message) in cases {
        assert_eq!(read(&body), Err(message.to_owned()), "{body}");
    }
    let error = InferRequest::from_json(&Bytes::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the request is not the JSON that belongs here: it ends too early, at byte 0"
    );
    assert_eq!(error.code(), yard_types::ErrorCode::InvalidArgument);
}

#[test]
fn control_characters_of_a_client_do_not_reach_messages() {
    let error = read(r#"{"inputs":[{"name":"\u001b[31m","bad":1}]}"#).unwrap_err();
    assert!(!error.contains('\u{1b}'), "{error}");
}

#[test]
fn names_ids_and_lists_are_bounded() {
    let long = "a".repeat(513);
    let good = r#"{"name":"x","shape":[1],"datatype":"FP32","data":[1]}"#;
    let outputs: Vec<String> = (0..513).map(|place| format!(r#"{{"name":"y{place}"}}"#)).collect();
    let inputs: Vec<String> = (0..513).map(|place| good.replace("\"x\"", &format!("\"x{place}\""))).collect();
    for body in [
        format!(r#"{{"id":"{long}","inputs":[{good}]}}"#),
        format!(r#"{{"inputs":[{}]}}"#, good.replace("\"x\"", &format!("\"{long}\""))),
        format!(r#"{{"inputs":[{good}],"outputs":[{}]}}"#, outputs.join(",")),
        format!(r#"{{"inputs":[{}]}}"#, inputs.join(",")),
        format!(r#"{{"inputs":[{{"data":{}"#, "[".repeat(1_000_000)),
        "[".repeat(1_000_000),
        r#"{"inputs":["#.repeat(100_000),
    ] {
        assert!(read(&body).is_err(), "{}", &body[..60]);
    }
}

fn with_parameters(parameters: &str) -> Result<RequestParameters, String> {
    let good = r#"{"name":"x","shape":[1],"datatype":"FP32","data":[1]}"#;
    let body = Bytes::from(format!(r#"{{"parameters":{parameters},"inputs":[{good}]}}"#));
    InferRequest::from_json(&body).map(|request| request.parameters).map_err(|error| error.to_string())
}

#[test]
fn parameters_of_clients_are_honoured_or_refused() {
    let timeout =
        RequestParameters { timeout: Some(std::time::Duration::from_millis(5)), ..Default::default() };
    assert_eq!(with_parameters(r#"{"timeout":5000}"#), Ok(timeout));
    let binary = RequestParameters { binary_data_output: true, ..Default::default() };
    assert_eq!(with_parameters(r#"{"binary_data_output":true}"#), Ok(binary));
    for harmless in [
        "{}",
        "null",
        r#"{"timeout":0,"priority":0}"#,
        r#"{"sequence_id":0,"sequence_start":false,"sequence_end":false}"#,
        r#"{"sequence_id":""}"#,
    ] {
        assert_eq!(with_parameters(harmless), Ok(RequestParameters::default()), "{harmless}");
    }
    for (wrong, part) in [
        (r#"{"sequence_id":7}"#, "is not supported"),
        (r#"{"sequence_start":true}"#, "is not supported"),
        (r#"{"priority":1}"#, "is not supported"),
        (r#"{"timeout":-1}"#, "must be a whole number"),
        (r#"{"timeout":1.5}"#, "must be a whole number"),
        (r#"{"timeout":1e999}"#, "must be a whole number"),
        (r#"{"timeout":1,"timeout":1}"#, "twice"),
        (r#"{"binary_data_output":1}"#, "must be true or false"),
        (r#"{"tiemout":1}"#, "unknown parameter 'tiemout'"),
        (r#"{"timeout":[1]}"#, "expected a string, a number"),
        ("[]", "expected an object"),
    ] {
        let error = with_parameters(wrong).unwrap_err();
        assert!(error.contains(part), "{wrong}: {error}");
    }
}

#[test]
fn requested_outputs_carry_their_wishes() {
    let body = Bytes::from_static(
        br#"{"id":"7","model_name":"m","inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}],
        "outputs":[{"name":"y","parameters":{"binary_data":false,"classification":3}},{"parameters":{"binary_data":true},"name":"z"},{"name":"w"}]}"#,
    );
    let request = InferRequest::from_json(&body).unwrap();
    assert_eq!((request.id.as_deref(), request.model_name.as_deref()), (Some("7"), Some("m")));
    let wishes: Vec<_> = request
        .outputs
        .iter()
        .map(|output| (&*output.name, output.binary, output.classification.map(std::num::NonZero::get)))
        .collect();
    assert_eq!(wishes, [("y", Some(false), Some(3)), ("z", Some(true), None), ("w", None, None)]);
}
