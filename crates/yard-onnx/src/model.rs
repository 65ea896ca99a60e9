//! A decoded model file.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path};

use bytes::Bytes;
use prost::Message;

use crate::{
    OnnxError, limits,
    proto::{GraphProto, ModelProto},
};

/// How much a file may ask for.
#[derive(Debug, Clone)]
pub struct ReadLimits {
    /// Most bytes of weights, wherever they stand. Default: 8 GiB.
    pub max_weight_bytes: u64,
}

/// A decoded model file. Its weights share the buffer that was read.
#[derive(Debug, Clone)]
pub struct Model {
    pub(crate) bytes: Bytes,
    pub(crate) proto: ModelProto,
    pub(crate) limits: ReadLimits,
    /// Class names by output, where rewriting found them.
    pub(crate) labels: BTreeMap<String, Vec<String>>,
}

/// Protobuf cannot hold more in one file.
const MAX_FILE_BYTES: u64 = i32::MAX as u64;
/// What a file may have beside its weights.
const MAX_STRUCTURE_BYTES: u64 = 256 << 20;

impl Default for ReadLimits {
    fn default() -> Self {
        Self { max_weight_bytes: 8 << 30 }
    }
}

impl Model {
    /// Reads and decodes a file, which must be a regular one.
    pub fn read(path: &Path, limits: &ReadLimits) -> Result<Self, OnnxError> {
        if !path.symlink_metadata()?.is_file() {
            return Err(OnnxError::malformed("it is not a regular file"));
        }
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let limit = limits.max_weight_bytes.saturating_add(MAX_STRUCTURE_BYTES).min(MAX_FILE_BYTES);
        if length > limit {
            return Err(OnnxError::TooLarge { what: "model file".to_owned(), declared: length, limit });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        file.take(limit + 1).read_to_end(&mut bytes)?;
        Self::decode(bytes.into(), limits)
    }

    /// Decodes a file's content.
    ///
    /// What comes out has a graph with at least one output and says which operator sets it uses. Whether its weights are
    /// all there is a question for [`Model::check_weights`].
    pub fn decode(bytes: Bytes, limits: &ReadLimits) -> Result<Self, OnnxError> {
        limits::check_messages(&bytes)?;
        let proto = ModelProto::decode(bytes.clone())
            .map_err(|error| OnnxError::malformed(format!("it is not an ONNX model: {error}")))?;
        match &proto.graph {
            None => return Err(OnnxError::malformed("it is not an ONNX model: it holds no graph")),
            Some(graph) if graph.output.is_empty() => {
                return Err(OnnxError::malformed("its graph has no output"));
            }
            Some(_) => {}
        }
        if proto.opset_import.is_empty() {
            return Err(OnnxError::malformed("it does not say which operator set it uses"));
        }
        Ok(Self { bytes, proto, limits: limits.clone(), labels: BTreeMap::new() })
    }

    /// The decoded messages.
    pub const fn proto(&self) -> &ModelProto {
        &self.proto
    }

    /// The file's content.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The version of an operator set, where the model imports it; `""` and `ai.onnx` are the default one.
    pub fn opset(&self, domain: &str) -> Option<i64> {
        let wanted = normal_domain(domain);
        let found = self.proto.opset_import.iter().find(|set| normal_domain(&set.domain) == wanted);
        found.map(|set| set.version)
    }

    /// The main graph.
    pub(crate) fn graph(&self) -> &GraphProto {
        self.proto.graph.as_ref().expect("decoding refuses a model without a graph")
    }
}

/// The default operator set has two names.
pub(crate) fn normal_domain(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

#[cfg(test)]
mod tests;
