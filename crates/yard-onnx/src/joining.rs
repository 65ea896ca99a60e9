//! Whether rows of several requests may be run together.
//!
//! The graph is followed from its inputs to its outputs. For every value it is known whether it is the same whatever the
//! rows are, or has the rows along one axis so that each of its rows depends on the same row of the inputs alone. Only
//! operators for which that is certain are followed; at the first other one the answer is no, with the reason.
//!
//! The answer is about the graph. That an engine computes the rows of a batch as it computes them alone is shown by
//! running it, at the proof.

mod by_axis;
mod elementwise;
mod operator;
mod shapes;
mod value;

use std::collections::HashMap;

use yard_types::{Dim, TensorSpec};

use self::{
    operator::{Call, Outcome},
    value::Value,
};
use crate::{
    Model,
    error::shown,
    model::normal_domain,
    operators::node_name,
    proto::{GraphProto, NodeProto},
};

/// Why rows of several requests may not be run together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MixedRows {
    /// The signature shows it.
    #[error("{0}")]
    Signature(String),
    /// An operator mixes rows, or is not known not to.
    #[error("operator '{operator}' (node '{node}') {reason}")]
    Operator {
        /// The operator with its domain where that is not the default one.
        operator: String,
        /// The node.
        node: String,
        /// What it does.
        reason: String,
    },
}

impl Model {
    /// Checks that each row of the outputs depends on the same row of the inputs alone, as far as the graph shows.
    pub fn check_rows_independent(&self) -> Result<(), MixedRows> {
        let signature = self.signature().map_err(|error| MixedRows::Signature(error.to_string()))?;
        check_inputs(&signature.inputs)?;
        let graph = self.graph();
        let mut values = HashMap::new();
        for tensor in &graph.initializer {
            values.insert(tensor.name.as_str(), Value::constant(tensor));
        }
        for sparse in graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref()) {
            values.insert(sparse.name.as_str(), Value::same_for_all());
        }
        for spec in &signature.inputs {
            values.insert(spec.name.as_str(), Value::rows_first(spec.shape.as_deref().unwrap_or_default()));
        }
        let values = self.follow(graph, values)?;
        for spec in &signature.outputs {
            check_output(spec, values.get(spec.name.as_str()))?;
        }
        Ok(())
    }

    fn follow<'a>(
        &self,
        graph: &'a GraphProto,
        mut values: HashMap<&'a str, Value>,
    ) -> Result<HashMap<&'a str, Value>, MixedRows> {
        for (place, node) in graph.node.iter().enumerate() {
            let outcome = self.follow_node(node, &values);
            let outputs = outcome.map_err(|reason| MixedRows::Operator {
                operator: qualified(node),
                node: node_name(node, place),
                reason,
            })?;
            for (name, value) in node.output.iter().zip(outputs) {
                values.insert(name, value);
            }
        }
        Ok(values)
    }

    fn follow_node(&self, node: &NodeProto, values: &HashMap<&str, Value>) -> Outcome {
        if node.attribute.iter().any(|attribute| attribute.g.is_some() || !attribute.graphs.is_empty()) {
            return Err("holds a graph of its own, which is not followed".to_owned());
        }
        if self.defines(&node.domain, &node.op_type) {
            return Err("is a function of the model, which is not followed".to_owned());
        }
        let mut inputs = Vec::with_capacity(node.input.len());
        for name in &node.input {
            inputs.push(match (name.as_str(), values.get(name.as_str())) {
                ("", _) => None,
                (_, Some(value)) => Some(value),
                (_, None) => return Err(format!("uses the unknown value '{}'", shown(name))),
            });
        }
        let opset = self.opset(&node.domain).unwrap_or_default();
        operator::follow(&Call { node, inputs, opset })
    }
}

fn qualified(node: &NodeProto) -> String {
    match normal_domain(&node.domain) {
        "" => shown(&node.op_type),
        domain => format!("{}.{}", shown(domain), shown(&node.op_type)),
    }
}

/// All inputs must have an open first dimension, and it must be the same one: one symbol for all, or no name at all.
fn check_inputs(inputs: &[TensorSpec]) -> Result<(), MixedRows> {
    let refusal = |reason: String| Err(MixedRows::Signature(reason));
    if inputs.is_empty() {
        return refusal("the model has no inputs".to_owned());
    }
    let mut common: Option<&Dim> = None;
    for spec in inputs {
        let name = &spec.name;
        let first = match spec.shape.as_deref() {
            None => return refusal(format!("input '{name}' has no known shape")),
            Some([]) => return refusal(format!("input '{name}' is a scalar, which all rows would share")),
            Some([Dim::Fixed(size), ..]) => {
                return refusal(format!("the first dimension of input '{name}' is always {size}"));
            }
            Some([first, rest @ ..]) => {
                if matches!(first, Dim::Symbol(_)) && rest.contains(first) {
                    return refusal(format!("input '{name}' has its first dimension a second time"));
                }
                first
            }
        };
        match common {
            Some(known) if known != first => {
                return refusal("the inputs have different first dimensions".to_owned());
            }
            _ => common = Some(first),
        }
    }
    Ok(())
}

fn check_output(spec: &TensorSpec, value: Option<&Value>) -> Result<(), MixedRows> {
    let name = &spec.name;
    let reason = match value {
        None => format!("output '{name}' is made by no node"),
        Some(value) => match value.row_axis() {
            Some(0) => match spec.shape.as_deref() {
                Some([Dim::Fixed(size), ..]) => {
                    format!("the first dimension of output '{name}' is always {size}")
                }
                Some([]) => format!("output '{name}' is a scalar"),
                _ => return Ok(()),
            },
            Some(axis) => format!("output '{name}' has its rows along axis {axis}"),
            None => format!("output '{name}' does not depend on the rows"),
        },
    };
    Err(MixedRows::Signature(reason))
}

#[cfg(test)]
mod tests;
