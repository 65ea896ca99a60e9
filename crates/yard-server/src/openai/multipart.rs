//! A form with files, as browsers and clients send it (`multipart/form-data`), read piece by piece.
//!
//! Part after part, and of a part piece after piece: a file is never in memory as a whole. Everything that stands before a
//! part's content is bounded.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{HeaderMap, header::CONTENT_TYPE};
use yard_registry::ByteStream;

use crate::failure::Failure;

/// Longest boundary, as RFC 2046 has it.
const LONGEST_BOUNDARY: usize = 70;
/// Most bytes of the headers of a part.
const MOST_HEADERS: usize = 8 << 10;
/// Most parts of a form.
const MOST_PARTS: usize = 32;
/// Most bytes that are passed over before a part: what stands before the first one.
const MOST_PASSED_OVER: usize = 64 << 10;
/// Most bytes after the end of a form that are read and forgotten, so that the connection can go on.
const MOST_AFTERWARDS: usize = 64 << 10;

/// A form that is coming in.
pub(super) struct Multipart {
    content: ByteStream,
    buffer: BytesMut,
    /// A line break, two dashes and the boundary: what ends every part.
    delimiter: Vec<u8>,
    /// Whether the part that was begun has not been read to its end.
    is_in_part: bool,
    parts: usize,
}

/// What is said of a part before its content.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PartHead {
    pub(super) name: String,
    pub(super) file_name: Option<String>,
}

impl Multipart {
    /// The form of a request with these headers.
    pub(super) fn new(headers: &HeaderMap, content: ByteStream) -> Result<Self, Failure> {
        let boundary = boundary(headers).ok_or_else(|| {
            Failure::invalid("the request must be 'content-type: multipart/form-data' with a boundary")
        })?;
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        // The first delimiter may stand at the very beginning, without a line before it.
        let buffer = BytesMut::from(&b"\r\n"[..]);
        Ok(Self { content, buffer, delimiter, is_in_part: true, parts: 0 })
    }

    /// The next part. What is left of the one before is passed over.
    pub(super) async fn next_part(&mut self) -> Result<Option<PartHead>, io::Error> {
        let mut left = MOST_PASSED_OVER;
        while let Some(piece) = self.piece().await? {
            left = left
                .checked_sub(piece.len())
                .ok_or_else(|| malformed("there is too much before a part of the form"))?;
        }
        self.parts += 1;
        if self.parts > MOST_PARTS {
            return Err(malformed("the form has too many parts"));
        }
        while self.buffer.len() < 2 {
            self.fill().await?;
        }
        if self.buffer.starts_with(b"--") {
            self.forget_the_rest().await;
            return Ok(None);
        }
        // From the line break after the delimiter to the empty line.
        let end = loop {
            match find(&self.buffer, b"\r\n\r\n") {
                Some(end) => break end,
                None if self.buffer.len() > MOST_HEADERS => {
                    return Err(malformed("the headers of a part are too long"));
                }
                None => self.fill().await?,
            }
        };
        if end > MOST_HEADERS {
            return Err(malformed("the headers of a part are too long"));
        }
        let head = self.buffer.split_to(end + 4);
        let head =
            std::str::from_utf8(&head).map_err(|_| malformed("the headers of a part are not UTF-8"))?;
        self.is_in_part = true;
        let disposition = head.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
        });
        let disposition = disposition.ok_or_else(|| malformed("a part has no content-disposition"))?;
        let name = parameter(disposition, "name").ok_or_else(|| malformed("a part has no name"))?;
        Ok(Some(PartHead { name, file_name: parameter(disposition, "filename") }))
    }

    /// The next piece of the present part; `None` at its end.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, io::Error> {
        if !self.is_in_part {
            return Ok(None);
        }
        loop {
            match find(&self.buffer, &self.delimiter) {
                Some(0) => {
                    let _ = self.buffer.split_to(self.delimiter.len());
                    self.is_in_part = false;
                    return Ok(None);
                }
                Some(end) => return Ok(Some(self.buffer.split_to(end).freeze())),
                None => {}
            }
            // What is left may be the beginning of the delimiter.
            let certain = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
            if certain > 0 {
                return Ok(Some(self.buffer.split_to(certain).freeze()));
            }
            self.fill().await?;
        }
    }

    /// The whole of the present part, a short text.
    pub(super) async fn text(&mut self, most: usize) -> Result<String, io::Error> {
        let mut text = Vec::new();
        while let Some(piece) = self.piece().await? {
            text.extend_from_slice(&piece);
            if text.len() > most {
                return Err(malformed("a part that is no file is too long"));
            }
        }
        String::from_utf8(text).map_err(|_| malformed("a part that is no file is not UTF-8"))
    }

    async fn fill(&mut self) -> Result<(), io::Error> {
        match self.content.next().await {
            Some(piece) => {
                self.buffer.extend_from_slice(&piece?);
                Ok(())
            }
            None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the form has no end")),
        }
    }

    /// What comes after the end belongs to nothing.
    async fn forget_the_rest(&mut self) {
        let mut left = MOST_AFTERWARDS;
        while let Some(Ok(piece)) = self.content.next().await {
            if piece.len() > left {
                return;
            }
            left -= piece.len();
        }
    }
}

fn malformed(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Where this begins for the first time. It begins with a carriage return, of which there are few.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(place) = bytes[from..].iter().position(|byte| *byte == b'\r') {
        let place = from + place;
        if bytes[place..].starts_with(wanted) {
            return Some(place);
        }
        from = place + 1;
    }
    None
}

fn boundary(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(value, "boundary")?;
    let is_plain = boundary.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    (is_plain && (1..=LONGEST_BOUNDARY).contains(&boundary.len())).then_some(boundary)
}

/// A parameter of a header's value: what comes after `; name=`, in quotes or without.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (found, after) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        if name.trim_start_matches([';', ' ', '\t']).trim_end().eq_ignore_ascii_case(wanted) {
            return Some(found);
        }
        rest = after;
    }
}

/// A text up to its closing quote, and what comes after that.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut found = String::new();
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '"' => return Some((found, &text[place + 1..])),
            // Other backslashes stand for themselves: some clients send paths.
            '\\' if text[place + 1..].starts_with(['"', '\\']) => {
                found.extend(characters.next().map(|(_, escaped)| escaped));
            }
            other => found.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests;
