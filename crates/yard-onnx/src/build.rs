//! Building models in code.

use prost::Message;
use yard_types::{DataType, Dim, Tensor, TensorData};

use crate::{
    proto::{
        AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
        TensorProto, ValueInfoProto, tensor_proto::DataLocation,
    },
    signature::{tensor_type, type_number},
};

/// The version of the file format that is written; every reader of the last years knows it.
const IR_VERSION: i64 = 8;

/// Builds a model node by node.
///
/// Nodes must come after the nodes whose outputs they use. Nothing is checked: that is what reading does.
#[derive(Debug, Clone, Default)]
pub struct GraphBuilder {
    model: ModelProto,
    graph: GraphProto,
}

impl GraphBuilder {
    /// Starts a model that uses this version of the default operator set.
    pub fn new(opset: i64) -> Self {
        let model = ModelProto {
            ir_version: IR_VERSION,
            producer_name: "modelyard".to_owned(),
            ..ModelProto::default()
        };
        let graph = GraphProto { name: "graph".to_owned(), ..GraphProto::default() };
        Self { model, graph }.import("", opset)
    }

    /// Uses another operator set as well; of two versions of one set the later is used.
    pub fn import(mut self, domain: &str, version: i64) -> Self {
        match self.model.opset_import.iter_mut().find(|set| set.domain == domain) {
            Some(known) => known.version = known.version.max(version),
            None => {
                self.model.opset_import.push(OperatorSetIdProto { domain: domain.to_owned(), version });
            }
        }
        self
    }

    /// Notes something about the model for whoever opens the file, in place of what stood under this key.
    pub fn metadata(mut self, key: &str, value: &str) -> Self {
        self.model.metadata_props.retain(|entry| entry.key != key);
        let entry = StringStringEntryProto { key: key.to_owned(), value: value.to_owned() };
        self.model.metadata_props.push(entry);
        self
    }

    /// Names the positions of an output's last dimension, for readers of [`Model::signature`](crate::Model::signature)
    /// and without any operator.
    pub fn labels(self, output: &str, labels: &[String]) -> Self {
        let (key, value) = crate::labels::as_metadata(output, labels);
        self.metadata(&key, &value)
    }

