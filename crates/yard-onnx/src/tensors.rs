//! The constant tensors of a model, and whether the file holds what it declares.

use std::{borrow::Cow, collections::HashMap};

use crate::{
    Model, OnnxError,
    error::shown,
    proto::{
        AttributeProto, GraphProto, NodeProto, SparseTensorProto, TensorProto,
        tensor_proto::{DataLocation, DataType},
    },
};

/// A constant tensor: an initializer or a node's attribute.
#[derive(Debug, Clone, Copy)]
pub struct WeightTensor<'a> {
    /// The tensor.
    pub tensor: &'a TensorProto,
    /// The node that holds it as an attribute; `None` for an initializer and for the default of a function's attribute.
    pub node: Option<&'a NodeProto>,
}

impl WeightTensor<'_> {
    /// What a message calls it.
    pub fn place(&self) -> String {
        match self.node {
            None => format!("initializer '{}'", shown(&self.tensor.name)),
            Some(node) => format!("a constant of node '{}'", shown(&node.name)),
        }
    }

    /// The name by which nodes use it: its own, or that of the output of the `Constant` node that holds it.
    pub fn value_name(&self) -> Option<&str> {
        match self.node {
            None => Some(self.tensor.name.as_str()),
            Some(node) if node.op_type == "Constant" => node.output.first().map(String::as_str),
            Some(_) => None,
        }
    }

    /// The values of a tensor of 64-bit integers whose data stands in the model file.
    pub fn inline_int64(&self) -> Option<Cow<'_, [i64]>> {
        let tensor = self.tensor;
        if tensor.data_type != DataType::Int64 as i32 || is_external(tensor) {
            return None;
        }
        if tensor.raw_data.is_empty() {
            return Some(Cow::Borrowed(&tensor.int64_data));
        }
        let values = tensor.raw_data.as_chunks::<8>().0.iter();
        Some(values.map(|bytes| i64::from_le_bytes(*bytes)).collect())
    }

    /// Bytes of the elements that the tensor declares; 0 where its shape or type is impossible, which
    /// [`Model::check_weights`] refuses.
    pub fn declared_bytes(&self) -> u64 {
        declared_bytes(self).unwrap_or_default()
    }

    /// The element type, where it is one that a request could carry.
    pub fn data_type(&self) -> Option<yard_types::DataType> {
        crate::signature::data_type(self.tensor.data_type)
    }
}

impl Model {
    /// Visits every constant tensor: in the graph, in graphs inside nodes, in functions.
    pub fn walk_weights<'a>(
        &'a self,
        visit: &mut dyn FnMut(WeightTensor<'a>) -> Result<(), OnnxError>,
    ) -> Result<(), OnnxError> {
        walk_graph(self.graph(), visit)?;
        for function in &self.proto.functions {
            walk_nodes(&function.node, visit)?;
            for attribute in &function.attribute_proto {
                walk_attribute(attribute, None, visit)?;
            }
        }
        Ok(())
    }

    /// Checks that every constant tensor has exactly the data that its shape and type ask for, and that all together
    /// stay within the limit. Returns how many bytes they declare.
    ///
    /// Data in other files is checked by [`Model::check_external`].
    pub fn check_weights(&self) -> Result<u64, OnnxError> {
        let limit = self.limits.max_weight_bytes;
        let mut total = 0_u64;
        self.walk_weights(&mut |weight| {
            let declared = declared_bytes(&weight)?;
            total = total.saturating_add(declared);
            if total > limit {
                return Err(OnnxError::TooLarge { what: "weights".to_owned(), declared: total, limit });
            }
            check_given(&weight, declared)
        })?;
        self.walk_sparse(&mut |sparse| {
            let what = || "a sparse tensor".to_owned();
            let elements = element_count(&sparse.dims, &what)?;
            let data_type = sparse.values.as_ref().map_or(0, |values| values.data_type);
            let width = stored_bits(data_type).unwrap_or(64).div_ceil(8);
            total = total.saturating_add(elements.saturating_mul(width));
            if total > limit {
                return Err(OnnxError::TooLarge { what: "weights".to_owned(), declared: total, limit });
            }
            Ok(())
        })?;
        self.check_fills(limit)?;
        Ok(total)
    }

    /// Sparse tensors become dense ones in an engine.
    fn walk_sparse(
        &self,
        visit: &mut dyn FnMut(&SparseTensorProto) -> Result<(), OnnxError>,
    ) -> Result<(), OnnxError> {
        let mut result = self.graph().sparse_initializer.iter().try_for_each(&mut *visit);
        self.walk_nodes(&mut |node, _| {
            for attribute in &node.attribute {
                let sparse = attribute.sparse_tensor.iter().chain(&attribute.sparse_tensors);
                let nested = attribute.g.iter().chain(&attribute.graphs);
                for sparse in sparse.chain(nested.flat_map(|graph| &graph.sparse_initializer)) {
                    if result.is_ok() {
                        result = visit(sparse);
                    }
                }
            }
        });
        result
    }

