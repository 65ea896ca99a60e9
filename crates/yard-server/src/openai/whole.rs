//! Answers that are given when they are complete.

use futures_util::future::try_join_all;
use yard_api::openai::{FinishReason, Usage};
use yard_language::{
    Answer, Part,
    messages::{EndReason, Ended, Token},
};

use super::{
    asked::given_up,
    spending::{Answers, Spending},
};
use crate::failure::Failure;

/// An answer that is complete.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) text: String,
    /// With their probabilities, where those were asked for; else none.
    pub(super) tokens: Vec<Token>,
    pub(super) reason: FinishReason,
    pub(super) usage: yard_language::messages::Usage,
}

/// Waits until all answers are complete. When one fails, the others are given up.
pub(super) async fn all(answers: Answers) -> Result<Vec<Whole>, Failure> {
    let Answers { all, spending } = answers;
    try_join_all(all.into_iter().map(|answer| whole(answer, &spending))).await
}

async fn whole(mut answer: Answer, spending: &Spending) -> Result<Whole, Failure> {
    let (mut text, mut tokens, mut written) = (String::new(), Vec::new(), 0);
    loop {
        match answer.next().await? {
            Part::Begun { .. } => spending.begun(),
            Part::Token(token) => {
                written += 1;
                spending.wrote(1);
                text.push_str(&token.text);
                if token.log_probability.is_some() {
                    tokens.push(token);
                }
            }
            Part::Ended(mut ended) => {
                text.push_str(&ended.text);
                let reason = reason(&ended)?;
                tokens.extend(last_of_answer(&mut ended).filter(|token| token.log_probability.is_some()));
                let usage = ended.usage.unwrap_or_default();
                // The token that ends an answer does not come as one of its parts.
                spending.wrote(usage.answer_tokens.saturating_sub(written));
                return Ok(Whole { text, tokens, reason, usage });
            }
        }
    }
}

/// Why an answer ends, if it came to its end.
pub(super) fn reason(ended: &Ended) -> Result<FinishReason, Failure> {
    match ended.reason() {
        EndReason::Token | EndReason::String => Ok(FinishReason::Stop),
        EndReason::Length => Ok(FinishReason::Length),
        EndReason::Unspecified | EndReason::Cancelled | EndReason::Deadline | EndReason::Failed => {
            Err(given_up())
        }
    }
}

/// An answer that waited until it was too late.
pub(super) fn given_up_before_its_beginning() -> Failure {
    given_up()
}

/// The token with which an answer ends, if it is a part of it: one that only says that the answer ends is none.
pub(super) fn last_of_answer(ended: &mut Ended) -> Option<Token> {
    if ended.reason() == EndReason::Length { ended.last.take() } else { None }
}

/// What all answers together used. A prompt counts once, however many answers it has.
pub(super) fn usage(answers: &[yard_language::messages::Usage], to_each_prompt: u32) -> Usage {
    let firsts = answers.iter().step_by(to_each_prompt.max(1) as usize);
    let prompts = firsts.clone().map(|usage| usage.prompt_tokens).sum();
    let cached = firsts.map(|usage| usage.cached_tokens).sum();
    Usage::new(prompts, answers.iter().map(|usage| usage.answer_tokens).sum(), cached)
}
