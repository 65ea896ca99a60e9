//! What the program prints: data on stdout, talk on stderr.
//!
//! Meaning is never carried by colour: only what may be overlooked is grey. Texts that came from a server or a file are
//! printed with control characters escaped, so that a note of a model cannot drive the terminal.

mod job_bar;
mod progress;
mod table;

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
};

use anyhow::{Context as _, Result};
use serde::Serialize;
use yard_client::ClientError;
use yard_jobs::JobFailure;
use yard_types::ErrorCode;

pub(crate) use job_bar::JobBar;
pub(crate) use progress::TransferBar;
pub(crate) use table::Table;

/// Where a command prints.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether data should be JSON.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Prints data: as JSON on one line when asked for, otherwise as a person reads it.
    pub(crate) fn data(self, value: &impl Serialize, for_a_person: impl FnOnce() -> String) -> Result<()> {
        if self.json {
            let line = serde_json::to_string(value).context("cannot write the answer as JSON")?;
            return print(&line);
        }
        let text = for_a_person();
        if text.is_empty() { Ok(()) } else { print(&harmless(&text)) }
    }

    /// Prints text that is data whether or not JSON was asked for.
    #[expect(clippy::unused_self, reason = "all printing goes through an Output")]
    pub(crate) fn text(self, text: &str) -> Result<()> {
        print(&harmless(text))
    }

    /// Says something to the person; silent when a program listens.
    pub(crate) fn talk(self, text: impl AsRef<str>) {
        if !self.json {
            say(&harmless(text.as_ref()));
        }
    }

    /// Says something in passing: in grey, and only to a person at a terminal.
    pub(crate) fn aside(self, text: &str) {
        if self.json || !io::stderr().is_terminal() {
            return;
        }
        let text = harmless(text);
        // https://no-color.org
        let may_colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        say(&if may_colour { format!("\u{1b}[90m{text}\u{1b}[0m") } else { text });
    }

    /// Prints part of a text that is still being written, without a line end; nothing where data is JSON, which comes
    /// when it is complete.
    pub(crate) fn piece(self, piece: &str) -> Result<()> {
        if self.json {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        // Whoever wrote it may have written what a terminal takes for commands. A file gets it as it is.
        let piece = if stdout.is_terminal() { harmless(piece) } else { piece.into() };
        stdout.write_all(piece.as_bytes())?;
        stdout.flush()?;
        Ok(())
    }

    /// Shows that a line is waited for.
    pub(crate) fn ask_for_line(self) {
        if !self.json {
            let mut stderr = io::stderr().lock();
            // When nobody can see it there is nobody to ask.
            drop(stderr.write_all(b"> ").and_then(|()| stderr.flush()));
        }
    }

    /// Says why the command failed.
    pub(crate) fn failure(self, error: &anyhow::Error) {
        if is_closed_pipe(error) {
            return;
        }
        if self.json {
            say(&failure_as_json(error));
        } else {
            say(&format!("error: {}", harmless(&chain(error))));
        }
    }

    /// A progress bar for transfers: on a terminal, and only when a person watches.
    pub(crate) fn transfer_bar(self) -> TransferBar {
        TransferBar::new(!self.json && io::stderr().is_terminal())
    }

    /// A progress bar for a job, likewise.
    pub(crate) fn job_bar(self) -> JobBar {
        JobBar::new(!self.json && io::stderr().is_terminal())
    }
}

fn print(text: &str) -> Result<()> {
    // Not `println!`, which panics when the reader has gone.
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| {
        if !text.ends_with('\n') {
            stdout.write_all(b"\n")?;
        }
        stdout.flush()
    })?;
    Ok(())
}

fn say(text: &str) {
    // When nobody can hear it there is nobody to tell.
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Whether the reader of our output has gone, as in `modelyard models | head -1`: not worth a word.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io_error = error.downcast_ref::<io::Error>();
    io_error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// The error and its causes, leaving out what a cause repeats.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            let written = write!(text, ": {cause}");
            debug_assert!(written.is_ok(), "writing to a string cannot fail");
        }
    }
    text
}

fn failure_as_json(error: &anyhow::Error) -> String {
    let refusal = error.chain().find_map(|cause| match cause.downcast_ref::<ClientError>()? {
        ClientError::Refused(refusal) => Some(refusal),
        _ => None,
    });
    let of_job = || error.chain().find_map(|cause| Some(cause.downcast_ref::<JobFailure>()?.code));
    let code = refusal.map(|refusal| refusal.code).or_else(of_job);
    let body = serde_json::json!({"error": {
        "code": code.map(ErrorCode::as_str),
        "message": refusal.map_or_else(|| chain(error), |refusal| refusal.message.clone()),
        "param": refusal.and_then(|refusal| refusal.param.clone()),
        "request_id": refusal.and_then(|refusal| refusal.request_id.clone()),
        "exit_status": crate::exit::status_of(error) as u8,
    }});
    body.to_string()
}

/// The text with every control character but line ends and tabs escaped.
pub(crate) fn harmless(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && !matches!(character, '\n' | '\t') {
            result.extend(character.escape_default());
        } else {
            result.push(character);
        }
    }
    result
}

/// A number of bytes as a person reads it.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

/// The word that goes with a count.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_from_elsewhere_cannot_drive_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\r\nc\td\u{9b}"), "a\\u{1b}[2Jb\\r\nc\td\\u{9b}");
    }

    #[test]
    fn causes_are_told_once() {
        let error = anyhow::anyhow!("disk full").context("cannot write x: disk full").context("cannot pull");
        assert_eq!(chain(&error), "cannot pull: cannot write x: disk full");
    }

    #[test]
    fn a_failure_as_json_has_a_message_and_the_exit_status() {
        let error = anyhow::anyhow!("broken");
        let value: serde_json::Value = serde_json::from_str(&failure_as_json(&error)).unwrap();
        assert_eq!(value["error"]["message"], "broken");
        assert_eq!(value["error"]["exit_status"], 1);
        assert!(value["error"]["code"].is_null());
        let failure = JobFailure { code: ErrorCode::InvalidArgument, message: "it diverged".to_owned() };
        let value: serde_json::Value = serde_json::from_str(&failure_as_json(&failure.into())).unwrap();
        assert_eq!(
            (&value["error"]["code"], &value["error"]["exit_status"]),
            (&"invalid_argument".into(), &6.into())
        );
    }
}
