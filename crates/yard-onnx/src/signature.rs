//! What a model takes and gives, as its file says.

use std::collections::HashSet;

use yard_types::{DataType, Dim, Signature, TensorSpec};

use crate::{
    Model, OnnxError,
    error::shown,
    labels,
    proto::{
        GraphProto, TensorShapeProto, TypeProto, ValueInfoProto, tensor_proto, tensor_shape_proto::dimension,
        type_proto,
    },
};

impl Model {
    /// The inputs and outputs with names, element types, shapes and, where the model says so, labels.
    ///
    /// Older files list their initializers among the inputs; those are not inputs here.
    pub fn signature(&self) -> Result<Signature, OnnxError> {
        let graph = self.graph();
        let mut signature = Signature::default();
        for value in self.real_inputs() {
            signature.inputs.push(tensor_spec(value, "input")?);
        }
        for value in &graph.output {
            let mut spec = tensor_spec(value, "output")?;
            spec.labels = self.labels_of(&spec);
            signature.outputs.push(spec);
        }
        for specs in [&signature.inputs, &signature.outputs] {
            let mut seen = HashSet::new();
            for spec in specs {
                if spec.name.is_empty() || spec.name.contains('\0') {
                    return Err(OnnxError::malformed("an input or output has no name or one with a NUL"));
                }
                if !seen.insert(spec.name.as_str()) {
                    return Err(OnnxError::malformed(format!(
                        "the name '{}' is used twice",
                        shown(&spec.name)
                    )));
                }
            }
        }
        Ok(signature)
    }

    /// The graph's inputs without those that are initializers.
    pub(crate) fn real_inputs(&self) -> impl Iterator<Item = &ValueInfoProto> {
        let graph = self.graph();
        let initializers = initializer_names(graph);
        graph.input.iter().filter(move |value| !initializers.contains(value.name.as_str()))
    }

    fn labels_of(&self, spec: &TensorSpec) -> Option<Vec<String>> {
        let graph = self.graph();
        let labels = match self.labels.get(&spec.name) {
            Some(labels) => labels.clone(),
            None => labels::of_output(graph, &spec.name)
                .or_else(|| labels::in_metadata(self.proto(), &spec.name))?,
        };
        match spec.shape.as_ref().and_then(|shape| shape.last()) {
            Some(Dim::Fixed(size)) if *size != labels.len() => None,
            _ => Some(labels),
        }
    }
}

fn initializer_names(graph: &GraphProto) -> HashSet<&str> {
    let dense = graph.initializer.iter().map(|tensor| tensor.name.as_str());
    let sparse = graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref());
    dense.chain(sparse.map(|values| values.name.as_str())).collect()
}

fn tensor_spec(value: &ValueInfoProto, what: &str) -> Result<TensorSpec, OnnxError> {
    let unsupported =
        |kind: &str| Err(OnnxError::Unsupported(format!("{what} '{}' {kind}", shown(&value.name))));
    let tensor = match value.r#type.as_ref().and_then(|kind| kind.value.as_ref()) {
        Some(type_proto::Value::TensorType(tensor)) => tensor,
        Some(type_proto::Value::SequenceType(_)) => return unsupported("is a sequence, not a tensor"),
        Some(type_proto::Value::MapType(_)) => return unsupported("is a map, not a tensor"),
        Some(type_proto::Value::OptionalType(_)) => return unsupported("is an optional, not a tensor"),
        Some(type_proto::Value::SparseTensorType(_)) => {
            return unsupported("is a sparse tensor, not a dense one");
        }
        Some(type_proto::Value::OpaqueType(_)) => return unsupported("has an opaque type"),
        None => return unsupported("has no type"),
    };
    let Some(data_type) = data_type(tensor.elem_type) else {
        return unsupported(&format!("has elements of type {}", type_name(tensor.elem_type)));
    };
    Ok(TensorSpec {
        name: value.name.clone(),
        data_type,
        shape: tensor.shape.as_ref().map(dims).transpose()?,
        labels: None,
    })
}

