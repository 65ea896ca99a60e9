//! A place in a JSON text.

use std::{borrow::Cow, fmt};

use bytes::Bytes;

use super::decimal;

/// What is wrong with a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    EndOfText,
    Expected(&'static str),
    ControlCharacter,
    Escape,
    Surrogate,
    Utf8,
    Number,
    NotANumber,
    TrailingBytes,
    TooDeep,
}

/// The body is not JSON, or not of the kind that belongs at this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonError {
    at: usize,
    fault: Fault,
}

/// A place in a JSON text that a client sent.
///
/// The text is held as [`Bytes`], so that strings without escapes can be taken out of it without copying.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    source: &'a Bytes,
    bytes: &'a [u8],
    at: usize,
}

// === impl JsonError ===

impl JsonError {
    pub(crate) const fn new(at: usize, fault: Fault) -> Self {
        Self { at, fault }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at;
        match self.fault {
            Fault::EndOfText => write!(formatter, "it ends too early, at byte {at}"),
            Fault::Expected(what) => write!(formatter, "expected {what} at byte {at}"),
            Fault::ControlCharacter => {
                write!(formatter, "unescaped control character in a string at byte {at}")
            }
            Fault::Escape => write!(formatter, "unknown escape in a string at byte {at}"),
            Fault::Surrogate => write!(formatter, "half a surrogate pair in a string at byte {at}"),
            Fault::Utf8 => write!(formatter, "the string at byte {at} is not UTF-8"),
            Fault::Number => write!(formatter, "malformed number at byte {at}"),
            Fault::NotANumber => write!(formatter, "JSON has no NaN or Infinity, but byte {at} starts one"),
            Fault::TrailingBytes => {
                write!(formatter, "something follows the end of the document at byte {at}")
            }
            Fault::TooDeep => write!(formatter, "lists are nested too deep at byte {at}"),
        }
    }
}

impl std::error::Error for JsonError {}

// === impl Cursor ===

impl<'a> Cursor<'a> {
    pub(crate) fn new(source: &'a Bytes) -> Self {
        Self { source, bytes: source, at: 0 }
    }

    /// A cursor over the first `length` bytes of the source.
    pub(crate) fn over_prefix(source: &'a Bytes, length: usize) -> Self {
        Self { source, bytes: source.get(..length).unwrap_or(source), at: 0 }
    }

    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    pub(crate) const fn move_to(&mut self, at: usize) {
        self.at = at;
    }

    #[inline(always)]
    pub(crate) const fn advance(&mut self, count: usize) {
        self.at += count;
    }

