//! Encoders: ONNX models that read texts. Their runs go the way of all others, through admission and the queue.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{sync::Semaphore, task::spawn_blocking};
use yard_encoders::{EncoderError, EncoderFacts, TextEncoder, Tokens};
use yard_serving::{Hold, Lease, QueueClass, RequestContext};
use yard_types::{Coded, ErrorCode, Tensor};

use super::spending::Spending;
use crate::{dispatch::OwnedCall, failure::Failure, heavy};

/// Runs of one request that wait or compute at once: a few keep the model busy, and leave others a turn.
const AT_ONCE: usize = 4;
/// From this many tokens of a text on, the runs of its request go one after the other: their memory grows with the square.
const LONG: usize = 1024;
/// From this many bytes on, turning texts into tokens takes about a millisecond or more.
const LARGE: usize = 8 << 10;
/// What each text takes besides, as if it had so many bytes more.
const BESIDE_A_TEXT: usize = 16;

/// Large texts are read by half the processors at most, so that the threads that may block, and the processors, are there
/// for others too.
static READERS: LazyLock<Semaphore> = LazyLock::new(|| {
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    Semaphore::new((processors / 2).max(1))
});

/// An encoder in memory, kept there for as long as this lives.
#[derive(Debug, Clone)]
pub(super) struct EncoderTarget {
    pub(super) lease: Lease,
    encoder: Arc<TextEncoder>,
    _hold: Arc<Hold>,
}

/// Whoever asked, as seen from the thread that reads texts for them.
#[derive(Debug, Clone, Default)]
pub(super) struct Caller {
    has_left: Arc<AtomicBool>,
}

/// Says that the caller has left, when the future that this belongs to is dropped.
struct Waiting(Caller);

impl Caller {
    /// Reads one text after the other, until one fails or the caller leaves.
    pub(super) fn each<T, R>(
        &self,
        texts: impl IntoIterator<Item = T>,
        mut read: impl FnMut(T) -> Result<R, Failure>,
    ) -> Result<Vec<R>, Failure> {
        let mut done = Vec::new();
        for text in texts {
            if self.has_left.load(Ordering::Relaxed) {
                return Err(Failure::new(ErrorCode::Cancelled, "the caller has left"));
            }
            done.push(read(text)?);
        }
        Ok(done)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.has_left.store(true, Ordering::Relaxed);
    }
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

    /// The tokens of texts of this [`size`], made where that holds nobody up.
    pub(super) async fn tokens(
        &self,
        size: usize,
        read: impl FnOnce(&TextEncoder, &Caller) -> Result<Vec<Tokens>, Failure> + Send + 'static,
    ) -> Result<Vec<Tokens>, Failure> {
        let caller = Caller::default();
        if size < LARGE {
            return read(&self.encoder, &caller);
        }
        let _waiting = Waiting(caller.clone());
        let turn = READERS.acquire().await.map_err(Failure::internal)?;
        let encoder = Arc::clone(&self.encoder);
        let reading = spawn_blocking(move || {
            // Kept until the work has ended, whoever waits for that.
            let _turn = turn;
            read(&encoder, &caller)
        });
        reading.await.map_err(Failure::internal)?
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
        let at_once = if texts.iter().any(|text| text.count() > LONG) { 1 } else { AT_ONCE };
        let plan = self.encoder.plan(&texts, self.lease.joins_rows());
        let texts = Arc::new(texts);
        let runs = stream::iter(plan)
            .map(|places| self.run(Arc::clone(&texts), places, context, &spending))
            .buffer_unordered(at_once)
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

/// How much reading texts of so many bytes is.
pub(super) fn size(lengths: impl Iterator<Item = usize>) -> usize {
    lengths.map(|length| length.saturating_add(BESIDE_A_TEXT)).sum()
}

/// What is wrong with a text, and where the request has it.
pub(super) fn about_the_text(error: EncoderError, param: &'static str) -> Failure {
    if error.code() == ErrorCode::Internal {
        return Failure::internal(error);
    }
    let is_too_long = matches!(
        error,
        EncoderError::TooLong { .. } | EncoderError::NoRoom { .. } | EncoderError::TooManyBytes { .. }
    );
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
        let endless = about_the_text(EncoderError::TooManyBytes { bytes: 70_000, most: 65_536 }, "query");
        assert!(endless.message().contains("70000") && endless.message().contains("65536"));
        assert_eq!((endless.code(), endless.detail), (ErrorCode::InvalidArgument, failure.detail));
        let broken = about_the_text(EncoderError::BadOutput("its shape is [1]".to_owned()), "input");
        assert_eq!(broken.code(), ErrorCode::Internal);
    }

    #[test]
    fn nothing_more_is_read_for_a_caller_who_has_left() {
        let caller = Caller::default();
        let waiting = Waiting(caller.clone());
        assert_eq!(caller.each(1..4, |text| Ok(text * 2)).unwrap(), [2, 4, 6]);
        let mut waiting = Some(waiting);
        let mut seen = Vec::new();
        let read = |text: u32| {
            seen.push(text);
            drop(waiting.take());
            Ok(text)
        };
        assert_eq!(caller.each(1..4, read).unwrap_err().code(), ErrorCode::Cancelled);
        assert_eq!(seen, [1]);
    }

    #[test]
    fn empty_texts_take_something_too() {
        assert_eq!(size([0, 5, 0].into_iter()), 5 + 3 * BESIDE_A_TEXT);
    }
}
