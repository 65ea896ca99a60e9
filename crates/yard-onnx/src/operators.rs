//! Which operators a model uses, and where.

use std::collections::HashSet;

use yard_types::DataType;

use crate::{
    Model,
    error::shown,
    model::normal_domain,
    proto::{GraphProto, NodeProto},
    signature::data_type,
};

/// One use of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorUse {
    /// The operator's domain; empty for the default one.
    pub domain: String,
    /// The operator's name.
    pub operator: String,
    /// The node's name, or its place where it has none.
    pub node: String,
}

impl OperatorUse {
    fn of(node: &NodeProto, place: usize) -> Self {
        Self {
            domain: shown(normal_domain(&node.domain)),
            operator: shown(&node.op_type),
            node: node_name(node, place),
        }
    }

    /// The operator with its domain where that is not the default one.
    pub fn qualified(&self) -> String {
        if self.domain.is_empty() {
            self.operator.clone()
        } else {
            format!("{}.{}", self.domain, self.operator)
        }
    }
}

/// A node's name, or its place where it has none.
pub(crate) fn node_name(node: &NodeProto, place: usize) -> String {
    if node.name.is_empty() { format!("#{place}") } else { shown(&node.name) }
}

impl Model {
    /// The names of values that are used as the bounds of slices and for nothing else.
    ///
    /// A bound beyond the tensor's end means its end, so that exporters write the largest number there is.
    pub fn slice_bounds(&self) -> HashSet<String> {
        let mut bounds = HashSet::new();
        let mut others = HashSet::new();
        let outputs = self.graph().output.iter().map(|value| value.name.clone());
        others.extend(outputs);
        self.walk_nodes(&mut |node, _| {
            for (place, name) in node.input.iter().enumerate() {
                let is_bound = node.op_type == "Slice" && matches!(place, 1 | 2);
                let set = if is_bound { &mut bounds } else { &mut others };
                set.insert(name.clone());
            }
        });
        bounds.retain(|name| !others.contains(name));
        bounds
    }

    /// Visits the element types that `Cast` nodes convert to, with the nodes' names; types that no request could carry
    /// are left out.
    pub fn cast_targets(&self) -> Vec<(DataType, String)> {
        let mut targets = Vec::new();
        self.walk_nodes(&mut |node, place| {
            let to = node.attribute.iter().find(|attribute| attribute.name == "to");
            let target = to.and_then(|to| i32::try_from(to.i).ok()).and_then(data_type);
            if let (Some(target), "Cast") = (target, node.op_type.as_str()) {
                targets.push((target, node_name(node, place)));
            }
        });
        targets
    }

    /// Every use of an operator: in the graph, in graphs inside nodes, and in the model's own functions. A call of such
    /// a function counts as a use as well.
    pub fn operators(&self) -> Vec<OperatorUse> {
        let mut uses = Vec::new();
        self.walk_nodes(&mut |node, place| uses.push(OperatorUse::of(node, place)));
        uses
    }

    /// Whether the model itself defines the operator as a function.
    pub fn defines(&self, domain: &str, operator: &str) -> bool {
        let domain = normal_domain(domain);
        let functions = &self.proto.functions;
        functions
            .iter()
            .any(|function| normal_domain(&function.domain) == domain && function.name == operator)
    }

    /// Visits every node once. Nesting is bounded by the decoder.
    pub(crate) fn walk_nodes(&self, visit: &mut dyn FnMut(&NodeProto, usize)) {
        walk_graph(self.graph(), visit);
        for function in &self.proto.functions {
            walk(&function.node, visit);
        }
    }
}

fn walk_graph(graph: &GraphProto, visit: &mut dyn FnMut(&NodeProto, usize)) {
    walk(&graph.node, visit);
}

fn walk(nodes: &[NodeProto], visit: &mut dyn FnMut(&NodeProto, usize)) {
    for (place, node) in nodes.iter().enumerate() {
        visit(node, place);
        for attribute in &node.attribute {
            for graph in attribute.g.iter().chain(&attribute.graphs) {
                walk_graph(graph, visit);
            }
        }
    }
}
