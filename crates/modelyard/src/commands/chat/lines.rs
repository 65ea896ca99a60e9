//! Lines of standard input.

use std::{
    io::{self, BufRead, Read as _},
    thread,
};

use anyhow::{Context as _, Result};
use tokio::sync::mpsc;
use yard_client::ClientError;

/// Longest line, in bytes: more than any model can read at once.
const MAX_LINE: usize = 4 << 20;

/// Lines as they are typed. A thread of its own reads them, since a read that waits cannot be called off; it ends with
/// the process.
#[derive(Debug)]
pub(super) struct Lines(mpsc::Receiver<Result<String>>);

impl Lines {
    /// Those of standard input.
    pub(super) fn of_stdin() -> Result<Self> {
        // One line ahead is enough.
        let (sender, receiver) = mpsc::channel(1);
        let read = move || {
            let mut input = io::stdin().lock();
            while let Some(line) = read_line(&mut input).transpose() {
                let is_last = line.is_err();
                if sender.blocking_send(line).is_err() || is_last {
                    return;
                }
            }
        };
        thread::Builder::new().name("lines".into()).spawn(read).context("cannot start a thread")?;
        Ok(Self(receiver))
    }

    /// Waits for the next line; `None` at the end of the input.
    pub(super) async fn next(&mut self) -> Result<Option<String>> {
        self.0.recv().await.transpose()
    }
}

/// A line without its end; `None` at the end of the input.
fn read_line(input: &mut impl BufRead) -> Result<Option<String>> {
    let mut line = Vec::new();
    let most = MAX_LINE as u64 + 1;
    if input.take(most).read_until(b'\n', &mut line).context("cannot read standard input")? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.len() > MAX_LINE {
        let message = format!("a line of standard input is longer than {MAX_LINE} bytes");
        return Err(ClientError::Request(message).into());
    }
    let line = String::from_utf8(line);
    let line = line.map_err(|_| ClientError::Request("a line of standard input is not UTF-8".to_owned()))?;
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_to_the_end() {
        let mut input = "one\n\ntwo".as_bytes();
        let mut read = || read_line(&mut input).unwrap();
        assert_eq!([read(), read(), read()], ["one", "", "two"].map(|line| Some(line.to_owned())));
        assert_eq!(read(), None);
    }

    #[test]
    fn lines_without_end_and_other_encodings_are_refused() {
        let longest = vec![b'a'; MAX_LINE];
        assert_eq!(
            read_line(&mut [&longest[..], b"\nb"].concat().as_slice()).unwrap().unwrap().len(),
            MAX_LINE
        );
        let error = read_line(&mut [&longest[..], b"ab"].concat().as_slice()).unwrap_err();
        assert!(error.to_string().contains("longer than"), "{error}");
        let error = read_line(&mut &b"\xff\n"[..]).unwrap_err();
        assert!(error.to_string().contains("UTF-8"), "{error}");
    }
}
