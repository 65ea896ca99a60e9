//! Turning `ZipMap` outputs into tensors.
//!
//! Classifiers exported from scikit-learn answer probabilities as a sequence of maps from class to probability. What is
//! served is the tensor that the maps were made of, with the classes as its labels.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
};

use prost::Message;
use yard_types::{DataType, Dim};

use crate::{
    Model, OnnxError,
    error::shown,
    labels,
    proto::{
        GraphProto, NodeProto, OperatorSetIdProto, ValueInfoProto, tensor_shape_proto::dimension, type_proto,
    },
    signature::tensor_type,
    wire::{fields, put_delimiter},
};

/// Numbers of the fields that are cut and replaced.
mod number {
    pub(super) const MODEL_GRAPH: u32 = 7;
    pub(super) const MODEL_OPSET_IMPORT: u32 = 8;
    pub(super) const GRAPH_NODE: u32 = 1;
    pub(super) const GRAPH_OUTPUT: u32 = 12;
}

impl Model {
    /// The same model with a tensor, of the same name, in place of every output that a `ZipMap` makes; `None` where no
    /// output is made by one.
    ///
    /// Everything else in the file stays as it is, byte for byte.
    pub fn without_zip_maps(&self) -> Result<Option<Self>, OnnxError> {
        let graph = self.graph();
        let mut nodes = BTreeMap::new();
        let mut outputs = BTreeMap::new();
        let mut known_labels = self.labels.clone();
        let used: HashSet<&str> =
            graph.node.iter().flat_map(|node| &node.input).map(String::as_str).collect();
        for (place, node) in graph.node.iter().enumerate() {
            if node.op_type != "ZipMap" || node.domain != "ai.onnx.ml" {
                continue;
            }
            let ([input], [output]) = (node.input.as_slice(), node.output.as_slice()) else {
                return Err(OnnxError::malformed("a ZipMap needs one input and one output"));
            };
            let Some(output_place) = graph.output.iter().position(|value| value.name == *output) else {
                continue;
            };
            if used.contains(output.as_str()) {
                let name = shown(output);
                return Err(OnnxError::Unsupported(format!(
                    "output '{name}' is a sequence of maps that the model uses further"
                )));
            }
            let Some(labels) = labels::of_node(node) else {
                return Err(OnnxError::malformed(format!(
                    "the ZipMap of output '{}' has no labels",
                    shown(output)
                )));
            };
            outputs.insert(output_place, tensor_output(graph, self, input, output, labels.len()));
            nodes.insert(place, pass_through(node));
            known_labels.insert(output.clone(), labels);
        }
        if nodes.is_empty() {
            return Ok(None);
        }
        let bytes = self.spliced(&nodes, &outputs)?;
        let mut model = Self::decode(bytes.into(), &self.limits)?;
        model.labels = known_labels;
        Ok(Some(model))
    }

    fn spliced(
        &self,
        nodes: &BTreeMap<usize, NodeProto>,
        outputs: &BTreeMap<usize, ValueInfoProto>,
    ) -> Result<Vec<u8>, OnnxError> {
        let mut model = Vec::with_capacity(self.bytes.len() + 1024);
        let mut graphs = 0;
        for field in fields(&self.bytes, 0..self.bytes.len()) {
            let field = field?;
            if field.number == number::MODEL_GRAPH {
                graphs += 1;
                let graph = self.spliced_graph(field.value, nodes, outputs)?;
                put_delimiter(&mut model, number::MODEL_GRAPH, graph.len());
                model.extend_from_slice(&graph);
            } else {
                model.extend_from_slice(&self.bytes[field.whole]);
            }
        }
        if graphs != 1 {
            // A decoder merges them, so that places counted in one would not hold.
            return Err(OnnxError::malformed("it holds several graphs"));
        }
        if self.opset("").is_none() {
            put_message(
                &mut model,
                number::MODEL_OPSET_IMPORT,
                &OperatorSetIdProto { domain: String::new(), version: 13 },
            );
        }
        Ok(model)
    }

    fn spliced_graph(
        &self,
        range: Range<usize>,
        nodes: &BTreeMap<usize, NodeProto>,
        outputs: &BTreeMap<usize, ValueInfoProto>,
    ) -> Result<Vec<u8>, OnnxError> {
        let mut graph = Vec::with_capacity(range.len() + 512);
        let (mut node_place, mut output_place) = (0, 0);
        for field in fields(&self.bytes, range) {
            let field = field?;
            match field.number {
                number::GRAPH_NODE => {
                    match nodes.get(&node_place) {
                        Some(node) => put_message(&mut graph, field.number, node),
                        None => graph.extend_from_slice(&self.bytes[field.whole]),
                    }
                    node_place += 1;
                }
                number::GRAPH_OUTPUT => {
                    match outputs.get(&output_place) {
                        Some(output) => put_message(&mut graph, field.number, output),
                        None => graph.extend_from_slice(&self.bytes[field.whole]),
                    }
                    output_place += 1;
                }
                _ => graph.extend_from_slice(&self.bytes[field.whole]),
            }
        }
        Ok(graph)
    }
}

fn put_message(into: &mut Vec<u8>, number: u32, message: &impl Message) {
    put_delimiter(into, number, message.encoded_len());
    into.extend_from_slice(&message.encode_to_vec());
}

/// The node that takes a `ZipMap`'s place.
fn pass_through(zip_map: &NodeProto) -> NodeProto {
    NodeProto {
        input: zip_map.input.clone(),
        output: zip_map.output.clone(),
        name: zip_map.name.clone(),
        op_type: "Identity".to_owned(),
        ..NodeProto::default()
    }
}

/// The output that takes the place of a sequence of maps over the tensor `input`.
fn tensor_output(
    graph: &GraphProto,
    model: &Model,
    input: &str,
    output: &str,
    labels: usize,
) -> ValueInfoProto {
    let rows = graph
        .value_info
        .iter()
        .find(|value| value.name == input)
        .and_then(first_dim)
        .or_else(|| model.real_inputs().find_map(first_dim))
        .unwrap_or(Dim::Any);
    ValueInfoProto {
        name: output.to_owned(),
        r#type: Some(tensor_type(DataType::Fp32, Some(&[rows, Dim::Fixed(labels)]))),
        doc_string: String::new(),
    }
}

fn first_dim(value: &ValueInfoProto) -> Option<Dim> {
    let kind = value.r#type.as_ref()?.value.as_ref()?;
    let type_proto::Value::TensorType(tensor) = kind else { return None };
    let first = tensor.shape.as_ref()?.dim.first()?;
    Some(match &first.value {
        Some(dimension::Value::DimValue(size)) => usize::try_from(*size).map_or(Dim::Any, Dim::Fixed),
        Some(dimension::Value::DimParam(name)) if !name.is_empty() => Dim::Symbol(name.clone()),
        _ => Dim::Any,
    })
}

#[cfg(test)]
mod tests;
