//! The record of who did what.

use std::fmt;

use yard_types::Timestamp;

use crate::KeyId;

/// Most characters of each text of an entry.
const MAX_TEXT: usize = 512;

/// Who did something: the id of a key, or a part of Modelyard itself. Never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(String);

/// An entry about to be written; the store gives it its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAuditEntry {
    at: Timestamp,
    actor: Actor,
    action: &'static str,
    subject: String,
    detail: String,
}

/// One entry of the audit trail. Entries are never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its place in the trail: 1, 2, 3 ...
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What was done, such as `key.create`.
    pub action: String,
    /// To what: the id of a key, the name of a model.
    pub subject: String,
    /// What else there is to know, in a few words.
    pub detail: String,
}

/// Bounds a text and takes the control characters out of it, so that no client can forge lines of a log.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(MAX_TEXT).collect()
}

// === impl Actor ===

impl Actor {
    /// The holder of a key.
    pub fn key(id: KeyId) -> Self {
        Self(format!("key:{id}"))
    }

    /// A part of Modelyard itself, such as `system:start`, or whoever works on a server that asks for no keys.
    pub fn system(part: &str) -> Self {
        Self(format!("system:{}", plain(part)))
    }

    /// Reads back what was stored.
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The actor as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

// === impl NewAuditEntry ===

impl NewAuditEntry {
    /// An entry. `subject` and `detail` are cut at 512 characters and freed of control characters.
    pub fn new(at: Timestamp, actor: Actor, action: &'static str, subject: &str, detail: &str) -> Self {
        Self { at, actor, action, subject: plain(subject), detail: plain(detail) }
    }

    /// When.
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// Who.
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// What was done.
    pub const fn action(&self) -> &'static str {
        self.action
    }

    /// To what.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What else there is to know.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_and_cannot_forge_lines() {
        let long = format!("a\nb\u{1b}[31m{}", "é".repeat(2_000));
        let entry = NewAuditEntry::new(Timestamp(0), Actor::system("test"), "key.create", &long, &long);
        for text in [entry.subject(), entry.detail()] {
            assert_eq!(text.chars().count(), MAX_TEXT);
            assert!(text.starts_with("a b [31mé"), "{text}");
        }
    }
}
