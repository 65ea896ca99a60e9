use super::*;
use crate::TensorData;

fn model() -> ModelName {
    "m".parse().unwrap()
}

fn spec(name: &str, data_type: DataType, shape: &[Dim]) -> TensorSpec {
    TensorSpec { name: name.into(), data_type, shape: Some(shape.to_vec()), labels: None }
}

fn batch() -> Dim {
    Dim::Symbol("batch".into())
}

fn signature() -> Signature {
    Signature {
        inputs: vec![
            spec("x", DataType::Fp32, &[batch(), Dim::Fixed(3)]),
            spec("mask", DataType::Int64, &[batch(), Dim::Any]),
        ],
        outputs: vec![spec("y", DataType::Fp32, &[batch()])],
    }
}

fn floats(name: &str, shape: &[usize]) -> NamedTensor {
    let count = shape.iter().product();
    let tensor = Tensor::new(shape.to_vec(), TensorData::Fp32(vec![0.0; count])).unwrap();
    NamedTensor { name: name.into(), tensor }
}

fn wholes(name: &str, shape: &[usize]) -> NamedTensor {
    let count = shape.iter().product();
    let tensor = Tensor::new(shape.to_vec(), TensorData::Int64(vec![0; count])).unwrap();
    NamedTensor { name: name.into(), tensor }
}

fn check(inputs: Vec<NamedTensor>, expected: Result<(), &str>) {
    let got = signature().arrange(&model(), inputs).map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(got, expected.map_err(str::to_owned));
}

#[test]
fn inputs_are_put_in_the_order_of_the_model() {
    let arranged =
        signature().arrange(&model(), vec![wholes("mask", &[2, 5]), floats("x", &[2, 3])]).unwrap();
    assert_eq!(arranged[0].shape(), [2, 3]);
    assert_eq!(arranged[1].shape(), [2, 5]);
}

#[test]
fn each_mismatch_has_the_text_that_clients_know() {
    check(vec![floats("z", &[1, 3])], Err("unexpected inference input 'z' for model 'm'"));
    check(
        vec![floats("x", &[1, 3]), floats("x", &[1, 3])],
        Err("inference input 'x' for model 'm' is given twice"),
    );
    check(
        vec![floats("x", &[1, 3])],
        Err("expected 2 inputs but got 1 inputs for model 'm'; missing 'mask'"),
    );
    check(
        vec![wholes("x", &[1, 3]), wholes("mask", &[1, 1])],
        Err("inference input 'x' data-type is 'INT64', but model 'm' expects 'FP32'"),
    );
    check(
        vec![floats("x", &[1, 2]), wholes("mask", &[1, 1])],
        Err("unexpected shape for input 'x' for model 'm'. Expected [-1,3], got [1,2]"),
    );
    check(
        vec![floats("x", &[1, 3]), wholes("mask", &[2, 1])],
        Err("dimension 'batch' of input 'mask' for model 'm' is 2, but another input has 1"),
    );
    check(
        vec![floats("x", &[0, 3]), wholes("mask", &[0, 1])],
        Err("input 'x' for model 'm' is empty: its shape is [0,3]"),
    );
    check(vec![floats("x", &[4, 3]), wholes("mask", &[4, 0])], Ok(()));
}
