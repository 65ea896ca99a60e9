//! Writing predictions.

use yard_types::{Signature, Tensor};

use crate::{
    json::{write_nested, write_string},
    v2::ResponseError,
};

/// Writes what a model gave, in the order of its signature: `{"y_pred": ...}`, and `"labels"` beside it where the model
/// names the positions of its last dimension.
pub fn write_response(signature: &Signature, tensors: &[Tensor]) -> Result<Vec<u8>, ResponseError> {
    let outputs = signature.outputs.as_slice();
    if outputs.len() != tensors.len() {
        return Err(ResponseError::OutputCount { expected: outputs.len(), got: tensors.len() });
    }
    let elements: usize = tensors.iter().map(|tensor| tensor.data().len()).sum();
    let mut bytes = Vec::with_capacity(64 + 14 * elements);
    bytes.extend_from_slice(b"{\"y_pred\":");
    let write_one = |name: &str, tensor: &Tensor, bytes: &mut Vec<u8>| {
        write_nested(tensor, bytes).map_err(|unwritable| ResponseError::unwritable(name, tensor, unwritable))
    };
    match (outputs, tensors) {
        ([spec], [tensor]) => write_one(&spec.name, tensor, &mut bytes)?,
        _ => {
            bytes.push(b'{');
            for (place, (spec, tensor)) in outputs.iter().zip(tensors).enumerate() {
                if place > 0 {
                    bytes.push(b',');
                }
                write_string(&spec.name, &mut bytes);
                bytes.push(b':');
                write_one(&spec.name, tensor, &mut bytes)?;
            }
            bytes.push(b'}');
        }
    }
    write_labels(signature, &mut bytes);
    bytes.push(b'}');
    Ok(bytes)
}

fn write_labels(signature: &Signature, bytes: &mut Vec<u8>) {
    let mut labelled =
        signature.outputs.iter().filter_map(|spec| Some((spec, spec.labels.as_deref()?))).peekable();
    if labelled.peek().is_none() {
        return;
    }
    bytes.extend_from_slice(b",\"labels\":");
    if signature.outputs.len() == 1 {
        labelled.for_each(|(_, labels)| write_strings(labels, bytes));
        return;
    }
    bytes.push(b'{');
    for (place, (spec, labels)) in labelled.enumerate() {
        if place > 0 {
            bytes.push(b',');
        }
        write_string(&spec.name, bytes);
        bytes.push(b':');
        write_strings(labels, bytes);
    }
    bytes.push(b'}');
}

fn write_strings(strings: &[String], bytes: &mut Vec<u8>) {
    bytes.push(b'[');
    for (place, text) in strings.iter().enumerate() {
        if place > 0 {
            bytes.push(b',');
        }
        write_string(text, bytes);
    }
    bytes.push(b']');
}
