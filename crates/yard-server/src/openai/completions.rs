//! `POST /v1/completions`.

use http::StatusCode;
use yard_api::openai::{
    AnswerHead, Completion, CompletionChoice, CompletionLogprobs, CompletionRequest, FinishReason,
    StreamUsage, TextOrTokens, Usage, server_sent,
};
use yard_language::messages::Token;

use super::{
    asked::{Asked, head},
    events::{Pieces, stream},
    logprobs,
    target::Target,
    texts, whole,
};
use crate::{
    dispatch::OwnedCall,
    failure::Failure,
    http::{Answer, Payload, json},
};

pub(crate) async fn complete(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    let request = super::read(payload, CompletionRequest::parse).await?;
    let target = Target::find(call, &request.model).await?;
    let mut prompts = Vec::with_capacity(request.prompts.len());
    for prompt in request.prompts {
        prompts.push(tokens(&target, prompt, "prompt").await?);
    }
    let n = request.sampling.n;
    let answers = Asked { prompts, sampling: request.sampling, output: request.output }
        .begin(call, &target, "prompt")?;
    let head = head(&target, "cmpl", call);
    if let Some(options) = request.stream {
        let offsets = vec![0; answers.len()];
        let pieces = CompletionPieces { head, include_usage: options.include_usage, offsets };
        return stream(call, target, answers, n, pieces).await;
    }
    let answers = whole::all(answers).await?;
    let used: Vec<_> = answers.iter().map(|answer| answer.usage).collect();
    let choices = answers.into_iter().zip(0..).map(|(answer, index)| CompletionChoice {
        logprobs: logprobs::of_completion(&answer.tokens, &mut 0),
        text: answer.text,
        index,
        finish_reason: Some(answer.reason),
    });
    let usage = StreamUsage::Total(whole::usage(&used, n));
    let mut answer = json(StatusCode::OK, &Completion::new(&head, choices.collect(), usage))?;
    target.name_version(&mut answer);
    Ok(answer)
}

/// A prompt in tokens, each of which the model knows.
pub(super) async fn tokens(
    target: &Target,
    prompt: TextOrTokens,
    param: &'static str,
) -> Result<Vec<u32>, Failure> {
    match prompt {
        TextOrTokens::Text(text) => Ok(target.model.encode(&texts::of_text(text, true, false)).await?),
        TextOrTokens::Tokens(tokens) => {
            let vocabulary = target.model.facts().vocabulary;
            match tokens.iter().find(|token| u64::from(**token) >= vocabulary) {
                None => Ok(tokens),
                Some(unknown) => {
                    let message =
                        format!("the model has {vocabulary} tokens, and none of the number {unknown}");
                    Err(Failure::invalid(message).with_param(param))
                }
            }
        }
    }
}

/// The events of a completion.
struct CompletionPieces {
    head: AnswerHead,
    include_usage: bool,
    /// How many characters each answer has.
    offsets: Vec<u64>,
}

impl CompletionPieces {
    fn logprobs(&mut self, index: u32, token: &Token) -> Option<CompletionLogprobs> {
        let offset = self.offsets.get_mut(index as usize)?;
        logprobs::of_completion(std::slice::from_ref(token), offset)
    }

    fn event(
        &self,
        index: u32,
        text: String,
        logprobs: Option<CompletionLogprobs>,
        finish_reason: Option<FinishReason>,
    ) -> String {
        let usage = if self.include_usage { StreamUsage::Pending } else { StreamUsage::LeftOut };
        let choice = CompletionChoice { text, index, logprobs, finish_reason };
        server_sent(&Completion::new(&self.head, vec![choice], usage))
    }
}

impl Pieces for CompletionPieces {
    fn begin(&mut self, _: u32) -> String {
        String::new()
    }

    fn token(&mut self, index: u32, token: Token) -> String {
        let logprobs = self.logprobs(index, &token);
        if token.text.is_empty() && logprobs.is_none() {
            return String::new();
        }
        self.event(index, token.text, logprobs, None)
    }

    fn end(&mut self, index: u32, text: String, last: Option<Token>, reason: FinishReason) -> String {
        let logprobs = last.and_then(|last| self.logprobs(index, &last));
        self.event(index, text, logprobs, Some(reason))
    }

    fn usage(&mut self, usage: Usage) -> String {
        if !self.include_usage {
            return String::new();
        }
        server_sent(&Completion::new(&self.head, Vec::new(), StreamUsage::Total(usage)))
    }
}