    /// Adds an input; a shape of `None` leaves even the rank open.
    pub fn input<'a>(mut self, name: &str, data_type: DataType, shape: impl Into<Option<&'a [Dim]>>) -> Self {
        self.graph.input.push(value_info(name, data_type, shape.into()));
        self
    }

    /// Adds an output.
    pub fn output<'a>(
        mut self,
        name: &str,
        data_type: DataType,
        shape: impl Into<Option<&'a [Dim]>>,
    ) -> Self {
        self.graph.output.push(value_info(name, data_type, shape.into()));
        self
    }

    /// Adds an output of a type that is no tensor.
    pub fn output_of_type(mut self, name: &str, r#type: crate::proto::TypeProto) -> Self {
        let value = ValueInfoProto { name: name.to_owned(), r#type: Some(r#type), doc_string: String::new() };
        self.graph.output.push(value);
        self
    }

    /// Adds a constant.
    pub fn initializer(self, name: &str, tensor: &Tensor) -> Self {
        self.raw_initializer(tensor_proto(name, tensor))
    }

    /// Adds a constant as it stands.
    pub fn raw_initializer(mut self, tensor: TensorProto) -> Self {
        self.graph.initializer.push(tensor);
        self
    }

    /// Adds a constant whose data stands in another file.
    pub fn external_initializer(
        self,
        name: &str,
        data_type: DataType,
        shape: &[usize],
        file: &str,
        offset: u64,
        length: u64,
    ) -> Self {
        let entry = |key: &str, value: String| StringStringEntryProto { key: key.to_owned(), value };
        self.raw_initializer(TensorProto {
            name: name.to_owned(),
            data_type: type_number(data_type),
            dims: signed(shape),
            data_location: DataLocation::External as i32,
            external_data: vec![
                entry("location", file.to_owned()),
                entry("offset", offset.to_string()),
                entry("length", length.to_string()),
            ],
            ..TensorProto::default()
        })
    }

    /// Adds a node of the default operator set.
    pub fn node(
        self,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> Self {
        self.node_of("", operator, inputs, outputs, attributes)
    }

    /// Adds a node of another operator set.
    pub fn node_of(
        mut self,
        domain: &str,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        self.graph.node.push(NodeProto {
            name: format!("{operator}_{}", self.graph.node.len()),
            op_type: operator.to_owned(),
            domain: domain.to_owned(),
            input: owned(inputs),
            output: owned(outputs),
            attribute: attributes,
            ..NodeProto::default()
        });
        self
    }

    /// The graph alone, to be an attribute of a node of another.
    pub fn into_graph(self) -> GraphProto {
        self.graph
    }

    /// The model.
    pub fn into_model(self) -> ModelProto {
        ModelProto { graph: Some(self.graph), ..self.model }
    }

    /// The model as a file's content.
    pub fn into_bytes(self) -> Vec<u8> {
        self.into_model().encode_to_vec()
    }
}

fn value_info(name: &str, data_type: DataType, shape: Option<&[Dim]>) -> ValueInfoProto {
    let r#type = Some(tensor_type(data_type, shape));
    ValueInfoProto { name: name.to_owned(), r#type, doc_string: String::new() }
}

fn signed(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|size| i64::try_from(*size).unwrap_or(i64::MAX)).collect()
}

/// A constant as the format writes it.
fn tensor_proto(name: &str, tensor: &Tensor) -> TensorProto {
    /// The little-endian bytes of each value, one after the other.
    macro_rules! raw {
        ($values:expr) => {
            $values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()
        };
    }
    let mut proto = TensorProto {
        name: name.to_owned(),
        data_type: type_number(tensor.data_type()),
        dims: signed(tensor.shape()),
        ..TensorProto::default()
    };
    let raw = match tensor.data() {
        TensorData::Bool(values) => values.iter().map(|value| u8::from(*value)).collect(),
        TensorData::Uint8(values) => values.clone(),
        TensorData::Uint16(values) => raw!(values),
        TensorData::Uint32(values) => raw!(values),
        TensorData::Uint64(values) => raw!(values),
        TensorData::Int8(values) => raw!(values),
        TensorData::Int16(values) => raw!(values),
        TensorData::Int32(values) => raw!(values),
        TensorData::Int64(values) => raw!(values),
        TensorData::Fp16(values) => raw!(values),
        TensorData::Bf16(values) => raw!(values),
        TensorData::Fp32(values) => raw!(values),
        TensorData::Fp64(values) => raw!(values),
        TensorData::Bytes(values) => {
            proto.string_data = values.clone();
            return proto;
        }
    };
    proto.raw_data = raw.into();
    proto
}

/// Attributes of nodes.
pub mod attribute {
    use bytes::Bytes;
    use yard_types::Tensor;

    use super::tensor_proto;
    use crate::proto::{AttributeProto, GraphProto, attribute_proto::AttributeType};

    fn named(name: &str, r#type: AttributeType) -> AttributeProto {
        AttributeProto { name: name.to_owned(), r#type: r#type as i32, ..AttributeProto::default() }
    }

    /// A whole number.
    pub fn int(name: &str, value: i64) -> AttributeProto {
        AttributeProto { i: value, ..named(name, AttributeType::Int) }
    }

    /// Whole numbers.
    pub fn ints(name: &str, values: &[i64]) -> AttributeProto {
        AttributeProto { ints: values.to_vec(), ..named(name, AttributeType::Ints) }
    }

    /// A number.
    pub fn float(name: &str, value: f32) -> AttributeProto {
        AttributeProto { f: value, ..named(name, AttributeType::Float) }
    }

    /// Numbers.
    pub fn floats(name: &str, values: &[f32]) -> AttributeProto {
        AttributeProto { floats: values.to_vec(), ..named(name, AttributeType::Floats) }
    }

    /// A text.
    pub fn string(name: &str, value: &str) -> AttributeProto {
        AttributeProto { s: Bytes::copy_from_slice(value.as_bytes()), ..named(name, AttributeType::String) }
    }

    /// Texts.
    pub fn strings(name: &str, values: &[&str]) -> AttributeProto {
        let strings = values.iter().map(|value| Bytes::copy_from_slice(value.as_bytes())).collect();
        AttributeProto { strings, ..named(name, AttributeType::Strings) }
    }

    /// A tensor.
    pub fn tensor(name: &str, value: &Tensor) -> AttributeProto {
        AttributeProto { t: Some(tensor_proto("", value)), ..named(name, AttributeType::Tensor) }
    }

    /// A graph.
    pub fn graph(name: &str, value: GraphProto) -> AttributeProto {
        AttributeProto { g: Some(value), ..named(name, AttributeType::Graph) }
    }
}
