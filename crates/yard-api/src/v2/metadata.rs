//! What the server and its models say about themselves.

use serde::{Deserialize, Serialize};
use yard_types::{Signature, TensorSpec};

/// The extensions of the protocol that are offered, as [`ServerMetadata`] lists them.
pub const EXTENSIONS: [&str; 5] =
    ["binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics"];

/// Answer of `/v2/health/live`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerLive {
    /// The process runs.
    pub live: bool,
}

/// Answer of `/v2/health/ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerReady {
    /// The server takes requests.
    pub ready: bool,
}

/// Answer of `/v2/models/{m}/ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelReady {
    /// The model.
    pub name: String,
    /// It takes requests.
    pub ready: bool,
}

/// Answer of `/v2`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerMetadata {
    /// The server.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it offers beyond the protocol.
    pub extensions: Vec<String>,
}

/// Answer of `/v2/models/{m}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelMetadata {
    /// The model.
    pub name: String,
    /// Its versions.
    pub versions: Vec<String>,
    /// What runs it, such as `onnxruntime_onnx`.
    pub platform: String,
    /// What it takes.
    pub inputs: Vec<TensorMetadata>,
    /// What it gives.
    pub outputs: Vec<TensorMetadata>,
}

/// One input or output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorMetadata {
    /// Its name.
    pub name: String,
    /// Its element type.
    pub datatype: String,
    /// Its shape, with -1 where any size fits.
    pub shape: Vec<i64>,
}

/// Body of every failed V2 and V1 call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorText {
    /// What is wrong and what to do.
    pub error: String,
}

impl ServerMetadata {
    /// The metadata of this server, with every extension that is offered.
    pub fn new(name: &str, version: &str) -> Self {
        let extensions = EXTENSIONS.map(str::to_owned).to_vec();
        Self { name: name.to_owned(), version: version.to_owned(), extensions }
    }
}

impl ModelMetadata {
    /// The metadata of a model of this signature.
    pub fn new(name: &str, versions: Vec<String>, platform: &str, signature: &Signature) -> Self {
        Self {
            name: name.to_owned(),
            versions,
            platform: platform.to_owned(),
            inputs: signature.inputs.iter().map(TensorMetadata::new).collect(),
            outputs: signature.outputs.iter().map(TensorMetadata::new).collect(),
        }
    }
}

impl TensorMetadata {
    fn new(spec: &TensorSpec) -> Self {
        let datatype = spec.data_type.as_str().to_owned();
        Self { name: spec.name.clone(), datatype, shape: spec.wire_shape() }
    }
}
