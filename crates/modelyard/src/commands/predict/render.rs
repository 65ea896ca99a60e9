//! Predictions as a person and as a program reads them.

use serde_json::{Value, json};
use yard_types::{NamedTensor, TensorData};

/// An output as the Open Inference Protocol writes it. What JSON has no number for (NaN, infinity) is null, and bytes
/// that are no text are shown as well as text can.
pub(super) fn as_json(output: &NamedTensor) -> Value {
    let tensor = &output.tensor;
    let data: Vec<Value> = match tensor.data() {
        TensorData::Bool(values) => values.iter().map(|value| json!(value)).collect(),
        TensorData::Uint8(values) => values.iter().map(|value| json!(value)).collect(),
        TensorData::Uint16(values) => values.iter().map(|value| json!(value)).collect(),
        TensorData::Uint32(values) => values.iter().map(|value| json!(value)).collect(),
        TensorData::Uint64(values) => values.iter().map(|value| json!(value)).collect(),
        TensorData::Int8(values) => values.iter().map(|value| json!(value)).collect(),
        TensorData::Int16(values) => values.iter().map(|value| json!(value)).collect(),
        TensorData::Int32(values) => values.iter().map(|value| json!(value)).collect(),
        TensorData::Int64(values) => values.iter().map(|value| json!(value)).collect(),
        TensorData::Fp16(values) => values.iter().map(|value| short(value.to_f32())).collect(),
        TensorData::Bf16(values) => values.iter().map(|value| short(value.to_f32())).collect(),
        TensorData::Fp32(values) => values.iter().map(|value| short(*value)).collect(),
        TensorData::Fp64(values) => values.iter().map(|value| json!(value)).collect(),
        TensorData::Bytes(values) => {
            values.iter().map(|value| json!(String::from_utf8_lossy(value))).collect()
        }
    };
    json!({"name": output.name, "datatype": tensor.data_type().as_str(), "shape": tensor.shape(), "data": data})
}

/// The shortest decimal that is this f32 again: as an f64, 0.1 would print as 0.10000000149011612.
fn short(value: f32) -> Value {
    value.to_string().parse::<f64>().map_or(Value::Null, |value| json!(value))
}

/// One line for each row under a line of names. Outputs that do not have the same number of rows come one after the
/// other.
pub(super) fn as_lines(outputs: &[NamedTensor]) -> String {
    let mut lines = Vec::new();
    let mut rest = outputs;
    while let Some(first) = rest.first() {
        let rows = first.tensor.rows().unwrap_or(1);
        let same = rest.iter().take_while(|output| output.tensor.rows().unwrap_or(1) == rows).count();
        let (block, others) = rest.split_at(same);
        append_block(block, rows, &mut lines);
        rest = others;
    }
    lines.join("\n")
}

fn append_block(outputs: &[NamedTensor], rows: usize, lines: &mut Vec<String>) {
    let width = |output: &NamedTensor| output.tensor.data().len().checked_div(rows).unwrap_or(0);
    let names = outputs.iter().flat_map(|output| match width(output) {
        1 => vec![quoted(&output.name)],
        width => (0..width).map(|place| quoted(&format!("{}_{place}", output.name))).collect(),
    });
    lines.push(names.collect::<Vec<_>>().join(","));
    for row in 0..rows {
        let cells = outputs.iter().flat_map(|output| {
            let width = width(output);
            (row * width..(row + 1) * width).map(|place| cell(output.tensor.data(), place))
        });
        lines.push(cells.collect::<Vec<_>>().join(","));
    }
}

fn cell(data: &TensorData, place: usize) -> String {
    match data {
        TensorData::Bool(values) => values[place].to_string(),
        TensorData::Uint8(values) => values[place].to_string(),
        TensorData::Uint16(values) => values[place].to_string(),
        TensorData::Uint32(values) => values[place].to_string(),
        TensorData::Uint64(values) => values[place].to_string(),
        TensorData::Int8(values) => values[place].to_string(),
        TensorData::Int16(values) => values[place].to_string(),
        TensorData::Int32(values) => values[place].to_string(),
        TensorData::Int64(values) => values[place].to_string(),
        TensorData::Fp16(values) => values[place].to_string(),
        TensorData::Bf16(values) => values[place].to_string(),
        TensorData::Fp32(values) => values[place].to_string(),
        TensorData::Fp64(values) => values[place].to_string(),
        TensorData::Bytes(values) => quoted(&String::from_utf8_lossy(&values[place])),
    }
}

/// A text as a cell of CSV.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use yard_types::Tensor;

    use super::*;

    fn output(name: &str, shape: &[usize], data: TensorData) -> NamedTensor {
        NamedTensor { name: name.into(), tensor: Tensor::new(shape.to_vec(), data).unwrap() }
    }

    #[test]
    fn outputs_of_the_same_rows_share_their_lines() {
        let outputs = [
            output("label", &[2], TensorData::Bytes(vec!["a,b".into(), "c".into()])),
            output("p", &[2, 2], TensorData::Fp32(vec![0.1, 0.9, 1.0, f32::NAN])),
            output("loss", &[], TensorData::Fp64(vec![0.5])),
        ];
        assert_eq!(as_lines(&outputs), "label,p_0,p_1\n\"a,b\",0.1,0.9\nc,1,NaN\nloss\n0.5");
    }

    #[test]
    fn short_floats_stay_short_in_json() {
        let value = as_json(&output("p", &[2], TensorData::Fp32(vec![0.1, f32::INFINITY])));
        let expected = json!({"name": "p", "datatype": "FP32", "shape": [2], "data": [0.1, null]});
        assert_eq!((value["data"].to_string(), value), ("[0.1,null]".to_owned(), expected));
    }
}
