//! Encoders: ONNX models that read texts. Their runs go the way of all others, through admission and the queue.

use std::{sync::Arc, time::Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use yard_encoders::{EncoderError, EncoderFacts, TextEncoder, Tokens};
use yard_serving::{Hold, Lease, QueueClass, RequestContext};
use yard_types::{Coded, ErrorCode, Tensor};

use super::spending::Spending;
use crate::{dispatch::OwnedCall, failure::Failure, heavy};

/// Runs of one request that wait or compute at once: a few keep the model busy, and leave others a turn.
const AT_ONCE: usize = 4;
/// Turning a byte of text into tokens takes about so many times as long as reading it from JSON.
const TOKENS_BESIDE_JSON: usize = 16;

/// An encoder in memory, kept there for as long as this lives.
#[derive(Debug, Clone)]
pub(super) struct EncoderTarget {
    pub(super) lease: Lease,
    encoder: Arc<TextEncoder>,
    _hold: Arc<Hold>,
}

impl EncoderTarget {
    /// `None` if the version is no encoder.
    pub(super) fn of(lease: &Lease) -> Option<Self> {
        let encoder = lease.service::<TextEncoder>()?;
        Some(Self { encoder, lease: lease.clone(), _hold: Arc::new(lease.hold()) })
    }

    pub(super) fn facts(&self) -> &EncoderFacts {
        self.encoder.facts()
    }

    /// The tokens of texts that have so many bytes, made where that holds nobody up.
    pub(super) async fn tokens(
        &self,
        bytes: usize,
        read: impl FnOnce(&TextEncoder) -> Result<Vec<Tokens>, Failure> + Send + 'static,
    ) -> Result<Vec<Tokens>, Failure> {
        let encoder = Arc::clone(&self.encoder);
        heavy::run(bytes.saturating_mul(TOKENS_BESIDE_JSON), move || read(&encoder)).await?
    }

    /// What the model answers to each text: its row, or its score alone. With it, how many tokens that took.
    pub(super) async fn rows(
        &self,
        call: &OwnedCall,
        texts: Vec<Tokens>,
    ) -> Result<(Vec<Vec<f32>>, u64), Failure> {
        let read = texts.iter().map(|text| text.count() as u64).sum();
        let spending = Spending::reserve_for(call, self.lease.model(), read, 0)?;
        let deadline = Instant::now() + call.state.options.answer_timeout;
        let class = if call.in_background { QueueClass::Background } else { QueueClass::Interactive };
        let context = RequestContext { class, deadline: Some(deadline) };
        let mut rows = vec![Vec::new(); texts.len()];
        let plan = self.encoder.plan(&texts, self.lease.joins_rows());
        let texts = Arc::new(texts);
        let runs = stream::iter(plan)
            .map(|places| self.run(Arc::clone(&texts), places, context, &spending))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
        for (places, of_run) in runs {
            for (place, row) in places.into_iter().zip(of_run) {
                rows[place] = row;
            }
        }
        Ok((rows, read))
    }

    /// One run: the texts in these places.
    async fn run(
        &self,
        texts: Arc<Vec<Tokens>>,
        places: Vec<usize>,
        context: RequestContext,
        spending: &Spending,
    ) -> Result<(Vec<usize>, Vec<Vec<f32>>), Failure> {
        // From here on the model may read them, whoever waits for that.
        spending.reads(places.iter().map(|place| texts[*place].count() as u64).sum());
        let inputs = self.encoder.inputs(&texts, &places).map_err(Failure::internal)?;
        let outputs = self.lease.predict(inputs, context).await?.outputs;
        let size = outputs.iter().map(Tensor::byte_size).sum();
        let encoder = Arc::clone(&self.encoder);
        let read = move || {
            let rows = encoder.rows(&texts, &places, &outputs);
            rows.map(|rows| (places, rows)).map_err(Failure::internal)
        };
        heavy::run(size, read).await?
    }
}

/// What is wrong with a text, and where the request has it.
pub(super) fn about_the_text(error: EncoderError, param: &'static str) -> Failure {
    if error.code() == ErrorCode::Internal {
        return Failure::internal(error);
    }
    let is_too_long = matches!(error, EncoderError::TooLong { .. } | EncoderError::NoRoom { .. });
    let failure = Failure::invalid(error.to_string()).with_param(param);
    if is_too_long { failure.with_detail("context_length_exceeded") } else { failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_is_told_both_lengths_and_where_it_stands() {
        let failure = about_the_text(EncoderError::TooLong { tokens: 700, longest: 512 }, "input");
        assert!(failure.message().contains("700") && failure.message().contains("512"));
        assert_eq!(failure.param.as_deref(), Some("input"));
        assert_eq!(failure.detail, Some("context_length_exceeded"));
        let broken = about_the_text(EncoderError::BadOutput("its shape is [1]".to_owned()), "input");
        assert_eq!(broken.code(), ErrorCode::Internal);
    }
}
