//! The Open Inference Protocol V2 over REST, with binary tensors, and its management extensions as Triton's clients
//! know them.

mod binary;
mod classification;
mod config;
mod json;
mod metadata;
mod parameters;
mod repository;
mod request;
mod response;
mod statistics;

pub use binary::parse_header_length;
pub use config::{
    ConfigInput, ConfigOutput, DynamicBatching, ModelConfig, ModelSettings, TransactionPolicy, VersionPolicy,
};
pub use metadata::{
    EXTENSIONS, ErrorText, ModelMetadata, ModelReady, ServerLive, ServerMetadata, ServerReady, TensorMetadata,
};
pub use parameters::{ParameterValue, RequestParameters};
pub use repository::{ModelState, RepositoryEntry, check_load_request, read_index_request};
pub use request::{InferRequest, OutputForm, RequestedOutput};
pub use response::{InferOutput, InferResponse, ResponseBody, ResponseError};
pub use statistics::{
    AllStatistics, BatchStatistics, InferenceStatistics, MemoryUsage, ModelStatistics, ResponseStatistics,
    StatisticDuration,
};

pub(crate) use binary::{BinaryPart, append_raw, decode_raw, raw_size};
pub(crate) use parameters::{InputParameters, OutputParameters};
pub(crate) use repository::check_load_parameter;
pub(crate) use request::{check_id, check_name};
