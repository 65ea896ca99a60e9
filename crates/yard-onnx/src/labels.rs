//! Class names, where a classifier's graph gives them away or the model's metadata say them.

use std::collections::HashMap;

use crate::proto::{GraphProto, ModelProto, NodeProto, TensorProto, tensor_proto::DataType};

/// Under this and an output's name stands a JSON list of texts in the model's metadata: plain operators have no place
/// for class names, and those of `ai.onnx.ml` are not known to every engine.
const METADATA_PREFIX: &str = "modelyard.labels.";
/// No classifier with more classes names them in a file.
const MAX_LABELS: usize = 100_000;
/// Longer notes are not read.
const MAX_METADATA_BYTES: usize = 16 << 20;

/// Operators that keep the meaning of each position of the last dimension.
const PASSING: [&str; 8] =
    ["Identity", "Cast", "Softmax", "LogSoftmax", "Sigmoid", "Normalizer", "ZipMap", "Clip"];
/// Operators between the winning position and the table of class names.
const INDEX_PASSING: [&str; 5] = ["Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze"];
/// How far back to look.
const MAX_STEPS: usize = 32;

/// How class names are noted in a model's metadata: key and value.
pub(crate) fn as_metadata(output: &str, labels: &[String]) -> (String, String) {
    let value = serde_json::to_string(labels).expect("texts can always be written as JSON");
    (format!("{METADATA_PREFIX}{output}"), value)
}

/// The class names that the model's metadata give an output.
pub(crate) fn in_metadata(model: &ModelProto, output: &str) -> Option<Vec<String>> {
    let is_meant = |key: &str| key.strip_prefix(METADATA_PREFIX) == Some(output);
    let entry = model.metadata_props.iter().find(|entry| is_meant(&entry.key))?;
    if entry.value.len() > MAX_METADATA_BYTES {
        return None;
    }
    let labels: Vec<String> = serde_json::from_str(&entry.value).ok()?;
    (!labels.is_empty() && labels.len() <= MAX_LABELS).then_some(labels)
}

/// The class names of the last dimension of an output: those of the classifier operator that made it, or of the table
/// from which the model picks the name at the highest score.
pub(crate) fn of_output(graph: &GraphProto, output: &str) -> Option<Vec<String>> {
    let producers = producers(graph);
    let tables = picked_tables(graph, &producers);
    let mut name = output;
    for _ in 0..MAX_STEPS {
        if let Some(labels) = tables.get(name) {
            return Some(labels.clone());
        }
        let node = producers.get(name)?;
        if PASSING.contains(&node.op_type.as_str()) {
            name = node.input.first()?;
            continue;
        }
        let is_classifier = node.domain == "ai.onnx.ml" && node.op_type.ends_with("Classifier");
        let is_score = node.output.get(1).is_some_and(|scores| scores == name);
        return if is_classifier && is_score { of_node(node) } else { None };
    }
    None
}

/// The class names that a classifier or a `ZipMap` holds.
pub(crate) fn of_node(node: &NodeProto) -> Option<Vec<String>> {
    for attribute in &node.attribute {
        let labels: Vec<String> = match attribute.name.as_str() {
            "classlabels_strings" => {
                attribute.strings.iter().map(|label| String::from_utf8_lossy(label).into_owned()).collect()
            }
            "classlabels_ints" | "classlabels_int64s" => attribute.ints.iter().map(i64::to_string).collect(),
            _ => continue,
        };
        if !labels.is_empty() {
            return Some(labels);
        }
    }
    None
}

fn producers(graph: &GraphProto) -> HashMap<&str, &NodeProto> {
    let outputs = |node| {
        let node: &NodeProto = node;
        node.output.iter().map(move |output| (output.as_str(), node))
    };
    graph.node.iter().flat_map(outputs).collect()
}

/// `ArrayFeatureExtractor(classes, ArgMax(scores))`: the table `classes` names the positions of `scores`.
fn picked_tables<'a>(
    graph: &'a GraphProto,
    producers: &HashMap<&str, &'a NodeProto>,
) -> HashMap<&'a str, Vec<String>> {
    let mut tables = HashMap::new();
    for node in graph.node.iter().filter(|node| node.op_type == "ArrayFeatureExtractor") {
        let [table, index] = node.input.as_slice() else { continue };
        let table = graph.initializer.iter().find(|tensor| tensor.name == *table).and_then(table_labels);
        let (Some(labels), Some(scores)) = (table, picked_scores(index, producers)) else { continue };
        tables.insert(scores, labels);
    }
    tables
}

fn picked_scores<'a>(index: &str, producers: &HashMap<&str, &'a NodeProto>) -> Option<&'a str> {
    let mut node = producers.get(index)?;
    for _ in 0..MAX_STEPS {
        match node.op_type.as_str() {
            "ArgMax" => return node.input.first().map(String::as_str),
            passing if INDEX_PASSING.contains(&passing) => {
                node = producers.get(node.input.first()?.as_str())?
            }
            _ => return None,
        }
    }
    None
}

fn table_labels(tensor: &TensorProto) -> Option<Vec<String>> {
    let labels: Vec<String> = match DataType::try_from(tensor.data_type).ok()? {
        DataType::String => {
            tensor.string_data.iter().map(|label| String::from_utf8_lossy(label).into_owned()).collect()
        }
        DataType::Int64 if tensor.raw_data.is_empty() => {
            tensor.int64_data.iter().map(i64::to_string).collect()
        }
        DataType::Int64 => {
            let values = tensor.raw_data.as_chunks::<8>().0.iter();
            values.map(|bytes| i64::from_le_bytes(*bytes).to_string()).collect()
        }
        DataType::Int32 => tensor.int32_data.iter().map(i32::to_string).collect(),
        _ => return None,
    };
    (!labels.is_empty() && labels.len() <= MAX_LABELS).then_some(labels)
}

#[cfg(test)]
mod tests;
