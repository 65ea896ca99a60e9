//! An answer as it is written: events with names and numbers.

use serde::Serialize;

use super::answer::{OutputItem, OutputText, ResponseObject};
use crate::openai::TokenLogprob;

/// A message has one part.
const ONLY_PART: u32 = 0;

/// Something that happens to an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct ResponseEvent {
    name: &'static str,
    body: Body,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum Body {
    Response {
        response: Box<ResponseObject>,
    },
    Item {
        output_index: u32,
        item: OutputItem,
    },
    Part {
        item_id: String,
        output_index: u32,
        content_index: u32,
        part: OutputText,
    },
    TextDelta {
        item_id: String,
        output_index: u32,
        content_index: u32,
        delta: String,
        logprobs: Vec<TokenLogprob>,
    },
    TextDone {
        item_id: String,
        output_index: u32,
        content_index: u32,
        text: String,
        logprobs: Vec<TokenLogprob>,
    },
    ArgumentsDelta {
        item_id: String,
        output_index: u32,
        delta: String,
    },
    ArgumentsDone {
        item_id: String,
        output_index: u32,
        arguments: String,
    },
}

/// Writes the events of one answer, numbered from 0. The last one ends the stream: nothing follows it.
#[derive(Debug, Default)]
pub struct ResponseStream {
    next: u64,
}

#[derive(Serialize)]
struct Numbered<'a> {
    #[serde(rename = "type")]
    name: &'static str,
    sequence_number: u64,
    #[serde(flatten)]
    body: &'a Body,
}

// === impl ResponseEvent ===

impl ResponseEvent {
    /// There is an answer, which has nothing yet: the first event.
    #[must_use]
    pub fn created(response: ResponseObject) -> Self {
        Self::named("response.created", Body::Response { response: Box::new(response) })
    }

    /// An answer is written, or has come to one of its ends.
    #[must_use]
    pub fn of_response(response: ResponseObject) -> Self {
        Self::named(response.event_name(), Body::Response { response: Box::new(response) })
    }

    /// An item begins. All `output_index` are its place in the answer's list.
    #[must_use]
    pub const fn item_added(output_index: u32, item: OutputItem) -> Self {
        Self::named("response.output_item.added", Body::Item { output_index, item })
    }

    /// An item is complete.
    #[must_use]
    pub const fn item_done(output_index: u32, item: OutputItem) -> Self {
        Self::named("response.output_item.done", Body::Item { output_index, item })
    }

    /// The text of a message begins.
    #[must_use]
    pub fn part_added(item_id: &str, output_index: u32) -> Self {
        let part = OutputText::new(String::new(), Vec::new());
        Self::part("response.content_part.added", item_id, output_index, part)
    }

    /// The text of a message goes on.
    #[must_use]
    pub fn text_delta(item_id: &str, output_index: u32, delta: String, logprobs: Vec<TokenLogprob>) -> Self {
        let item_id = item_id.to_owned();
        Self::named(
            "response.output_text.delta",
            Body::TextDelta { item_id, output_index, content_index: ONLY_PART, delta, logprobs },
        )
    }

    /// The text of a message is complete.
    #[must_use]
    pub fn text_done(item_id: &str, output_index: u32, text: OutputText) -> Self {
        let OutputText { text, logprobs, .. } = text;
        let item_id = item_id.to_owned();
        Self::named(
            "response.output_text.done",
            Body::TextDone { item_id, output_index, content_index: ONLY_PART, text, logprobs },
        )
    }

    /// The same, said of the part of the message.
    #[must_use]
    pub fn part_done(item_id: &str, output_index: u32, text: OutputText) -> Self {
        Self::part("response.content_part.done", item_id, output_index, text)
    }

    /// The arguments of a function call go on.
    #[must_use]
    pub fn arguments_delta(item_id: &str, output_index: u32, delta: impl Into<String>) -> Self {
        let (item_id, delta) = (item_id.to_owned(), delta.into());
        Self::named(
            "response.function_call_arguments.delta",
            Body::ArgumentsDelta { item_id, output_index, delta },
        )
    }

    /// The arguments of a function call are complete.
    #[must_use]
    pub fn arguments_done(item_id: &str, output_index: u32, arguments: impl Into<String>) -> Self {
        let (item_id, arguments) = (item_id.to_owned(), arguments.into());
        Self::named(
            "response.function_call_arguments.done",
            Body::ArgumentsDone { item_id, output_index, arguments },
        )
    }

    fn part(name: &'static str, item_id: &str, output_index: u32, part: OutputText) -> Self {
        let item_id = item_id.to_owned();
        Self::named(name, Body::Part { item_id, output_index, content_index: ONLY_PART, part })
    }

    const fn named(name: &'static str, body: Body) -> Self {
        Self { name, body }
    }
}

// === impl ResponseStream ===

impl ResponseStream {
    /// An event with the next number.
    #[must_use]
    pub fn write(&mut self, event: &ResponseEvent) -> String {
        let numbered = Numbered { name: event.name, sequence_number: self.next, body: &event.body };
        self.next += 1;
        let json = serde_json::to_string(&numbered).expect("structs with text keys can be written to memory");
        // Line ends within texts are escaped in JSON: the data is one line.
        format!("event: {}\ndata: {json}\n\n", event.name)
    }
}
