//! One answer that comes as server-sent events, each with the moment when it came.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::exchange::{ExchangeError, Target, find};

/// Longest head and longest event, in bytes; more is an error of the server measured.
const MAX_PIECE: usize = 1 << 20;
/// How much of an answer that is no stream is told.
const TOLD_OF_A_FAILURE: usize = 300;

/// What came of a request for a stream.
#[derive(Debug, Default)]
pub struct Streamed {
    /// From the beginning of the request to the first text.
    pub to_first: Duration,
    /// From each text to the next.
    pub between: Vec<Duration>,
    /// Tokens of the prompt, as the server counts them.
    pub prompt_tokens: u64,
    /// How many of them it knew already, as it says.
    pub cached_tokens: u64,
    /// Tokens of the answer, as the server counts them.
    pub answer_tokens: u64,
}

/// Where in the framing of chunks the bytes stand.
#[derive(Debug, Clone, Copy)]
enum Framing {
    /// There is none: the body ends with the connection.
    None,
    /// Before the line with a chunk's size.
    Size,
    /// So many bytes before a chunk's end.
    Within(usize),
    /// Before the line end behind a chunk.
    Behind,
    /// Behind the last chunk.
    Over,
}

/// A body's bytes, of which lines are taken as they become complete.
#[derive(Debug)]
struct Lines {
    framing: Framing,
    /// As they came.
    raw: Vec<u8>,
    /// Without the framing, and not yet taken.
    text: Vec<u8>,
}

/// What an event says that matters here.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Text,
    Nothing,
    Done,
}

impl Streamed {
    /// Sends a request on a connection of its own and reads the answer to its end.
    ///
    /// # Errors
    ///
    /// The connection fails, the answer is no stream, an event is no JSON or tells of an error, or the stream ends before it
    /// says so.
    pub async fn ask(target: &Target) -> Result<Self, ExchangeError> {
        let started = Instant::now();
        let mut stream = TcpStream::connect(target.address).await.map_err(ExchangeError::Io)?;
        stream.set_nodelay(true).map_err(ExchangeError::Io)?;
        stream.write_all(&target.request()).await.map_err(ExchangeError::Io)?;
        let mut lines = read_head(&mut stream).await?;
        let mut streamed = Self::default();
        let mut last = None;
        loop {
            while let Some(line) = lines.next()? {
                match streamed.take(&line)? {
                    Event::Nothing => {}
                    Event::Text => {
                        let now = Instant::now();
                        match last {
                            None => streamed.to_first = now - started,
                            Some(last) => streamed.between.push(now - last),
                        }
                        last = Some(now);
                    }
                    Event::Done if last.is_none() => {
                        return Err(ExchangeError::Malformed("the stream has no text"));
                    }
                    Event::Done => return Ok(streamed),
                }
            }
            if read_more(&mut stream, &mut lines.raw).await? == 0 {
                return Err(ExchangeError::Malformed("the stream ended before it said so"));
            }
        }
    }

    fn take(&mut self, line: &[u8]) -> Result<Event, ExchangeError> {
        let Some(data) = line.strip_prefix(b"data: ") else {
            // An empty line behind an event, a comment that keeps the connection open, or an error by its own name.
            return match line.starts_with(b"error") {
                true => Err(told(line)),
                false => Ok(Event::Nothing),
            };
        };
        if data == b"[DONE]" {
            return Ok(Event::Done);
        }
        let event: Value = serde_json::from_slice(data)
            .map_err(|_| ExchangeError::Malformed("an event of the stream is not JSON"))?;
        if event.get("error").is_some_and(|error| !error.is_null()) {
            return Err(told(data));
        }
        let usage = &event["usage"];
        if usage.is_object() {
            let count = |value: &Value| value.as_u64().unwrap_or_default();
            self.prompt_tokens = count(&usage["prompt_tokens"]);
            self.cached_tokens = count(&usage["prompt_tokens_details"]["cached_tokens"]);
            self.answer_tokens = count(&usage["completion_tokens"]);
        }
        let has_text = event["choices"][0]["text"].as_str().is_some_and(|text| !text.is_empty());
        Ok(if has_text { Event::Text } else { Event::Nothing })
    }
}

