//! The last words of a worker.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    task::JoinHandle,
};

/// How much of what it wrote is kept.
const KEPT_BYTES: usize = 16 * 1024;

/// Reads a worker's standard error to its end, so that the worker never waits for it, and keeps the last of it.
#[derive(Debug)]
pub(crate) struct StderrTail {
    kept: Arc<Mutex<VecDeque<u8>>>,
    /// `None` once it has come to its end.
    reading: Option<JoinHandle<()>>,
}

impl StderrTail {
    pub(crate) fn new(mut stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let kept = Arc::new(Mutex::new(VecDeque::new()));
        let reading = {
            let kept = Arc::clone(&kept);
            tokio::spawn(async move {
                let mut piece = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut piece).await {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.extend(&piece[..count]);
                    let excess = kept.len().saturating_sub(KEPT_BYTES);
                    kept.drain(..excess);
                }
            })
        };
        Self { kept, reading: Some(reading) }
    }

    /// Waits until all has been read.
    pub(crate) async fn finished(&mut self) {
        if let Some(reading) = &mut self.reading {
            // It can fail only by panicking or being aborted, and then there is nothing more to come.
            let _ = reading.await;
            self.reading = None;
        }
    }

    /// What is kept: 16 KiB at most, with control characters other than line ends escaped.
    pub(crate) fn text(&self) -> String {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(kept.make_contiguous());
        let mut plain = String::with_capacity(text.len());
        for letter in text.chars() {
            if letter.is_control() && letter != '\n' {
                plain.extend(letter.escape_default());
            } else {
                plain.push(letter);
            }
        }
        plain
    }
}

impl Drop for StderrTail {
    fn drop(&mut self) {
        if let Some(reading) = &self.reading {
            reading.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_words_are_kept_and_cannot_steer_a_terminal() {
        let mut written = b"first".repeat(10_000);
        written.extend_from_slice(b"\n\x1b[31mlast\xff");
        let mut tail = StderrTail::new(std::io::Cursor::new(written));
        tail.finished().await;
        tail.finished().await;
        let text = tail.text();
        assert!(text.ends_with("\n\\u{1b}[31mlast\u{fffd}"), "{}", &text[text.len() - 40..]);
        assert!(text.starts_with("first") || text.len() < KEPT_BYTES + 32);
        assert!(tail.kept.lock().unwrap().len() == KEPT_BYTES);
    }
}
