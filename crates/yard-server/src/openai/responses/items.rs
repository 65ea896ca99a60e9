//! The items of an answer, as it is written.

use std::mem;

use yard_api::openai::{FinishReason, ItemStatus, OutputItem, OutputText, ResponseEvent, TokenLogprob};
use yard_chat::{ToolCallReader, Written};

use crate::openai::tools::call_id;

/// Messages and calls, one after the other. What is added gives the events that tell of it.
pub(super) struct Items {
    /// What tells the items of this answer from those of others.
    answer: String,
    /// What takes the answer apart, if it may call functions.
    reader: Option<ToolCallReader>,
    complete: Vec<OutputItem>,
    open: Option<Open>,
    /// Blanks in front of a message that may not come: models write some around calls.
    blanks: String,
    /// Probabilities of tokens that have given no text yet.
    logprobs: Vec<TokenLogprob>,
}

/// The item that is being written.
enum Open {
    Message { id: String, text: String, logprobs: Vec<TokenLogprob> },
    Call { id: String, call_id: String, name: String, arguments: String },
}

impl Items {
    pub(super) const fn new(answer: String, reader: Option<ToolCallReader>) -> Self {
        Self { answer, reader, complete: Vec::new(), open: None, blanks: String::new(), logprobs: Vec::new() }
    }

    /// The answer goes on with this text.
    pub(super) fn add(&mut self, text: &str, logprobs: Vec<TokenLogprob>) -> Vec<ResponseEvent> {
        let mut events = Vec::new();
        self.logprobs.extend(logprobs);
        match &mut self.reader {
            Some(reader) => {
                for part in reader.push(text) {
                    self.add_part(part, &mut events);
                }
            }
            None if text.is_empty() => {}
            None => self.say(text, &mut events),
        }
        events
    }

    /// The answer ends.
    pub(super) fn end(&mut self, reason: FinishReason) -> Vec<ResponseEvent> {
        let mut events = Vec::new();
        if let Some(reader) = self.reader.take() {
            for part in reader.finish() {
                self.add_part(part, &mut events);
            }
        }
        // An answer that calls nothing is a message, if only an empty one.
        let is_silent = self.open.is_none() && self.complete.is_empty();
        if is_silent || (self.is_message() && !self.logprobs.is_empty()) {
            self.say("", &mut events);
        }
        self.close(ItemStatus::at_end(reason), &mut events);
        events
    }

    /// The items of an answer that has ended.
    pub(super) fn take(&mut self) -> Vec<OutputItem> {
        mem::take(&mut self.complete)
    }

    /// The items of an answer that comes to no end; the last one is cut.
    pub(super) fn give_up(&mut self) -> Vec<OutputItem> {
        self.close(ItemStatus::Incomplete, &mut Vec::new());
        self.take()
    }

    fn add_part(&mut self, part: Written, events: &mut Vec<ResponseEvent>) {
        match part {
            Written::Text(text) if self.is_message() || !text.trim().is_empty() => self.say(&text, events),
            Written::Text(text) => self.blanks.push_str(&text),
            Written::Call { name, .. } => self.call(name, events),
            Written::Arguments { text, .. } => self.add_arguments(text, events),
        }
    }

    fn is_message(&self) -> bool {
        matches!(self.open, Some(Open::Message { .. }))
    }

    /// The place of the item that is being written, or of the next one.
    fn index(&self) -> u32 {
        u32::try_from(self.complete.len()).unwrap_or(u32::MAX)
    }

    fn say(&mut self, text: &str, events: &mut Vec<ResponseEvent>) {
        if !self.is_message() {
            self.close(ItemStatus::Completed, events);
            let index = self.index();
            let id = format!("msg_{}_{index}", self.answer);
            events.push(ResponseEvent::item_added(index, OutputItem::message_begun(id.clone())));
            events.push(ResponseEvent::part_added(&id, index));
            self.open = Some(Open::Message { id, text: String::new(), logprobs: Vec::new() });
        }
        let index = self.index();
        let delta = mem::take(&mut self.blanks) + text;
        let added = mem::take(&mut self.logprobs);
        if let Some(Open::Message { id, text, logprobs }) = &mut self.open
            && !(delta.is_empty() && added.is_empty())
        {
            text.push_str(&delta);
            logprobs.extend(added.iter().cloned());
            events.push(ResponseEvent::text_delta(id, index, delta, added));
        }
    }

    fn call(&mut self, name: String, events: &mut Vec<ResponseEvent>) {
        self.close(ItemStatus::Completed, events);
        self.blanks.clear();
        // The API has no place for probabilities of calls.
        self.logprobs.clear();
        let index = self.index();
        let (id, call_id) = (format!("fc_{}_{index}", self.answer), call_id());
        let begun = OutputItem::function_call(&id, ItemStatus::InProgress, &call_id, &name, "");
        events.push(ResponseEvent::item_added(index, begun));
        self.open = Some(Open::Call { id, call_id, name, arguments: String::new() });
    }

    fn add_arguments(&mut self, added: String, events: &mut Vec<ResponseEvent>) {
        let index = self.index();
        if let Some(Open::Call { id, arguments, .. }) = &mut self.open {
            arguments.push_str(&added);
            events.push(ResponseEvent::arguments_delta(id, index, added));
        }
    }

    fn close(&mut self, status: ItemStatus, events: &mut Vec<ResponseEvent>) {
        let index = self.index();
        let item = match self.open.take() {
            None => return,
            Some(Open::Message { id, text, logprobs }) => {
                let text = OutputText::new(text, logprobs);
                events.push(ResponseEvent::text_done(&id, index, text.clone()));
                events.push(ResponseEvent::part_done(&id, index, text.clone()));
                OutputItem::message(id, status, text)
            }
            Some(Open::Call { id, call_id, name, arguments }) => {
                // Probabilities of the call's own tokens belong to no message after it.
                self.logprobs.clear();
                events.push(ResponseEvent::arguments_done(&id, index, &arguments));
                OutputItem::function_call(id, status, call_id, name, arguments)
            }
        };
        events.push(ResponseEvent::item_done(index, item.clone()));
        self.complete.push(item);
    }
}
