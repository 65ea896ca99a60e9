//! Answers that keep to a grammar: which tokens may come next.
//!
//! The grammars are those of the crate `llguidance`: JSON schemas, regular expressions and context-free grammars in its
//! dialect of Lark. They come from users, so that reading one is bounded: its text, its nesting, what it may be unfolded
//! to and what a single mask may cost. What is over a bound, or cannot be kept to in full, is refused before an answer
//! begins; nothing of a schema is silently left out.

use std::convert::Infallible;
use std::fmt;

use llguidance::TokenParser;
use llguidance::api::StopReason;
use llguidance::panic_utils::catch_unwind;
use llguidance::toktrie::SimpleVob;

use crate::{AllowedTokens, TokenId};

mod compile;
mod error;
mod lark;
mod schema;
mod vocabulary;

pub use error::ConstraintError;
pub use vocabulary::ConstraintVocabulary;

/// What an answer has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grammar {
    /// Any JSON object.
    JsonObject,
    /// JSON that a schema allows. References lead to places of the same schema (`#/$defs/name`).
    JsonSchema(String),
    /// A text that a regular expression matches as a whole: syntax as in the crate `regex`, without word boundaries.
    Regex(String),
    /// A text that a context-free grammar derives from its rule `start`, in llguidance's dialect of Lark.
    Lark(String),
}

/// How far an answer is within its grammar.
///
/// It knows nothing of a model: which tokens are possible depends on the tokens before alone. So the mask of a step can
/// be computed on one thread while the model's layers are computed on others.
pub struct Constraint {
    parser: TokenParser,
    vocabulary: ConstraintVocabulary,
    /// The mask of this step, if it has been asked for.
    mask: Option<SimpleVob>,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Open,
    /// Nothing but the end may follow.
    Complete,
    Ended,
    Failed(ConstraintError),
}

impl Constraint {
    /// For one answer.
    ///
    /// # Errors
    ///
    /// The grammar is not one, asks for what is not supported, allows nothing, or is too large.
    pub fn new(vocabulary: &ConstraintVocabulary, grammar: &Grammar) -> Result<Self, ConstraintError> {
        let mut parser = compile::compile(vocabulary, grammar)?;
        parser.start_without_prompt();
        let mut constraint = Self { parser, vocabulary: vocabulary.clone(), mask: None, state: State::Open };
        // A grammar that allows nothing is found out now rather than in the first step.
        constraint.complete_if_nothing_may_follow()?;
        match constraint.mask() {
            Err(ConstraintError::Stuck) => {
                let problem = "it has no beginning".to_owned();
                Err(ConstraintError::Unsatisfiable { problem })
            }
            Err(error) => Err(error),
            Ok(_) => Ok(constraint),
        }
    }

    /// One as this is now that goes its own way from here on: many answers keep to a grammar that was read once.
    #[must_use]
    pub fn fresh_copy(&self) -> Self {
        Self {
            parser: self.parser.deep_clone(),
            vocabulary: self.vocabulary.clone(),
            mask: self.mask.clone(),
            state: self.state.clone(),
        }
    }

    /// The tokens that may come next. At least one; when the grammar is complete, those that end an answer. Asking again
    /// before the next token costs nothing.
    ///
    /// # Errors
    ///
    /// The step costs too much, or no token of the vocabulary leads on. Nothing can be done with the constraint any more.
    pub fn mask(&mut self) -> Result<AllowedTokens<'_>, ConstraintError> {
        if self.mask.is_none() {
            let mask = match &self.state {
                State::Failed(error) => return Err(error.clone()),
                State::Complete | State::Ended => self.vocabulary.ends(),
                State::Open => self.try_with(TokenParser::compute_mask)?,
            };
            self.mask = Some(mask);
        }
        // There is one: it has just been put there.
        Ok(AllowedTokens(self.mask.as_ref().map_or(&[], SimpleVob::as_slice)))
    }

    /// Makes `token` part of the answer.
    ///
    /// # Errors
    ///
    /// [`ConstraintError::Forbidden`] if the grammar does not allow it here; the constraint is as before. Others as with
    /// [`Constraint::mask`].
    pub fn accept(&mut self, token: TokenId) -> Result<(), ConstraintError> {
        let allowed = match &self.state {
            State::Failed(error) => return Err(error.clone()),
            State::Ended => false,
            State::Complete => self.vocabulary.is_end(token),
            State::Open => {
                self.vocabulary.is_token(token) && self.try_with(|parser| parser.validate_token(token))?
            }
        };
        if !allowed {
            return Err(ConstraintError::Forbidden { token });
        }
        self.mask = None;
        if self.vocabulary.is_end(token) {
            self.state = State::Ended;
            return Ok(());
        }
        self.try_with(|parser| parser.consume_token(token))?;
        self.complete_if_nothing_may_follow()
    }

    /// Whether the answer may end here.
    pub fn may_end(&mut self) -> bool {
        match self.state {
            State::Open => self.try_with(|parser| sure(parser.is_accepting())).unwrap_or(false),
            State::Complete | State::Ended => true,
            State::Failed(_) => false,
        }
    }

    /// Whether nothing but the end may follow: the answer need not wait for the model to say so.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete | State::Ended)
    }

    /// Whether a token that ends the answer has been accepted.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Tokens that come next whatever the model says, cut as the tokenizer would: often none. They are not yet part of
    /// the answer.
    ///
    /// # Errors
    ///
    /// As with [`Constraint::mask`].
    pub fn forced(&mut self) -> Result<Vec<TokenId>, ConstraintError> {
        match &self.state {
            State::Open => self.try_with(|parser| sure(parser.compute_ff_tokens())),
            State::Complete | State::Ended => Ok(Vec::new()),
            State::Failed(error) => Err(error.clone()),
        }
    }

    fn complete_if_nothing_may_follow(&mut self) -> Result<(), ConstraintError> {
        if self.try_with(TokenParser::check_stop)? {
            self.state = State::Complete;
        }
        Ok(())
    }

    /// Calls the parser. Whatever goes wrong in it goes wrong for good.
    fn try_with<Answer, Problem: fmt::Display>(
        &mut self,
        call: impl FnOnce(&mut TokenParser) -> Result<Answer, Problem>,
    ) -> Result<Answer, ConstraintError> {
        let parser = &mut self.parser;
        // What a panic leaves behind is not used again.
        let outcome = catch_unwind(std::panic::AssertUnwindSafe(|| {
            Ok(call(parser).map_err(|problem| problem.to_string()))
        }));
        let problem = match outcome {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(problem)) => problem,
            Err(panic) => panic.to_string(),
        };
        let error = match self.parser.stop_reason() {
            StopReason::LexerTooComplex | StopReason::ParserTooComplex => {
                ConstraintError::TooComplex { problem: error::cut(&problem) }
            }
            StopReason::NoExtensionBias => ConstraintError::Stuck,
            _ => ConstraintError::Internal { problem: error::cut(&problem) },
        };
        self.state = State::Failed(error.clone());
        self.mask = None;
        Err(error)
    }
}

/// For calls that fail by panicking at most.
fn sure<Answer>(answer: Answer) -> Result<Answer, Infallible> {
    Ok(answer)
}

impl fmt::Debug for Constraint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Constraint").field("state", &self.state).finish_non_exhaustive()
    }
}
