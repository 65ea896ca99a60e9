use bytes::Bytes;
use yard_types::{DataType, Dim, Signature, Tensor, TensorData, TensorSpec};

use super::*;

fn spec(name: &str, data_type: DataType, shape: &[Dim]) -> TensorSpec {
    TensorSpec { name: name.into(), data_type, shape: Some(shape.to_vec()), labels: None }
}

fn batch() -> Dim {
    Dim::Symbol("batch".into())
}

fn single(data_type: DataType) -> Signature {
    Signature {
        inputs: vec![spec("x", data_type, &[batch(), Dim::Fixed(2)])],
        outputs: vec![spec("y", DataType::Fp32, &[batch(), Dim::Fixed(2)])],
    }
}

fn double() -> Signature {
    Signature {
        inputs: vec![
            spec("a", DataType::Fp32, &[batch(), Dim::Fixed(2)]),
            spec("b", DataType::Bytes, &[batch()]),
        ],
        outputs: vec![spec("y", DataType::Fp32, &[batch()]), spec("z", DataType::Int64, &[batch()])],
    }
}

fn read(signature: &Signature, body: &str) -> Result<Vec<Tensor>, String> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let named = read_request(&body, signature).map_err(|error| error.to_string())?;
    let model = "m".parse().unwrap();
    signature.arrange(&model, named).map_err(|error| error.to_string())
}

fn floats(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::new(shape.to_vec(), TensorData::Fp32(values.to_vec())).unwrap()
}

#[test]
fn rows_feed_the_single_input() {
    let expected = Ok(vec![floats(&[2, 2], &[1.0, 2.0, 3.5, -4.0])]);
    for body in [
        r#"{"x_test": [[1, 2], [3.5, -4]]}"#,
        r#"{"inputs": [[1, 2], [3.5, -4]]}"#,
        r#"{"inputs": {"x": [[1, 2], [3.5, -4]]}}"#,
    ] {
        assert_eq!(read(&single(DataType::Fp32), body), expected, "{body}");
    }
}