impl Lines {
    /// The next line, if it is complete. `Err` where the framing is broken.
    fn next(&mut self) -> Result<Option<Vec<u8>>, ExchangeError> {
        self.unframe()?;
        let Some(end) = self.text.iter().position(|byte| *byte == b'\n') else {
            return match self.text.len() > MAX_PIECE {
                true => Err(ExchangeError::Malformed("an event of the stream is too long")),
                false => Ok(None),
            };
        };
        let mut line: Vec<u8> = self.text.drain(..=end).collect();
        while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            line.pop();
        }
        Ok(Some(line))
    }

    fn unframe(&mut self) -> Result<(), ExchangeError> {
        loop {
            match self.framing {
                Framing::None => {
                    self.text.append(&mut self.raw);
                    return Ok(());
                }
                Framing::Over => return Ok(()),
                Framing::Size => {
                    let Some(end) = find(&self.raw, b"\r\n") else { return Ok(()) };
                    let line: Vec<u8> = self.raw.drain(..end + 2).collect();
                    let size = chunk_size(&line).ok_or(ExchangeError::Malformed("a chunk has no size"))?;
                    self.framing = if size == 0 { Framing::Over } else { Framing::Within(size) };
                }
                Framing::Within(left) => {
                    let taken = left.min(self.raw.len());
                    self.text.extend(self.raw.drain(..taken));
                    if taken < left {
                        self.framing = Framing::Within(left - taken);
                        return Ok(());
                    }
                    self.framing = Framing::Behind;
                }
                Framing::Behind => {
                    if self.raw.len() < 2 {
                        return Ok(());
                    }
                    self.raw.drain(..2);
                    self.framing = Framing::Size;
                }
            }
        }
    }
}

/// The size stands before a semicolon, if there is one.
fn chunk_size(line: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(line).ok()?;
    let digits = text.split(';').next()?.trim();
    usize::from_str_radix(digits, 16).ok()
}

async fn read_head(stream: &mut TcpStream) -> Result<Lines, ExchangeError> {
    let mut raw = Vec::with_capacity(8192);
    let end = loop {
        if let Some(end) = find(&raw, b"\r\n\r\n") {
            break end + 4;
        }
        if raw.len() > MAX_PIECE || read_more(stream, &mut raw).await? == 0 {
            return Err(ExchangeError::Malformed("the answer has no head"));
        }
    };
    let head = String::from_utf8_lossy(&raw[..end]).to_ascii_lowercase();
    let status = head.get(9..12).and_then(|status| status.parse::<u16>().ok());
    raw.drain(..end);
    let status = status.ok_or(ExchangeError::Malformed("the head has no status"))?;
    if status != 200 {
        // Such an answer is short, and one that is not would only be told in part.
        while raw.len() < TOLD_OF_A_FAILURE && read_more(stream, &mut raw).await? > 0 {}
        let body = String::from_utf8_lossy(&raw).chars().take(TOLD_OF_A_FAILURE).collect();
        return Err(ExchangeError::Status { status, body });
    }
    let framing = if head.contains("transfer-encoding: chunked") { Framing::Size } else { Framing::None };
    Ok(Lines { framing, raw, text: Vec::new() })
}

async fn read_more(stream: &mut TcpStream, into: &mut Vec<u8>) -> Result<usize, ExchangeError> {
    stream.read_buf(into).await.map_err(ExchangeError::Io)
}

fn told(what: &[u8]) -> ExchangeError {
    let body = String::from_utf8_lossy(what).chars().take(TOLD_OF_A_FAILURE).collect();
    ExchangeError::Status { status: 200, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All lines of a body that comes in pieces of so many bytes.
    fn lines_of(body: &[u8], framing: Framing, piece: usize) -> Vec<String> {
        let mut lines = Lines { framing, raw: Vec::new(), text: Vec::new() };
        let mut found = Vec::new();
        for piece in body.chunks(piece) {
            lines.raw.extend_from_slice(piece);
            while let Some(line) = lines.next().unwrap() {
                found.push(String::from_utf8(line).unwrap());
            }
        }
        found
    }

    #[test]
    fn lines_are_found_however_chunks_and_packets_cut_them() {
        let body = b"6\r\ndata: \r\na;x=1\r\none\n\ndata:\r\n5\r\n two\n\r\n0\r\n\r\n";
        for piece in 1..body.len() {
            assert_eq!(lines_of(body, Framing::Size, piece), ["data: one", "", "data: two"], "{piece}");
        }
        assert_eq!(lines_of(b"data: one\r\n\r\n", Framing::None, 4), ["data: one", ""]);
    }

    #[test]
    fn a_broken_framing_is_an_error() {
        let mut lines = Lines { framing: Framing::Size, raw: b"so long\r\n".to_vec(), text: Vec::new() };
        assert!(lines.next().is_err());
    }

    #[test]
    fn texts_and_counts_are_told_from_the_rest() {
        let mut streamed = Streamed::default();
        let mut take = |line: &str| streamed.take(line.as_bytes());
        assert_eq!(take(": still there").unwrap(), Event::Nothing);
        assert_eq!(take(r#"data: {"choices":[{"text":""}],"usage":null}"#).unwrap(), Event::Nothing);
        assert_eq!(take(r#"data: {"choices":[{"text":" a"}]}"#).unwrap(), Event::Text);
        let counted = r#"data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":8}}}"#;
        assert_eq!(take(counted).unwrap(), Event::Nothing);
        assert_eq!(take("data: [DONE]").unwrap(), Event::Done);
        assert!(take(r#"data: {"error":{"message":"busy"}}"#).is_err());
        assert!(take("error: {}").is_err());
        assert!(take("data: {").is_err());
        assert_eq!((streamed.prompt_tokens, streamed.cached_tokens, streamed.answer_tokens), (9, 8, 4));
    }
}