    /// What is still to be read.
    #[inline(always)]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The whole text.
    pub(crate) const fn text(&self) -> &'a [u8] {
        self.bytes
    }

    /// Takes the number at the cursor, if a well-formed one stands there.
    pub(crate) fn number(&mut self) -> Option<&'a str> {
        self.peek();
        let start = self.at;
        self.at += decimal::scan(self.rest())?;
        // What was scanned is ASCII.
        std::str::from_utf8(self.since(start)).ok()
    }

    /// The text from `start` to here.
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// The next byte that is not white space, without taking it.
    #[inline(always)]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            // Every JSON token starts above the space character, so one comparison settles the common case.
            if byte > b' ' {
                return Some(byte);
            }
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Takes the next token if it is this byte.
    #[inline(always)]
    pub(crate) fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    #[inline(always)]
    pub(crate) fn expect(&mut self, wanted: u8, name: &'static str) -> Result<(), JsonError> {
        if self.take(wanted) { Ok(()) } else { Err(self.unexpected(name)) }
    }

    /// An error at the next token.
    #[cold]
    pub(crate) fn unexpected(&mut self, expected: &'static str) -> JsonError {
        match self.peek() {
            None => self.error(Fault::EndOfText),
            Some(_) => self.error(Fault::Expected(expected)),
        }
    }

    pub(crate) const fn error(&self, fault: Fault) -> JsonError {
        JsonError::new(self.at, fault)
    }

    /// Takes a word such as `true`, if it stands here.
    pub(crate) fn take_word(&mut self, word: &'static str) -> bool {
        self.peek();
        let found = self.rest().starts_with(word.as_bytes());
        self.at += if found { word.len() } else { 0 };
        found
    }

    /// Checks that only white space is left.
    pub(crate) fn finish(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error(Fault::TrailingBytes)),
        }
    }

    /// Steps to the next member of the object whose `{` was taken, past its `:`. `None` at the end of the object.
    ///
    /// `first` starts as true.
    pub(crate) fn next_member(&mut self, first: &mut bool) -> Result<Option<Cow<'a, str>>, JsonError> {
        if self.take(b'}') {
            // A comma before the brace would have asked for another member below.
            return Ok(None);
        }
        if !*first {
            self.expect(b',', "',' or '}'")?;
        }
        *first = false;
        let name = self.string("a member name in quotes")?;
        self.expect(b':', "':'")?;
        Ok(Some(name))
    }

    /// Steps to the next element of the list whose `[` was taken. False at the end of the list.
    ///
    /// `first` starts as true.
    pub(crate) fn next_element(&mut self, first: &mut bool) -> Result<bool, JsonError> {
        if self.take(b']') {
            return Ok(false);
        }
        if !*first {
            self.expect(b',', "',' or ']'")?;
        }
        *first = false;
        Ok(true)
    }

    /// Takes a string; `name` is what the error calls what should have stood here.
    #[inline]
    pub(crate) fn string(&mut self, name: &'static str) -> Result<Cow<'a, str>, JsonError> {
        self.expect(b'"', name)?;
        let start = self.at;
        if self.skip_plain()? == b'"' {
            let text = self.plain_text(start)?;
            self.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        let mut text = self.plain_text(start)?.to_owned();
        loop {
            // Here stands a backslash.
            text.push(self.escape()?);
            let start = self.at;
            let end = self.skip_plain()?;
            text.push_str(self.plain_text(start)?);
            if end == b'"' {
                self.at += 1;
                return Ok(Cow::Owned(text));
            }
        }
    }

    /// Takes a string as bytes; a string without escapes shares the memory of the body.
    pub(crate) fn string_bytes(&mut self) -> Result<Bytes, JsonError> {
        let text = self.string("a string")?;
        Ok(match text {
            // The string ends one byte back, before its closing quote.
            Cow::Borrowed(text) => self.source.slice(self.at - 1 - text.len()..self.at - 1),
            Cow::Owned(text) => Bytes::from(text),
        })
    }

    /// Moves to the quote or backslash that ends a run of plain characters, and returns it.
    fn skip_plain(&mut self) -> Result<u8, JsonError> {
        let rest = self.rest();
        let length = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
        self.at += length.unwrap_or(rest.len());
        match length.map(|length| rest[length]) {
            None => Err(self.error(Fault::EndOfText)),
            Some(end @ (b'"' | b'\\')) => Ok(end),
            Some(_) => Err(self.error(Fault::ControlCharacter)),
        }
    }

    fn plain_text(&self, start: usize) -> Result<&'a str, JsonError> {
        std::str::from_utf8(self.since(start)).map_err(|_| JsonError::new(start, Fault::Utf8))
    }

    /// Takes one escape, of which the backslash stands here.
    fn escape(&mut self) -> Result<char, JsonError> {
        let letter = self.bytes.get(self.at + 1).copied().ok_or(self.error(Fault::EndOfText))?;
        let character = match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => return Err(self.error(Fault::Escape)),
        };
        self.at += 2;
        Ok(character)
    }

    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let first = self.code_unit(self.at)?;
        if let Some(character) = char::from_u32(first) {
            self.at += 6;
            return Ok(character);
        }
        let is_high = (0xd800..0xdc00).contains(&first);
        let followed = self.rest().get(6..8) == Some(b"\\u");
        if !is_high || !followed {
            return Err(self.error(Fault::Surrogate));
        }
        let second = self.code_unit(self.at + 6)?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(self.error(Fault::Surrogate));
        }
        let code_point = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        self.at += 12;
        char::from_u32(code_point).ok_or(self.error(Fault::Surrogate))
    }

    /// The code unit of a `\uXXXX` that starts at `at`.
    fn code_unit(&self, at: usize) -> Result<u32, JsonError> {
        let digits = self.bytes.get(at + 2..at + 6).ok_or(self.error(Fault::EndOfText))?;
        digits.iter().try_fold(0, |unit, digit| {
            let value = char::from(*digit).to_digit(16).ok_or(JsonError::new(at, Fault::Escape))?;
            Ok(unit << 4 | value)
        })
    }
}
