//! Sequences whose prompts stay in the cache from one question to the next.

use std::str::FromStr;

use yard_llm::{LogitRows, Sequence};

use crate::{Contestant, Result};

/// What the prompts of several streams have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing: each has pages of its own.
    Private,
    /// All of it: they share the pages.
    Shared,
}

/// Streams with prompts of one length.
pub(crate) struct Streams {
    pub(crate) kind: Kind,
    pub(crate) prompt: usize,
    pub(crate) sequences: Vec<Sequence>,
}

impl FromStr for Kind {
    type Err = &'static str;

    fn from_str(name: &str) -> std::result::Result<Self, Self::Err> {
        match name {
            "private" => Ok(Self::Private),
            "shared" => Ok(Self::Shared),
            _ => Err("streams are `private` or `shared`"),
        }
    }
}

impl Contestant {
    /// At least so many streams whose prompts have been read. Put them back for the next question.
    pub(crate) fn prepared(&mut self, count: usize, prompt: usize, kind: Kind) -> Result<Streams> {
        let known = self.streams.iter().position(|streams| (streams.kind, streams.prompt) == (kind, prompt));
        let mut streams = match known {
            Some(place) => self.streams.swap_remove(place),
            None => Streams { kind, prompt, sequences: Vec::new() },
        };
        while streams.sequences.len() < count {
            let number = streams.sequences.len();
            let (mut sequence, from) = match (kind, streams.sequences.first()) {
                (Kind::Shared, Some(first)) => (self.cache.share(first, prompt), 0),
                (Kind::Shared, None) => (Sequence::new(), 0),
                (Kind::Private, _) => (Sequence::new(), 97 * number),
            };
            let known = sequence.len();
            let rest = self.arbitrary(from + known, prompt - known);
            if !rest.is_empty() {
                self.feed(&mut sequence, &rest, LogitRows::Last)?;
            }
            streams.sequences.push(sequence);
        }
        Ok(streams)
    }
}
