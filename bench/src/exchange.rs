//! One keep-alive HTTP/1.1 connection that sends the same request again and again.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Longest answer, in bytes; more is an error of the server measured.
const MAX_ANSWER: usize = 64 << 20;

/// What to ask.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where.
    pub address: SocketAddr,
    /// The path.
    pub path: String,
    /// More header lines, without line ends.
    pub headers: Vec<String>,
    /// The body of a POST; without one it is a GET.
    pub body: Option<Vec<u8>>,
}

/// Why an exchange failed.
#[derive(Debug)]
pub enum ExchangeError {
    /// The connection.
    Io(std::io::Error),
    /// The answer is not HTTP/1.1 with a length.
    Malformed(&'static str),
    /// The answer is not 200.
    Status {
        /// What it is.
        status: u16,
        /// The start of its body.
        body: String,
    },
}

/// A connection and its buffers.
#[derive(Debug)]
pub struct Exchange {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl std::fmt::Display for ExchangeError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => write!(formatter, "the connection failed: {error}"),
            Self::Malformed(what) => formatter.write_str(what),
            Self::Status { status, body } => write!(formatter, "status {status}: {body}"),
        }
    }
}

impl std::error::Error for ExchangeError {}

impl Target {
    pub(crate) fn request(&self) -> Vec<u8> {
        let method = if self.body.is_some() { "POST" } else { "GET" };
        let mut head = format!("{method} {} HTTP/1.1\r\nHost: {}\r\n", self.path, self.address);
        for line in &self.headers {
            head.push_str(line);
            head.push_str("\r\n");
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut request = head.into_bytes();
        request.extend_from_slice(self.body.as_deref().unwrap_or_default());
        request
    }
}

impl Exchange {
    /// Connects.
    pub async fn connect(target: &Target) -> Result<Self, ExchangeError> {
        let stream = TcpStream::connect(target.address).await.map_err(ExchangeError::Io)?;
        stream.set_nodelay(true).map_err(ExchangeError::Io)?;
        Ok(Self { stream, request: target.request(), answer: Vec::with_capacity(8192) })
    }

    /// Sends the request and reads the whole answer, whose body is given back.
    pub async fn ask(&mut self) -> Result<&[u8], ExchangeError> {
        self.stream.write_all(&self.request).await.map_err(ExchangeError::Io)?;
        self.answer.clear();
        let head_end = loop {
            if let Some(end) = find(&self.answer, b"\r\n\r\n") {
                break end + 4;
            }
            self.read_more().await?;
        };
        let (status, length) = parse_head(&self.answer[..head_end])?;
        if length > MAX_ANSWER {
            return Err(ExchangeError::Malformed("the answer is too long"));
        }
        while self.answer.len() < head_end + length {
            self.read_more().await?;
        }
        if status != 200 {
            let body = String::from_utf8_lossy(&self.answer[head_end..]).chars().take(300).collect();
            return Err(ExchangeError::Status { status, body });
        }
        Ok(&self.answer[head_end..])
    }

    async fn read_more(&mut self) -> Result<(), ExchangeError> {
        match self.stream.read_buf(&mut self.answer).await {
            Ok(0) => Err(ExchangeError::Malformed("the server closed the connection")),
            Ok(_) => Ok(()),
            Err(error) => Err(ExchangeError::Io(error)),
        }
    }
}

pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn parse_head(head: &[u8]) -> Result<(u16, usize), ExchangeError> {
    let head = std::str::from_utf8(head).map_err(|_| ExchangeError::Malformed("the head is not text"))?;
    let status = head.get(9..12).and_then(|status| status.parse().ok());
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    match (status, length) {
        (Some(status), Some(length)) => Ok((status, length)),
        _ => Err(ExchangeError::Malformed("the head has no status or no length")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: Option<&[u8]>, expected: &str) {
        let target = Target {
            address: "127.0.0.1:80".parse().unwrap(),
            path: "/v2".to_owned(),
            headers: vec!["A: b".to_owned()],
            body: body.map(<[u8]>::to_vec),
        };
        assert_eq!(String::from_utf8(target.request()).unwrap(), expected);
    }

    #[test]
    fn a_body_makes_a_post_and_none_a_get() {
        check(None, "GET /v2 HTTP/1.1\r\nHost: 127.0.0.1:80\r\nA: b\r\n\r\n");
        check(
            Some(b"body"),
            "POST /v2 HTTP/1.1\r\nHost: 127.0.0.1:80\r\nA: b\r\nContent-Length: 4\r\n\r\nbody",
        );
    }

    #[test]
    fn heads_are_read_whatever_the_case() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 12\r\nx: y\r\n\r\n";
        assert!(matches!(parse_head(head), Ok((200, 12))));
        assert!(parse_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(parse_head(b"garbage\r\n\r\n").is_err());
    }
}
