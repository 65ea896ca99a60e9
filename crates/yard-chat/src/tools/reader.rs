//! Answers taken apart while they are written: what is said, and which functions are called.

use super::{
    ToolFormat,
    call::{CallReader, Piece},
};

const OPENING: &str = "<tool_call>";
const CLOSING: &str = "</tool_call>";

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// Something said.
    Text(String),
    /// A call begins.
    Call {
        /// Which of the answer's calls, from 0.
        index: u32,
        /// The function.
        name: String,
    },
    /// More of a call's arguments, which are JSON text.
    Arguments {
        /// Which of the answer's calls.
        index: u32,
        /// The text.
        text: String,
    },
}

/// Takes an answer apart as it comes. What looks like a call and is none is text: a call names one of the functions.
#[derive(Debug)]
pub struct ToolCallReader {
    is_tagged: bool,
    functions: Vec<String>,
    /// Calls beyond this are left out.
    most_calls: u32,
    calls: u32,
    place: Place,
    /// What has come and is not told yet: it may turn out to be a call, or to be text.
    held: String,
    call: CallReader,
    /// The last call was no JSON behind its name.
    is_broken: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing but white space yet, in an answer that may be a call as a whole.
    Beginning,
    Text,
    Call,
    /// Behind a call, before another or the end.
    Between,
}

impl ToolCallReader {
    /// For answers in this format that may call these functions.
    #[must_use]
    pub fn new(format: ToolFormat, functions: Vec<String>, several: bool) -> Self {
        let is_tagged = format == ToolFormat::Tagged;
        Self {
            is_tagged,
            functions,
            most_calls: if several { u32::MAX } else { 1 },
            calls: 0,
            place: if is_tagged { Place::Text } else { Place::Beginning },
            held: String::new(),
            call: CallReader::new(),
            is_broken: false,
        }
    }

    /// For an answer that was begun with the format's opening.
    #[must_use]
    pub fn behind_opening(mut self) -> Self {
        self.place = if self.is_tagged { Place::Call } else { Place::Beginning };
        self
    }

    /// How many calls have begun.
    #[must_use]
    pub fn calls(&self) -> u32 {
        self.calls.min(self.most_calls)
    }

    /// Takes what comes next, and gives what is known of it.
    pub fn push(&mut self, text: &str) -> Vec<Written> {
        let mut written = Vec::new();
        for next in text.chars() {
            self.next(next, &mut written);
        }
        if self.place == Place::Text {
            self.tell_what_is_text(&mut written);
        }
        written
    }

    /// The answer has ended: what was held is told.
    pub fn finish(mut self) -> Vec<Written> {
        let mut written = Vec::new();
        match self.place {
            Place::Call if self.call.has_name() => {}
            Place::Between => {}
            Place::Text | Place::Beginning | Place::Call => self.tell_held(&mut written),
        }
        written
    }

    fn next(&mut self, next: char, written: &mut Vec<Written>) {
        match self.place {
            Place::Beginning => {
                self.held.push(next);
                match next {
                    '{' => self.begin_call(next, written),
                    // A list of calls.
                    '[' if self.held.trim_start() == "[" => {}
                    _ if next.is_whitespace() => {}
                    _ => self.place = Place::Text,
                }
            }
            Place::Text => {
                self.held.push(next);
                if self.is_tagged && self.held.ends_with(OPENING) {
                    let before = self.held.len() - OPENING.len();
                    let said = self.held[..before].trim_end().len();
                    // White space stays until it is known that a call follows.
                    let text: String = self.held.drain(..said).collect();
                    if !text.is_empty() {
                        written.push(Written::Text(text));
                    }
                    self.place = Place::Call;
                    self.call = CallReader::new();
                }
            }
            Place::Call => {
                self.held.push(next);
                self.in_call(next, written);
            }
            Place::Between => self.between(next, written),
        }
    }

    fn begin_call(&mut self, next: char, written: &mut Vec<Written>) {
        self.place = Place::Call;
        self.call = CallReader::new();
        self.in_call(next, written);
    }

    fn in_call(&mut self, next: char, written: &mut Vec<Written>) {
        let mut pieces = Vec::new();
        let had_name = self.call.has_name();
        let outcome = self.call.push(next, &mut pieces);
        let unknown = |piece: &Piece| matches!(piece, Piece::Name(name) if !self.functions.contains(name));
        if outcome.is_err() || pieces.iter().any(unknown) {
            if !had_name {
                self.place = Place::Text;
                return;
            }
            // What has been told of a call cannot be taken back: the rest of it is left out.
            if !self.call.has_arguments() && self.calls <= self.most_calls {
                written.push(Written::Arguments { index: self.calls - 1, text: "{}".to_owned() });
            }
            self.is_broken = true;
            self.held.clear();
            self.place = Place::Between;
            return;
        }
        for piece in pieces {
            match piece {
                Piece::Name(name) => {
                    self.calls += 1;
                    self.held.clear();
                    if self.calls <= self.most_calls {
                        written.push(Written::Call { index: self.calls - 1, name });
                    }
                }
                Piece::Arguments(text) if self.calls <= self.most_calls => {
                    let index = self.calls - 1;
                    match written.last_mut() {
                        Some(Written::Arguments { index: last, text: before }) if *last == index => {
                            before.push_str(&text);
                        }
                        _ => written.push(Written::Arguments { index, text }),
                    }
                }
                Piece::Arguments(_) => {}
            }
        }
        if self.call.has_name() {
            self.held.clear();
        }
        if self.call.is_done() {
            self.place = Place::Between;
            self.held.clear();
        }
    }

    fn between(&mut self, next: char, written: &mut Vec<Written>) {
        if self.is_broken {
            // Where a broken call ends shows by its tag alone.
            self.held.push(next);
            if self.is_tagged && self.held.ends_with(CLOSING) {
                self.held.clear();
                self.is_broken = false;
                self.place = Place::Text;
            }
            return;
        }
        if self.is_tagged {
            self.held.push(next);
            let held = self.held.trim_start();
            if held == CLOSING {
                self.held.clear();
                self.place = Place::Text;
            } else if !CLOSING.starts_with(held) {
                self.place = Place::Text;
            }
        } else if next == '{' {
            self.held = String::from(next);
            self.begin_call(next, written);
        }
        // Else a comma, a bracket or a line between calls; and whatever a model says behind them is no answer.
    }

    /// Tells what cannot become a call any more.
    fn tell_what_is_text(&mut self, written: &mut Vec<Written>) {
        if !self.is_tagged {
            return self.tell_held(written);
        }
        // White space before a call is no part of what is said, and may come before one.
        let said = self.held.trim_end().len();
        let begun = (1..OPENING.len()).rev().find(|length| self.held.ends_with(&OPENING[..*length]));
        let end = match begun {
            Some(length) => self.held[..self.held.len() - length].trim_end().len(),
            None => said,
        };
        if end > 0 {
            let text: String = self.held.drain(..end).collect();
            written.push(Written::Text(text));
        }
    }

    fn tell_held(&mut self, written: &mut Vec<Written>) {
        if !self.held.is_empty() {
            written.push(Written::Text(std::mem::take(&mut self.held)));
        }
    }
}

#[cfg(test)]
mod tests;
