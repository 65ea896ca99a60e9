//! What comes of an answer, read out of the events that tell of it.

use std::collections::VecDeque;

use serde::{Deserialize, de::IgnoredAny};

use super::{ChatEnd, ChatFinish, ChatPart, ChatUsage};
use crate::{
    Refusal,
    event_reader::{EventReader, RawEvent, ReadError},
    refusal,
};

/// The event after which nothing comes.
const DONE: &str = "[DONE]";

/// Reads the pieces of a stream into the parts of an answer, wherever the pieces were cut.
#[derive(Debug)]
pub(super) struct AnswerReader {
    events: EventReader,
    pending: VecDeque<RawEvent>,
    finish: Option<ChatFinish>,
    usage: Option<ChatUsage>,
    /// How many bytes of text may still come.
    room: usize,
    is_over: bool,
}

/// Why an answer cannot be read to its end.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error(transparent)]
    Refused(Refusal),
    #[error("it is no stream of events: {0}")]
    Stream(#[from] ReadError),
    #[error("an event is not what was expected: {0}")]
    Event(String),
    #[error("the answer ends without saying {0}")]
    Unfinished(&'static str),
    #[error("the answer is longer than is accepted")]
    TooLong,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<UsageBody>,
    /// There instead of the others when the answer failed.
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

#[derive(Deserialize)]
struct UsageBody {
    prompt_tokens: u64,
    completion_tokens: u64,
    prompt_tokens_details: Option<PromptDetails>,
}

#[derive(Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

impl AnswerReader {
    /// For an answer of at most so many bytes.
    pub(super) fn new(longest: usize) -> Self {
        Self {
            events: EventReader::default(),
            pending: VecDeque::new(),
            finish: None,
            usage: None,
            room: longest,
            is_over: false,
        }
    }

    /// Whether nothing more comes.
    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes in a piece of the stream.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<(), Unreadable> {
        Ok(self.events.take(piece, &mut self.pending)?)
    }

    /// The next part that is there; `None` when the stream must be read further, or is over. What cannot be read ends
    /// it.
    pub(super) fn next(&mut self) -> Result<Option<ChatPart>, Unreadable> {
        while !self.is_over
            && let Some(event) = self.pending.pop_front()
        {
            match self.read(&event.data) {
                Ok(None) => {}
                Ok(part) => return Ok(part),
                Err(error) => {
                    self.is_over = true;
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    fn read(&mut self, data: &str) -> Result<Option<ChatPart>, Unreadable> {
        if data == DONE {
            self.is_over = true;
            let finish = self.finish.take().ok_or(Unreadable::Unfinished("why"))?;
            let usage = self.usage.ok_or(Unreadable::Unfinished("what it took"))?;
            return Ok(Some(ChatPart::Ended(ChatEnd { finish, usage })));
        }
        let chunk: Chunk =
            serde_json::from_str(data).map_err(|error| Unreadable::Event(error.to_string()))?;
        if chunk.error.is_some() {
            let refusal = refusal::of_event(data);
            return Err(refusal.map_or_else(|| Unreadable::Event("an odd error".into()), Unreadable::Refused));
        }
        if let Some(usage) = chunk.usage {
            self.usage = Some(usage.into());
        }
        let mut text = String::new();
        for choice in chunk.choices {
            text.push_str(&choice.delta.and_then(|delta| delta.content).unwrap_or_default());
            if let Some(reason) = choice.finish_reason {
                self.finish = Some(reason.into());
            }
        }
        self.room = self.room.checked_sub(text.len()).ok_or(Unreadable::TooLong)?;
        Ok(if text.is_empty() { None } else { Some(ChatPart::Text(text)) })
    }
}

// === impl ChatUsage ===

impl From<UsageBody> for ChatUsage {
    fn from(body: UsageBody) -> Self {
        let cached = body.prompt_tokens_details.and_then(|details| details.cached_tokens);
        Self {
            prompt_tokens: body.prompt_tokens,
            cached_tokens: cached.unwrap_or(0),
            answer_tokens: body.completion_tokens,
        }
    }
}

// === impl ChatFinish ===

impl From<String> for ChatFinish {
    fn from(word: String) -> Self {
        match word.as_str() {
            "stop" => Self::Stop,
            "length" => Self::Length,
            _ => Self::Other(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use yard_api::openai::{
        AnswerHead, ChatCompletionChunk, ChatDelta, ChunkChoice, DONE, FinishReason, StreamUsage, Usage,
        server_sent,
    };
    use yard_types::ErrorCode;

    use super::*;

    fn event(delta: Option<ChatDelta>, finish_reason: Option<FinishReason>, usage: StreamUsage) -> String {
        let head = AnswerHead { id: "a".into(), created: 1, model: "m".into(), system_fingerprint: None };
        let choice = delta.map(|delta| ChunkChoice { index: 0, delta, logprobs: None, finish_reason });
        server_sent(&ChatCompletionChunk::new(&head, choice.into_iter().collect(), usage))
    }

    fn text(text: &str) -> String {
        event(Some(ChatDelta::content(text)), None, StreamUsage::Pending)
    }

    fn finish(reason: FinishReason) -> String {
        event(Some(ChatDelta::default()), Some(reason), StreamUsage::Pending)
    }

    /// As the server writes it.
    fn whole() -> String {
        let first = event(Some(ChatDelta::first()), None, StreamUsage::Pending);
        let usage = event(None, None, StreamUsage::Total(Usage::new(7, 3, 5)));
        let beat = ": still here\n\n";
        let texts = text("Gr") + beat + &text("üße,\n\n") + &text("\u{1f30a}");
        format!("{first}{texts}{}{usage}{DONE}", finish(FinishReason::Stop))
    }

    /// All parts, with texts that follow one another joined: where pieces end must not matter.
    fn read(pieces: &[&[u8]], longest: usize) -> Result<(String, Option<ChatEnd>, bool), Unreadable> {
        let mut reader = AnswerReader::new(longest);
        let (mut text, mut end) = (String::new(), None);
        for piece in pieces {
            reader.take(piece)?;
            while let Some(part) = reader.next()? {
                match part {
                    ChatPart::Text(more) => text.push_str(&more),
                    ChatPart::Ended(how) => end = Some(how),
                }
            }
        }
        Ok((text, end, reader.is_over()))
    }

    #[test]
    fn it_does_not_matter_where_the_stream_is_cut() {
        let stream = whole();
        let usage = ChatUsage { prompt_tokens: 7, cached_tokens: 5, answer_tokens: 3 };
        let end = ChatEnd { finish: ChatFinish::Stop, usage };
        let expected = Ok(("Grüße,\n\n\u{1f30a}".to_owned(), Some(end), true));
        let bytes = stream.as_bytes();
        for cut in 0..=bytes.len() {
            assert_eq!(read(&[&bytes[..cut], &bytes[cut..]], 100), expected, "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&single, 100), expected);
    }

    #[test]
    fn a_stream_that_has_not_ended_is_not_over() {
        let stream = whole();
        let without_end = stream.strip_suffix(DONE).unwrap();
        let (text, end, is_over) = read(&[without_end.as_bytes()], 100).unwrap();
        assert_eq!((text.is_empty(), end, is_over), (false, None, false));
    }

    #[test]
    fn a_failure_in_the_stream_is_the_server_s_refusal() {
        let error = r#"data: {"error":{"message":"the process died","type":"server_error","param":null,"code":"unavailable"}}"#;
        let stream = format!("{}{error}\n\n{}", text("Gr"), text("never read"));
        let mut reader = AnswerReader::new(100);
        reader.take(stream.as_bytes()).unwrap();
        assert_eq!(reader.next(), Ok(Some(ChatPart::Text("Gr".into()))));
        let Err(Unreadable::Refused(refusal)) = reader.next() else { panic!("not refused") };
        assert_eq!((refusal.code, refusal.message.as_str()), (ErrorCode::Unavailable, "the process died"));
        assert_eq!((reader.is_over(), reader.next()), (true, Ok(None)));
    }

    #[test]
    fn what_is_no_answer_is_told() {
        let check = |stream: &str, part: &str| {
            let error = read(&[stream.as_bytes()], 10).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        check("data: <html>\n\n", "not what was expected");
        check("data: {\"error\":7}\n\n", "an odd error");
        check("data: [DONE]\n\n", "ends without saying why");
        check(&format!("{}{DONE}", finish(FinishReason::Length)), "ends without saying what it took");
        check(&(text("0123456789") + &text("0")), "longer than is accepted");
        check(&"x".repeat(1 << 20), "it is no stream of events");
    }

    #[test]
    fn a_reason_that_is_not_known_is_kept() {
        for word in ["stop", "length", "content_filter"] {
            assert_eq!(ChatFinish::from(word.to_owned()).as_str(), word);
        }
    }
}
