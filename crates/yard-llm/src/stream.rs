//! One request alone, from its prompt to the end of its answer.

use std::sync::Arc;

use yard_kernels::{Machine, PageElement};

use crate::{
    ControlText, Detokenizer, KeyValueCache, LlmError, LogitRows, Model, Part, Sampler, SamplingOptions,
    SamplingScratch, Scratch, Sequence, StopMatcher, StopOptions, StopReason, TokenId, Tokenizer,
};

/// Tokens of a prompt that run in one step.
const PROMPT_STEP: usize = 512;

/// An answer as it is written.
#[derive(Debug)]
pub struct TextStream<'a> {
    model: &'a Model,
    machine: &'a Machine,
    cache: KeyValueCache,
    sequence: Sequence,
    scratch: Scratch,
    logits: Vec<f32>,
    sampler: Sampler,
    choice: SamplingScratch,
    detokenizer: Detokenizer,
    stop: StopMatcher,
    /// Tokens that the model has not seen yet: the prompt at first, then the last token.
    unseen: Vec<TokenId>,
    text: String,
    ended: bool,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Text that is part of the answer; often a word, sometimes nothing yet.
    pub text: &'a str,
    /// Why the answer ends here, if it does.
    pub end: Option<StopReason>,
}

impl<'a> TextStream<'a> {
    /// An answer to the tokens of a prompt. It ends at the latest where the model's context does.
    ///
    /// # Errors
    ///
    /// The prompt is empty or leaves no room in the context, or an option is out of its range.
    pub fn start(
        model: &'a Model,
        machine: &'a Machine,
        tokenizer: &Arc<Tokenizer>,
        prompt: Vec<TokenId>,
        sampling: SamplingOptions,
        mut stop: StopOptions,
    ) -> Result<Self, LlmError> {
        let context = model.config().context;
        let room = context.saturating_sub(prompt.len());
        if prompt.is_empty() {
            return Err(LlmError::Configuration("the prompt has no tokens".to_owned()));
        }
        if room == 0 {
            return Err(LlmError::ContextFull { tokens: prompt.len() + 1, context });
        }
        let most = stop.most_tokens.unwrap_or(room).min(room);
        stop.most_tokens = Some(most);
        stop.tokens.extend(tokenizer.special_tokens().ends_of_generation.iter().copied());
        let sampler = Sampler::new(sampling, &prompt)?;
        let stop = StopMatcher::new(stop)?;
        // The last token is never looked back on.
        let cache = KeyValueCache::new(model.config(), prompt.len() + most - 1, PageElement::F16)?;
        Ok(Self {
            model,
            machine,
            cache,
            sequence: Sequence::new(),
            scratch: Scratch::new(),
            logits: Vec::new(),
            sampler,
            choice: SamplingScratch::default(),
            detokenizer: Detokenizer::new(Arc::clone(tokenizer), ControlText::Hidden),
            stop,
            unseen: prompt,
            text: String::new(),
            ended: false,
        })
    }

    /// Computes the next token; `None` behind the end.
    ///
    /// # Errors
    ///
    /// The model's logits are no numbers, or memory ran out. The answer ends with it.
    pub fn advance(&mut self) -> Result<Option<Piece<'_>>, LlmError> {
        if self.ended {
            return Ok(None);
        }
        // Behind an error there is nothing: what was half done is not repeated.
        self.ended = true;
        self.run_unseen()?;
        let token = self.sampler.sample(&self.logits, None, &mut self.choice)?.token;
        self.sampler.accept(token);
        self.unseen.clear();
        self.unseen.push(token);
        let stopped = self.stop.push(token, self.detokenizer.push(token));
        self.text.clear();
        self.text.push_str(stopped.text);
        let end = stopped.reason;
        if matches!(end, Some(StopReason::Length | StopReason::Token(_))) {
            // A character that was begun is given out as what it is: broken off.
            self.text.push_str(self.stop.finish(self.detokenizer.finish()).text);
        }
        self.ended = end.is_some();
        Ok(Some(Piece { text: &self.text, end }))
    }

    fn run_unseen(&mut self) -> Result<(), LlmError> {
        let mut rest = self.unseen.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(PROMPT_STEP));
            self.cache.reserve(&mut self.sequence, now.len())?;
            let logits = if later.is_empty() { LogitRows::Last } else { LogitRows::None };
            let mut part = [Part { sequence: &mut self.sequence, tokens: now, logits }];
            self.model.step(self.machine, &mut self.cache, &mut self.scratch, &mut part, &mut self.logits)?;
            rest = later;
        }
        Ok(())
    }
}
