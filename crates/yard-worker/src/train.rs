//! The messages of a job of training.
//!
//! What training does is not known here: the program that runs as the worker does it.

mod messages {
    #![allow(clippy::all, missing_debug_implementations, unreachable_pub, reason = "generated")]

    include!(concat!(env!("OUT_DIR"), "/modelyard.worker.train.v1.rs"));
}

use yard_types::ErrorCode;

pub use messages::{
    Checkpoint, DataFile, Fact, Log, LogLevel, Metric, Progress, TrainEvent, TrainRefusal, TrainRequest,
    TrainResponse, TrainResult, train_event, train_response,
};

/// The kind of a [`crate::Request`] that carries a [`TrainRequest`]; its events carry [`TrainEvent`]s and its answer a
/// [`TrainResponse`].
pub const TRAIN: &str = "train";

impl TrainRefusal {
    /// A refusal.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code: code.as_str().to_owned(), message: message.into() }
    }

    /// What kind of failure; a code that is not known is a fault of ours.
    pub fn error_code(&self) -> ErrorCode {
        let known = ErrorCode::ALL.into_iter().find(|code| code.as_str() == self.code);
        known.unwrap_or(ErrorCode::Internal)
    }
}

impl From<train_event::Event> for TrainEvent {
    fn from(event: train_event::Event) -> Self {
        Self { event: Some(event) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_the_wire_and_unknown_ones_are_ours() {
        for code in ErrorCode::ALL {
            assert_eq!(TrainRefusal::new(code, "").error_code(), code);
        }
        let unknown = TrainRefusal { code: "teapot".into(), message: String::new() };
        assert_eq!(unknown.error_code(), ErrorCode::Internal);
    }
}
