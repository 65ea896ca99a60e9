//! An answer while it is written.

use std::time::Instant;

use yard_worker::{
    OpenCall, Said,
    language::{
        EndReason, Ended, GenerateEvent, GenerateResponse, Refusal, Token, generate_event, generate_response,
    },
};

use crate::{LanguageError, metrics::Counted, shares::Share};

/// An answer while it is written. Dropping it ends it at the model's next step, and counts it as cancelled.
#[derive(Debug)]
pub struct Answer {
    call: OpenCall,
    _share: Share,
    counted: Counted,
}

/// What comes of an answer, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// The model began with the prompt.
    Begun {
        /// Tokens of the prompt that were known and need not be computed.
        cached_tokens: u64,
    },
    /// A token that is part of the answer, and the text that is complete with it.
    Token(Token),
    /// The end: what is left of the text, why, and what was used. Nothing comes after it.
    Ended(Ended),
}

impl Answer {
    pub(crate) const fn new(call: OpenCall, share: Share, counted: Counted) -> Self {
        Self { call, _share: share, counted }
    }

    /// Waits for the next part.
    ///
    /// # Errors
    ///
    /// The request was refused, the model failed at it, or its process ended. Nothing comes after an error.
    pub async fn next(&mut self) -> Result<Part, LanguageError> {
        let next = self.part().await;
        match &next {
            Ok(part) => self.counted.part(part, Instant::now()),
            Err(error) => self.counted.failed(error),
        }
        next
    }

    async fn part(&mut self) -> Result<Part, LanguageError> {
        match self.call.next().await? {
            Said::Event(event) => match event.decode::<GenerateEvent>()?.event {
                Some(generate_event::Event::Begun(begun)) => {
                    Ok(Part::Begun { cached_tokens: begun.cached_tokens })
                }
                Some(generate_event::Event::Token(token)) => Ok(Part::Token(token)),
                None => Err(LanguageError::Nonsense),
            },
            Said::Answer(answer) => match answer.decode::<GenerateResponse>()?.outcome {
                Some(generate_response::Outcome::Ended(ended)) => ended_well(ended).map(Part::Ended),
                Some(generate_response::Outcome::Refused(refusal)) => Err(refusal.into()),
                None => Err(LanguageError::Nonsense),
            },
        }
    }

    /// Tells the model to end early; the end comes in its own time.
    pub fn ask_to_stop(&self) {
        self.call.ask_to_stop();
    }
}

fn ended_well(ended: Ended) -> Result<Ended, LanguageError> {
    if ended.reason() != EndReason::Failed {
        return Ok(ended);
    }
    Err(ended.failure.map_or(LanguageError::Nonsense, |failure: Refusal| failure.into()))
}
