//! The runs of a model when it is loaded.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use yard_engine::{LoadedModel, PredictError, RowJoining, RunControl};
use yard_types::Tensor;

use super::TextEncoder;
use crate::{Occasion, Purpose, Tokens, batch};

/// What the model is tried on.
const WORD: &str = "text";
/// How long a run may take, where the engine can be stopped.
const LIMIT: Duration = Duration::from_secs(30);

impl TextEncoder {
    /// Runs the model on a word; how many numbers a row has. For its proof the model is run on much as well.
    pub(super) fn try_out(&self, model: &dyn LoadedModel, occasion: Occasion) -> Result<usize, String> {
        let word = match self.facts.purpose {
            Purpose::Embeddings => self.text(WORD, true),
            Purpose::Scores => self.query(WORD).and_then(|query| self.pair(&query, WORD, true)),
        };
        let texts = [word.map_err(|error| error.to_string())?];
        let inputs = self.inputs(&texts, &[0]).map_err(|error| error.to_string())?;
        let outputs = run(model, &inputs, LIMIT)
            .map_err(|error| format!("the model cannot be run on its tokens: {error}"))?;
        let rows = self.rows(&texts, &[0], &outputs).map_err(|error| error.to_string())?;
        let width = rows.first().map(Vec::len).ok_or_else(|| "the model answers no row".to_owned())?;
        if matches!(occasion, Occasion::Proof) {
            self.try_much(model, &texts[0])?;
        }
        Ok(width)
    }

    /// Runs as much as the runs of requests may have, single texts beyond that left aside: whoever measures the memory of the
    /// process sees what it takes.
    fn try_much(&self, model: &dyn LoadedModel, sample: &Tokens) -> Result<(), String> {
        let length = self.facts.longest.min(batch::MAX_TOKENS);
        let text = sample.repeated(length);
        match self.try_rows(model, &text, 1)? {
            Ok(()) => {}
            // Slow is not wrong. What was computed until then has taken its memory.
            Err(PredictError::Terminated) => return Ok(()),
            Err(error) => {
                return Err(format!(
                    "the model cannot be run on {length} tokens: {error}; if it reads fewer, say how many as \
                     'max_seq_length' in 'sentence_bert_config.json'"
                ));
            }
        }
        let joined = matches!(model.row_joining(), RowJoining::Plausible);
        let rows = (batch::MAX_TOKENS / self.padded(length).max(1)).min(self.max_rows(joined));
        if rows > 1 {
            // Whether rows can be joined is proven by others.
            let _outcome = self.try_rows(model, &text, rows)?;
        }
        Ok(())
    }

    /// Runs so many rows of the same text. The outer error is about the inputs.
    fn try_rows(
        &self,
        model: &dyn LoadedModel,
        text: &Tokens,
        rows: usize,
    ) -> Result<Result<(), PredictError>, String> {
        let texts = vec![text.clone(); rows];
        let places: Vec<usize> = (0..rows).collect();
        let inputs = self.inputs(&texts, &places).map_err(|error| error.to_string())?;
        Ok(run(model, &inputs, LIMIT).map(drop))
    }
}

/// Runs the model, and stops it after this time.
fn run(model: &dyn LoadedModel, inputs: &[Tensor], limit: Duration) -> Result<Vec<Tensor>, PredictError> {
    let control = RunControl::new();
    thread::scope(|scope| {
        let (running, ended) = mpsc::channel::<()>();
        let watched = control.clone();
        let watch = move || {
            // Nothing is ever sent: the sender goes when the run has ended.
            if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                watched.terminate();
            }
        };
        // Where no thread can be had, nobody watches.
        let _watcher = thread::Builder::new().name("trial watch".to_owned()).spawn_scoped(scope, watch);
        let outputs = model.predict(inputs, &control);
        drop(running);
        outputs
    })
}

#[cfg(test)]
mod tests {
    use yard_types::Signature;

    use super::*;

    /// Runs until it is stopped.
    #[derive(Debug)]
    struct Endless(Signature);

    impl LoadedModel for Endless {
        fn signature(&self) -> &Signature {
            &self.0
        }

        fn row_joining(&self) -> RowJoining {
            RowJoining::Plausible
        }

        fn predict(&self, _: &[Tensor], control: &RunControl) -> Result<Vec<Tensor>, PredictError> {
            while !control.is_terminated() {
                thread::yield_now();
            }
            Err(PredictError::Terminated)
        }
    }

    #[test]
    fn a_run_without_end_is_stopped() {
        let model = Endless(Signature { inputs: Vec::new(), outputs: Vec::new() });
        let ended = run(&model, &[], Duration::from_millis(1));
        assert!(matches!(ended, Err(PredictError::Terminated)), "{ended:?}");
    }
}