    /// A `ConstantOfShape` whose shape is written in the file is computed while the model is loaded: it is weights that
    /// take no space in the file.
    fn check_fills(&self, limit: u64) -> Result<(), OnnxError> {
        let mut shapes = HashMap::new();
        let graph = self.graph();
        for tensor in &graph.initializer {
            shapes.extend(integers(tensor).map(|values| (tensor.name.clone(), values)));
        }
        self.walk_nodes(&mut |node, _| {
            if node.op_type == "Constant"
                && let Some(name) = node.output.first()
            {
                shapes.extend(constant_node_integers(node).map(|values| (name.clone(), values)));
            }
        });
        let mut result = Ok(());
        self.walk_nodes(&mut |node, _| {
            if node.op_type != "ConstantOfShape" || result.is_err() {
                return;
            }
            let Some(shape) = node.input.first().and_then(|name| shapes.get(name)) else { return };
            let size = |dim: &i64| u64::try_from(*dim).unwrap_or_default();
            let product = shape.iter().try_fold(1_u64, |product, dim| product.checked_mul(size(dim)));
            let value = node.attribute.iter().find_map(|attribute| attribute.t.as_ref());
            let bits = value.map_or(Some(32), |value| stored_bits(value.data_type)).unwrap_or(64);
            let declared = product.unwrap_or(u64::MAX).saturating_mul(bits.div_ceil(8));
            if declared > limit {
                let what = format!("constants (node '{}')", shown(&node.name));
                result = Err(OnnxError::TooLarge { what, declared, limit });
            }
        });
        result
    }
}

fn walk_graph<'a>(
    graph: &'a GraphProto,
    visit: &mut dyn FnMut(WeightTensor<'a>) -> Result<(), OnnxError>,
) -> Result<(), OnnxError> {
    for tensor in &graph.initializer {
        visit(WeightTensor { tensor, node: None })?;
    }
    for sparse in &graph.sparse_initializer {
        for tensor in sparse.values.iter().chain(&sparse.indices) {
            visit(WeightTensor { tensor, node: None })?;
        }
    }
    walk_nodes(&graph.node, visit)
}

fn walk_nodes<'a>(
    nodes: &'a [NodeProto],
    visit: &mut dyn FnMut(WeightTensor<'a>) -> Result<(), OnnxError>,
) -> Result<(), OnnxError> {
    for node in nodes {
        for attribute in &node.attribute {
            walk_attribute(attribute, Some(node), visit)?;
        }
    }
    Ok(())
}

fn walk_attribute<'a>(
    attribute: &'a AttributeProto,
    node: Option<&'a NodeProto>,
    visit: &mut dyn FnMut(WeightTensor<'a>) -> Result<(), OnnxError>,
) -> Result<(), OnnxError> {
    for tensor in attribute.t.iter().chain(&attribute.tensors) {
        visit(WeightTensor { tensor, node })?;
    }
    for sparse in attribute.sparse_tensor.iter().chain(&attribute.sparse_tensors) {
        for tensor in sparse.values.iter().chain(&sparse.indices) {
            visit(WeightTensor { tensor, node })?;
        }
    }
    for graph in attribute.g.iter().chain(&attribute.graphs) {
        walk_graph(graph, visit)?;
    }
    Ok(())
}

/// Bits of one element as `raw_data` stores it; `None` for strings.
pub(crate) fn stored_bits(data_type: i32) -> Option<u64> {
    Some(match DataType::try_from(data_type).ok()? {
        DataType::Undefined | DataType::String => return None,
        DataType::Uint2 | DataType::Int2 => 2,
        DataType::Uint4 | DataType::Int4 | DataType::Float4e2m1 => 4,
        DataType::Uint8
        | DataType::Int8
        | DataType::Bool
        | DataType::Float8e4m3fn
        | DataType::Float8e4m3fnuz
        | DataType::Float8e5m2
        | DataType::Float8e5m2fnuz
        | DataType::Float8e8m0 => 8,
        DataType::Uint16 | DataType::Int16 | DataType::Float16 | DataType::Bfloat16 => 16,
        DataType::Float | DataType::Int32 | DataType::Uint32 => 32,
        DataType::Int64 | DataType::Uint64 | DataType::Double | DataType::Complex64 => 64,
        DataType::Complex128 => 128,
    })
}