#[test]
fn several_inputs_are_named() {
    let strings = Tensor::new(vec![1], TensorData::Bytes(vec!["t".into()])).unwrap();
    let got = read(&double(), r#"{"inputs": {"b": ["t"], "a": [[1, 2]]}}"#);
    assert_eq!(got, Ok(vec![floats(&[1, 2], &[1.0, 2.0]), strings]));
}

#[test]
fn wrong_rows_are_refused_with_the_right_form() {
    let one = single(DataType::Fp32);
    let cases = [
        (
            r#"{"inputs": [1, 2]}"#,
            r#"input 'x' takes a list of rows of shape [-1,2], but what came has the shape [2]: put one row into a list of its own, {"inputs": [[...], [...]]}"#,
        ),
        (
            r#"{"inputs": [[1, 2], [3]]}"#,
            "the rows of input 'x' do not form a tensor: row 1 has 1 elements instead of 2, as the first one has",
        ),
        (
            r#"{"inputs": [[1, 2], [3, 4, 5]]}"#,
            "the rows of input 'x' do not form a tensor: row 1 has more than 2 elements, as the first one has",
        ),
        (
            r#"{"inputs": [[1, 2], 3]}"#,
            "the rows of input 'x' do not form a tensor: row 1 has an element where others have a list",
        ),
        (
            r#"{"inputs": [[1, 2], [3, [4]]]}"#,
            "the rows of input 'x' do not form a tensor: row 1 has a list where others have an element",
        ),
        (r#"{"inputs": [[1, 2], [3, "4"]]}"#, "element 3 of input 'x' is \"4\", which is not a number"),
        (
            r#"{"inputs": [[1, 2, 3]]}"#,
            "unexpected shape for input 'x' for model 'm'. Expected [-1,2], got [1,3]",
        ),
        (r#"{"rows": [[1, 2]]}"#, "the request has an unknown member 'rows'; known are x_test, inputs"),
        (r#"{}"#, "the request has no member 'inputs'"),
        (
            r#"{"x_test": [[1, 2]], "inputs": [[1, 2]]}"#,
            "the request has its rows twice: give either 'x_test' or 'inputs', once",
        ),
        (r#"{"inputs": {"z": [[1, 2]]}}"#, "the model has no input 'z'; its inputs are x"),
        (r#"{"inputs": {"x": [[1, 2]], "x": [[1, 2]]}}"#, "input 'x' is given twice"),
        (r#"{"inputs": {}}"#, "the request has no inputs"),
        (
            r#"{"inputs": 5}"#,
            "the request is not the JSON that belongs here: expected a list of rows at byte 11",
        ),
    ];
    for (body, message) in cases {
        assert_eq!(read(&one, body), Err(message.to_owned()), "{body}");
    }
    assert_eq!(
        read(&double(), r#"{"inputs": [[1, 2]]}"#),
        Err(r#"the model has 2 inputs: give {"inputs": {"a": rows, "b": rows}}"#.to_owned())
    );
    for body in [
        r#"{"inputs": []}"#,
        r#"{"inputs": [[], []]}"#,
        r#"{"inputs": [[1, NaN]]}"#,
        r#"{"inputs": [[1,2]]}}"#,
    ] {
        assert!(read(&one, body).is_err(), "{body}");
    }
    let deep = format!(r#"{{"inputs": {}"#, "[".repeat(1_000_000));
    assert!(read(&one, &deep).is_err());
}

#[test]
fn predictions_are_nested_as_their_shape() {
    let mut signature = single(DataType::Fp32);
    let tensor = floats(&[2, 2], &[1.0, 0.25, 3.0, -4.0]);
    let write = |signature: &Signature, tensors: &[Tensor]| {
        String::from_utf8(write_response(signature, tensors).unwrap()).unwrap()
    };
    let tensors = [tensor];
    assert_eq!(write(&signature, &tensors), r#"{"y_pred":[[1.0,0.25],[3.0,-4.0]]}"#);
    signature.outputs[0].labels = Some(vec!["cat".into(), "dog \"s\"".into()]);
    assert_eq!(
        write(&signature, &tensors),
        r#"{"y_pred":[[1.0,0.25],[3.0,-4.0]],"labels":["cat","dog \"s\""]}"#
    );
    let whole = Tensor::new(vec![2], TensorData::Int64(vec![1, 2])).unwrap();
    let mut two = double();
    two.outputs[1].labels = Some(vec!["n".into()]);
    assert_eq!(
        write(&two, &[floats(&[2], &[0.5, 1.5]), whole]),
        r#"{"y_pred":{"y":[0.5,1.5],"z":[1,2]},"labels":{"z":["n"]}}"#
    );
    let cases = [
        (vec![], vec![7.0], "7.0"),
        (vec![1, 1, 2], vec![1.0, 2.0], "[[[1.0,2.0]]]"),
        (vec![2, 2, 1], vec![1.0, 2.0, 3.0, 4.0], "[[[1.0],[2.0]],[[3.0],[4.0]]]"),
        (vec![0, 3], vec![], "[]"),
        (vec![2, 0], vec![], "[[],[]]"),
        (vec![2, 0, 5], vec![], "[[],[]]"),
        (vec![2, 1, 0], vec![], "[[[]],[[]]]"),
    ];
    for (shape, values, expected) in cases {
        assert_eq!(
            write(&single(DataType::Fp32), &[floats(&shape, &values)]),
            format!("{{\"y_pred\":{expected}}}"),
            "{shape:?}"
        );
    }
}

#[test]
fn what_json_cannot_carry_is_an_error() {
    let signature = single(DataType::Fp32);
    let error = write_response(&signature, &[floats(&[2], &[0.0, f32::NAN])]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "element 1 of output 'y' is NaN or infinite, which JSON cannot carry: ask for it as binary data (V2, \"binary_data\": true)"
    );
    assert!(write_response(&signature, &[]).is_err());
}

#[test]
fn the_sample_of_a_description_is_valid() {
    for data_type in DataType::ALL {
        let shapes: [&[Dim]; 5] = [
            &[batch(), Dim::Fixed(2)],
            &[batch(), Dim::Fixed(3), Dim::Any, Dim::Fixed(2)],
            &[batch()],
            &[],
            &[Dim::Fixed(4), Dim::Fixed(1)],
        ];
        for shape in shapes {
            let mut signature = double();
            signature.inputs[1] = spec("b \"quoted\"", data_type, shape);
            for inputs in [signature.inputs.clone(), signature.inputs[1..].to_vec()] {
                let signature = Signature { inputs, ..signature.clone() };
                let description = describe("m", "3", &signature);
                let sample = description.sample.unwrap();
                let read = read(&signature, sample.get());
                assert!(read.is_ok(), "{sample}: {read:?}");
            }
        }
    }
    let mut unknown = single(DataType::Fp32);
    unknown.inputs[0].shape = None;
    assert!(read(&unknown, describe("m", "1", &unknown).sample.unwrap().get()).is_ok());
}

#[test]
fn samples_too_large_to_show_are_left_out() {
    let mut signature = single(DataType::Fp32);
    for dims in [[Dim::Fixed(1000), Dim::Fixed(1000)], [Dim::Fixed(usize::MAX), Dim::Fixed(2)]] {
        signature.inputs[0].shape = Some(dims.to_vec());
        let description = describe("m", "1", &signature);
        assert!(description.sample.is_none());
        assert!(serde_json::to_string(&description).unwrap().contains("\"sample\":null"));
    }
}
