//! Reading server-sent events out of pieces of any size.

use std::collections::VecDeque;

/// Longest line, and longest data of one event.
const MAX_LINE: usize = 256 << 10;

/// One event as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RawEvent {
    /// Its type; `message` where none was given.
    pub(crate) kind: String,
    /// Its data, lines joined.
    pub(crate) data: String,
}

/// The stream cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("an event or a line of it is longer than {MAX_LINE} bytes")]
    TooLong,
    #[error("a line is not UTF-8")]
    NotUtf8,
}

/// What has come of an event that is not whole.
#[derive(Debug, Default)]
pub(crate) struct EventReader {
    line: Vec<u8>,
    kind: String,
    data: Option<String>,
}

impl EventReader {
    /// Takes a piece in and hands on the events that it completes. Lines end with a line feed, with or without a carriage
    /// return before it.
    pub(crate) fn take(&mut self, piece: &[u8], events: &mut VecDeque<RawEvent>) -> Result<(), ReadError> {
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.append(&rest[..end])?;
            rest = &rest[end + 1..];
            let mut line = std::mem::take(&mut self.line);
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            let line = String::from_utf8(line).map_err(|_| ReadError::NotUtf8)?;
            self.line_ended(&line, events)?;
        }
        self.append(rest)
    }

    fn append(&mut self, part: &[u8]) -> Result<(), ReadError> {
        if self.line.len() + part.len() > MAX_LINE {
            return Err(ReadError::TooLong);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn line_ended(&mut self, line: &str, events: &mut VecDeque<RawEvent>) -> Result<(), ReadError> {
        if line.is_empty() {
            let kind = std::mem::take(&mut self.kind);
            if let Some(data) = self.data.take() {
                let kind = if kind.is_empty() { "message".to_owned() } else { kind };
                events.push_back(RawEvent { kind, data });
            }
            return Ok(());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.kind),
            "data" => {
                let data = match self.data.take() {
                    Some(data) => data + "\n" + value,
                    None => value.to_owned(),
                };
                if data.len() > MAX_LINE {
                    return Err(ReadError::TooLong);
                }
                self.data = Some(data);
            }
            // Comments, ids (which the data has as well), and what is not known.
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<Vec<RawEvent>, ReadError> {
        let (mut reader, mut events) = (EventReader::default(), VecDeque::new());
        for piece in pieces {
            reader.take(piece, &mut events)?;
        }
        Ok(events.into())
    }

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let event = |(kind, data): &(&str, &str)| RawEvent { kind: (*kind).into(), data: (*data).into() };
        let expected: Vec<RawEvent> = expected.iter().map(event).collect();
        assert_eq!(read(&[text.as_bytes()]), Ok(expected), "{text:?}");
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        check("id: 1\nevent: log\ndata: {}\n\n", &[("log", "{}")]);
        check("id:1\r\nevent:log\r\ndata:a\r\ndata: b\r\n\r\n", &[("log", "a\nb")]);
        check(": still here\n\n:\n\nretry: 1000\n\n", &[]);
        check("data\n\n", &[("message", "")]);
        check("event: log\n\ndata: x\n\n", &[("message", "x")]);
        check("data:  two\nunknown: 1\nnothing\n\n", &[("message", " two")]);
        check("data: unfinished\n", &[]);
    }

    #[test]
    fn what_grows_without_end_is_refused() {
        let line = vec![b'a'; MAX_LINE];
        assert_eq!(read(&[&line]), Ok(vec![]));
        assert_eq!(read(&[&line, b"a"]), Err(ReadError::TooLong));
        let half = format!("data: {}\n", "a".repeat(MAX_LINE / 2));
        assert_eq!(read(&[half.as_bytes(), half.as_bytes(), half.as_bytes()]), Err(ReadError::TooLong));
        assert_eq!(read(&[b"data: \xff\n"]), Err(ReadError::NotUtf8));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_pieces_end(
            text in "(event|data|id|:|x)?:? ?[a-z\n\r:é]{0,40}\n{0,2}",
            cut in 0_usize..60,
        ) {
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            prop_assert_eq!(read(&[bytes]), read(&[&bytes[..cut], &bytes[cut..]]));
        }
    }
}