/// How many elements a shape asks for.
pub(crate) fn element_count(dims: &[i64], what: &dyn Fn() -> String) -> Result<u64, OnnxError> {
    let mut elements = 1_u64;
    for dim in dims {
        let dim = u64::try_from(*dim)
            .map_err(|_| OnnxError::malformed(format!("{} has a negative dimension", what())))?;
        // A zero anywhere makes the tensor empty, but the other dimensions must still be sane.
        elements = elements
            .checked_mul(dim.max(1))
            .filter(|elements| *elements <= i64::MAX as u64)
            .ok_or_else(|| OnnxError::malformed(format!("{} has an impossible shape {dims:?}", what())))?;
    }
    Ok(if dims.contains(&0) { 0 } else { elements })
}

/// Bytes of the elements that a tensor declares; for strings their number, since each takes at least a byte.
pub(crate) fn declared_bytes(weight: &WeightTensor<'_>) -> Result<u64, OnnxError> {
    let elements = element_count(&weight.tensor.dims, &|| weight.place())?;
    match stored_bits(weight.tensor.data_type) {
        Some(bits) => Ok(elements.saturating_mul(bits).div_ceil(8)),
        None if weight.tensor.data_type == DataType::String as i32 => Ok(elements),
        None => Err(OnnxError::malformed(format!("{} has no known element type", weight.place()))),
    }
}

pub(crate) fn is_external(tensor: &TensorProto) -> bool {
    tensor.data_location == DataLocation::External as i32
}

/// Whether the tensor holds what it declares. Data in another file is not looked at.
fn check_given(weight: &WeightTensor<'_>, declared: u64) -> Result<(), OnnxError> {
    let tensor = weight.tensor;
    if is_external(tensor) {
        return Ok(());
    }
    let refusal = |given: u64, unit: &str, wanted: u64| {
        let place = weight.place();
        Err(OnnxError::malformed(format!("{place} declares {wanted} {unit}, but the file holds {given}")))
    };
    if !tensor.raw_data.is_empty() {
        let given = tensor.raw_data.len() as u64;
        return if given == declared { Ok(()) } else { refusal(given, "bytes", declared) };
    }
    let elements = element_count(&tensor.dims, &|| weight.place())?;
    let data_type = DataType::try_from(tensor.data_type).unwrap_or(DataType::Undefined);
    let (given, wanted) = match data_type {
        DataType::Float => (tensor.float_data.len(), elements),
        DataType::Complex64 => (tensor.float_data.len(), elements.saturating_mul(2)),
        DataType::Double => (tensor.double_data.len(), elements),
        DataType::Complex128 => (tensor.double_data.len(), elements.saturating_mul(2)),
        DataType::Int64 => (tensor.int64_data.len(), elements),
        DataType::Uint32 | DataType::Uint64 => (tensor.uint64_data.len(), elements),
        DataType::String => (tensor.string_data.len(), elements),
        DataType::Uint4
        | DataType::Int4
        | DataType::Float4e2m1
        | DataType::Uint2
        | DataType::Int2
        | DataType::Float8e8m0 => (tensor.int32_data.len(), declared),
        _ => (tensor.int32_data.len(), elements),
    };
    if given as u64 == wanted { Ok(()) } else { refusal(given as u64, "elements", wanted) }
}

/// The integers that a `Constant` node holds.
pub(crate) fn constant_node_integers(node: &NodeProto) -> Option<Vec<i64>> {
    node.attribute.iter().find_map(|attribute| match attribute.name.as_str() {
        "value" => attribute.t.as_ref().and_then(integers),
        "value_int" => Some(vec![attribute.i]),
        "value_ints" => Some(attribute.ints.clone()),
        _ => None,
    })
}

/// The values of a small integer tensor.
pub(crate) fn integers(tensor: &TensorProto) -> Option<Vec<i64>> {
    /// Shapes and axes are short; anything longer is data.
    const MAX_ELEMENTS: u64 = 64;
    let elements = element_count(&tensor.dims, &String::new).ok()?;
    if elements > MAX_ELEMENTS || is_external(tensor) {
        return None;
    }
    let raw = &tensor.raw_data;
    let values: Vec<i64> = match DataType::try_from(tensor.data_type).ok()? {
        DataType::Int64 if !raw.is_empty() => {
            raw.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect()
        }
        DataType::Int64 => tensor.int64_data.clone(),
        DataType::Int32 if !raw.is_empty() => {
            raw.as_chunks::<4>().0.iter().map(|bytes| i64::from(i32::from_le_bytes(*bytes))).collect()
        }
        DataType::Int32 => tensor.int32_data.iter().map(|value| i64::from(*value)).collect(),
        _ => return None,
    };
    (values.len() as u64 == elements).then_some(values)
}

#[cfg(test)]
mod tests;
