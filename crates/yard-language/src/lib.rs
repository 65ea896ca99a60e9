//! Language models as the server sees them: each runs in a worker process of its own, which is looked after here.
//!
//! A model that was loaded stays loaded: when its process dies, the requests that it had fail, and it is started again. This
//! crate knows neither HTTP nor what a model computes.

#![warn(missing_docs)]

mod answer;
mod engine;
mod error;
mod metrics;
mod model;
mod shares;
mod supervisor;

pub use answer::{Answer, Part};
pub use engine::{ENGINE, LanguageEngine, LanguageOptions};
pub use error::LanguageError;
pub use metrics::{AnswerEnd, LanguageCounts, TimesSnapshot};
pub use model::{LanguageModel, ModelFacts};
/// The messages that a model is asked with.
pub use yard_worker::language as messages;
