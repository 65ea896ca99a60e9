//! The Open Inference Protocol V2 over REST, with binary tensors, and its management extensions as Triton's clients
//! know them.

mod binary;
mod classification;
mod json;
mod parameters;
mod request;
mod response;

pub use binary::parse_header_length;
pub use parameters::{ParameterValue, RequestParameters};
pub use request::{InferRequest, OutputForm, RequestedOutput};
pub use response::{InferOutput, InferResponse, ResponseBody, ResponseError};

pub(crate) use binary::BinaryPart;
pub(crate) use parameters::{InputParameters, OutputParameters};