/// The element type that stands for a number of the format, where there is one.
pub(crate) fn data_type(number: i32) -> Option<DataType> {
    use tensor_proto::DataType as Onnx;
    Some(match Onnx::try_from(number).ok()? {
        Onnx::Bool => DataType::Bool,
        Onnx::Uint8 => DataType::Uint8,
        Onnx::Uint16 => DataType::Uint16,
        Onnx::Uint32 => DataType::Uint32,
        Onnx::Uint64 => DataType::Uint64,
        Onnx::Int8 => DataType::Int8,
        Onnx::Int16 => DataType::Int16,
        Onnx::Int32 => DataType::Int32,
        Onnx::Int64 => DataType::Int64,
        Onnx::Float16 => DataType::Fp16,
        Onnx::Bfloat16 => DataType::Bf16,
        Onnx::Float => DataType::Fp32,
        Onnx::Double => DataType::Fp64,
        Onnx::String => DataType::Bytes,
        _ => return None,
    })
}

/// The number of the format for an element type.
pub(crate) const fn type_number(data_type: DataType) -> i32 {
    use tensor_proto::DataType as Onnx;
    let onnx = match data_type {
        DataType::Bool => Onnx::Bool,
        DataType::Uint8 => Onnx::Uint8,
        DataType::Uint16 => Onnx::Uint16,
        DataType::Uint32 => Onnx::Uint32,
        DataType::Uint64 => Onnx::Uint64,
        DataType::Int8 => Onnx::Int8,
        DataType::Int16 => Onnx::Int16,
        DataType::Int32 => Onnx::Int32,
        DataType::Int64 => Onnx::Int64,
        DataType::Fp16 => Onnx::Float16,
        DataType::Bf16 => Onnx::Bfloat16,
        DataType::Fp32 => Onnx::Float,
        DataType::Fp64 => Onnx::Double,
        DataType::Bytes => Onnx::String,
    };
    onnx as i32
}

fn type_name(number: i32) -> String {
    match tensor_proto::DataType::try_from(number) {
        Ok(known) => known.as_str_name().to_owned(),
        Err(_) => format!("number {number}"),
    }
}

fn dims(shape: &TensorShapeProto) -> Result<Vec<Dim>, OnnxError> {
    /// No tensor of any known model has more.
    const MAX_RANK: usize = 64;
    if shape.dim.len() > MAX_RANK {
        return Err(OnnxError::malformed(format!("a shape has more than {MAX_RANK} dimensions")));
    }
    let dim = |dim: &crate::proto::tensor_shape_proto::Dimension| match &dim.value {
        Some(dimension::Value::DimValue(size)) => usize::try_from(*size).map_or(Dim::Any, Dim::Fixed),
        // Some exporters write these for a size that has no name.
        Some(dimension::Value::DimParam(name)) if matches!(name.as_str(), "" | "?" | "-1" | "None") => {
            Dim::Any
        }
        Some(dimension::Value::DimParam(name)) => Dim::Symbol(shown(name)),
        None => Dim::Any,
    };
    Ok(shape.dim.iter().map(dim).collect())
}

/// The format's way to write a tensor type.
pub(crate) fn tensor_type(data_type: DataType, shape: Option<&[Dim]>) -> TypeProto {
    use crate::proto::tensor_shape_proto::Dimension;
    let dimension = |dim: &Dim| Dimension {
        value: match dim {
            Dim::Fixed(size) => Some(dimension::Value::DimValue(i64::try_from(*size).unwrap_or(i64::MAX))),
            Dim::Symbol(name) => Some(dimension::Value::DimParam(name.clone())),
            Dim::Any => None,
        },
        denotation: String::new(),
    };
    let shape = shape.map(|dims| TensorShapeProto { dim: dims.iter().map(dimension).collect() });
    let tensor = type_proto::Tensor { elem_type: type_number(data_type), shape };
    TypeProto { value: Some(type_proto::Value::TensorType(tensor)), denotation: String::new() }
}

#[cfg(test)]
mod tests;
