//! An answer that is shown while it is written.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::Serialize;
use yard_client::{ChatEnd, ChatFinish, ChatMessage, ChatOptions, ChatPart};

use crate::{commands::Session, model_ref::ModelRef};

/// What came of an answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) text: String,
    /// `None` for one that was stopped or failed.
    pub(crate) end: Option<ChatEnd>,
    /// From its first piece to its end.
    writing: Duration,
}

/// An answer, for `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    text: &'a str,
    finish_reason: &'a str,
    usage: Usage,
}

#[derive(Debug, Serialize)]
struct Usage {
    prompt_tokens: u64,
    cached_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

/// Has the model answer and shows the answer while it is written. What had come when it fails or is dropped is in
/// `answer`.
pub(crate) async fn stream(
    session: &Session,
    model: &ModelRef,
    messages: &[ChatMessage],
    options: &ChatOptions,
    answer: &mut Answer,
) -> Result<()> {
    let Session { client, output } = session;
    let mut parts = client.chat(&model.model, &model.selector, messages, options).await?;
    let mut begun = None;
    while let Some(part) = parts.next().await? {
        match part {
            ChatPart::Text(piece) => {
                let begun_at = *begun.get_or_insert_with(Instant::now);
                answer.writing = begun_at.elapsed();
                answer.text.push_str(&piece);
                output.piece(&piece)?;
            }
            ChatPart::Ended(end) => answer.end = Some(end),
        }
    }
    Ok(())
}

// === impl Answer ===

impl Answer {
    /// Ends the line that the answer stands on, if it does not do so itself.
    pub(crate) fn end_line(&self, session: &Session) -> Result<()> {
        if self.text.is_empty() || self.text.ends_with('\n') { Ok(()) } else { session.output.piece("\n") }
    }

    /// For `--json`; an error for an answer that has not ended.
    pub(crate) fn report(&self) -> Result<Report<'_>> {
        let ChatEnd { finish, usage: used } = self.end.as_ref().context("the answer has no end")?;
        let usage = Usage {
            prompt_tokens: used.prompt_tokens,
            cached_tokens: used.cached_tokens,
            completion_tokens: used.answer_tokens,
            total_tokens: used.prompt_tokens.saturating_add(used.answer_tokens),
        };
        Ok(Report { text: &self.text, finish_reason: finish.as_str(), usage })
    }

    /// How many tokens it wrote in a second, if they can be told from one another in time.
    pub(crate) fn tokens_per_second(&self) -> Option<f64> {
        let end = self.end.as_ref()?;
        // The first of them came when the time began.
        let further = end.usage.answer_tokens.checked_sub(1).filter(|further| *further > 0)?;
        (!self.writing.is_zero()).then(|| per_second(further, self.writing))
    }

    /// Its tokens and its speed, in a line.
    pub(crate) fn figures(&self) -> String {
        let Some(ChatEnd { usage, .. }) = &self.end else { return "stopped".to_owned() };
        let mut line = format!("{} tokens read", usage.prompt_tokens);
        if usage.cached_tokens > 0 {
            line.push_str(&format!(", {} of them before", usage.cached_tokens));
        }
        line.push_str(&format!("; {} written", usage.answer_tokens));
        if let Some(speed) = self.tokens_per_second() {
            line.push_str(&format!(", {speed:.1} tokens/s"));
        }
        line
    }

    /// Why it may end in the middle of a sentence, and what to do; `None` for one that is complete.
    pub(crate) fn cut_short(&self, max_tokens: Option<u32>) -> Option<String> {
        let ChatEnd { finish, usage } = self.end.as_ref()?;
        match (finish, max_tokens) {
            (ChatFinish::Stop, _) => None,
            // The server makes room for as many before it begins, so there was.
            (ChatFinish::Length, Some(most)) => {
                Some(format!("the answer was cut after {most} tokens, as --max-tokens says"))
            }
            (ChatFinish::Length, None) => Some(format!(
                "the model's context is full, {} tokens with this answer, which was cut",
                usage.prompt_tokens.saturating_add(usage.answer_tokens)
            )),
            (ChatFinish::Other(word), _) => Some(format!("the answer ended before its time: {word}")),
        }
    }

    /// Whether there is no room for another question.
    pub(crate) fn filled_context(&self, max_tokens: Option<u32>) -> bool {
        max_tokens.is_none() && self.end.as_ref().is_some_and(|end| end.finish == ChatFinish::Length)
    }
}

#[expect(clippy::cast_precision_loss, reason = "an answer has few tokens")]
fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use yard_client::ChatUsage;

    use super::*;

    fn answer(finish: ChatFinish, cached_tokens: u64, answer_tokens: u64) -> Answer {
        let usage = ChatUsage { prompt_tokens: 12, cached_tokens, answer_tokens };
        let end = Some(ChatEnd { finish, usage });
        Answer { text: "Paris.".into(), end, writing: Duration::from_millis(500) }
    }

    #[test]
    fn figures_leave_out_what_is_not_known() {
        let figures = |cached, written| answer(ChatFinish::Stop, cached, written).figures();
        assert_eq!(figures(0, 1), "12 tokens read; 1 written");
        assert_eq!(figures(8, 3), "12 tokens read, 8 of them before; 3 written, 4.0 tokens/s");
        assert_eq!(Answer::default().figures(), "stopped");
    }

    #[test]
    fn an_answer_that_was_cut_says_why() {
        let cut = |finish, most| answer(finish, 0, 3).cut_short(most);
        assert_eq!(cut(ChatFinish::Stop, None), None);
        assert!(cut(ChatFinish::Length, Some(3)).unwrap().contains("--max-tokens"));
        assert!(cut(ChatFinish::Length, None).unwrap().contains("context is full, 15 tokens"));
        assert!(cut(ChatFinish::Other("content_filter".into()), None).unwrap().contains("content_filter"));
        assert!(answer(ChatFinish::Length, 0, 3).filled_context(None));
        assert!(!answer(ChatFinish::Length, 0, 3).filled_context(Some(3)));
    }

    #[test]
    fn a_report_has_the_names_that_the_api_has() {
        let report = serde_json::to_value(answer(ChatFinish::Length, 8, 3).report().unwrap()).unwrap();
        let usage = serde_json::json!({
            "prompt_tokens": 12, "cached_tokens": 8, "completion_tokens": 3, "total_tokens": 15
        });
        let expected = serde_json::json!({"text": "Paris.", "finish_reason": "length", "usage": usage});
        assert_eq!(report, expected);
        assert!(Answer::default().report().is_err());
    }
}
