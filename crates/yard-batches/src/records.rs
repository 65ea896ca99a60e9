//! What is kept of files and batches.

use std::{collections::BTreeMap, fmt, str::FromStr};

use yard_types::{Digest, Timestamp};

use crate::{BatchId, BatchStatus, FileId};

/// Whose files and batches these are: the id of a key, or nothing on a server without keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Owner(pub String);

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The input of a batch.
    Batch,
    /// What a batch has written.
    BatchOutput,
}

/// A file. Its bytes are kept by their digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Its id.
    pub id: FileId,
    /// Whose it is.
    pub owner: Owner,
    /// What it is for.
    pub purpose: Purpose,
    /// What its sender calls it.
    pub name: String,
    /// Of its bytes.
    pub digest: Digest,
    /// How many they are.
    pub bytes: u64,
    /// When it came.
    pub created_at: Timestamp,
    /// From when it is gone.
    pub expires_at: Option<Timestamp>,
}

/// What all lines of a batch ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `/v1/chat/completions`.
    ChatCompletions,
    /// `/v1/completions`.
    Completions,
    /// `/v1/embeddings`.
    Embeddings,
    /// `/v1/responses`.
    Responses,
}

/// How long a batch may take, as it was asked: `24h`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    text: String,
    milliseconds: i64,
}

/// The text is no window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a completion window is a number of hours or days from 1h to 7d, such as '24h'")]
pub struct WindowError;

/// The text names nothing that batches can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a batch asks for one of /v1/chat/completions, /v1/completions, /v1/embeddings and /v1/responses")]
pub struct EndpointError;

/// The text names no purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the purpose of a file is 'batch'")]
pub struct PurposeError;

/// How many lines there are, and what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All; 0 until they were counted.
    pub total: u64,
    /// Answered.
    pub completed: u64,
    /// Answered with a failure.
    pub failed: u64,
}

/// Why a batch failed: what is wrong with its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// One word for programs.
    pub code: String,
    /// For people.
    pub message: String,
    /// The member of the line that is wrong.
    pub param: Option<String>,
    /// The line, counted from 1; `None` for the file as a whole.
    pub line: Option<u32>,
}

/// Most characters of what is said of a problem: it may repeat what was sent.
const LONGEST_MESSAGE: usize = 200;

/// What the files of an owner take up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Files that were uploaded.
    pub uploaded: u64,
    /// Bytes of all files, and of what was answered to lines of batches that have not ended.
    pub bytes: u64,
}

/// When a batch came into its states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moments {
    /// Its lines were let run.
    pub in_progress: Option<Timestamp>,
    /// No more lines were begun.
    pub finalizing: Option<Timestamp>,
    /// It was called off.
    pub cancelling: Option<Timestamp>,
    /// It ended.
    pub ended: Option<Timestamp>,
}

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// Whose it is.
    pub owner: Owner,
    /// What its lines ask for.
    pub endpoint: Endpoint,
    /// The file with its lines, as it was named; it may have been deleted since.
    pub input_file: FileId,
    /// What was in that file. It is kept until the batch has ended.
    pub input_digest: Digest,
    /// How long it may take.
    pub window: Window,
    /// What its maker noted.
    pub metadata: BTreeMap<String, String>,
    /// Where it stands.
    pub status: BatchStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is given up.
    pub expires_at: Timestamp,
    /// When it came into its states.
    pub moments: Moments,
    /// What became of its lines.
    pub counts: Counts,
    /// Why it failed.
    pub problems: Vec<Problem>,
    /// The answers.
    pub output_file: Option<FileId>,
    /// The failures, and what was not done.
    pub error_file: Option<FileId>,
}

/// What became of a line. It is written once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineRecord {
    /// Which line of the file, counted from 1.
    pub line: u32,
    /// What its sender calls it.
    pub custom_id: String,
    /// The HTTP status of its answer.
    pub status: u16,
    /// The id of the request that it became.
    pub request_id: String,
    /// The answer, a JSON document.
    pub body: String,
}

/// How a batch ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchEnd {
    /// `Completed`, `Expired` or `Cancelled`.
    pub status: BatchStatus,
    /// The answers, if there are any.
    pub output: Option<StoredFile>,
    /// The failures, and what was not done, if there are any.
    pub errors: Option<StoredFile>,
}

impl Purpose {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::BatchOutput => "batch_output",
        }
    }
}

impl FromStr for Purpose {
    type Err = PurposeError;

    fn from_str(text: &str) -> Result<Self, PurposeError> {
        match text {
            "batch" => Ok(Self::Batch),
            "batch_output" => Ok(Self::BatchOutput),
            _ => Err(PurposeError),
        }
    }
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ChatCompletions, Self::Completions, Self::Embeddings, Self::Responses];

    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::Embeddings => "/v1/embeddings",
            Self::Responses => "/v1/responses",
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        Self::ALL.into_iter().find(|endpoint| endpoint.as_str() == text).ok_or(EndpointError)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Window {
    const HOUR: i64 = 3_600_000;
    const LONGEST: i64 = 7 * 24 * Self::HOUR;

    /// As it was asked.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its length.
    pub const fn milliseconds(&self) -> i64 {
        self.milliseconds
    }
}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let (number, unit) = if let Some(number) = text.strip_suffix('h') {
            (number, Self::HOUR)
        } else if let Some(number) = text.strip_suffix('d') {
            (number, 24 * Self::HOUR)
        } else {
            return Err(WindowError);
        };
        if number.is_empty() || number.len() > 3 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(WindowError);
        }
        let number: i64 = number.parse().map_err(|_| WindowError)?;
        let milliseconds = number * unit;
        if !(Self::HOUR..=Self::LONGEST).contains(&milliseconds) {
            return Err(WindowError);
        }
        Ok(Self { text: text.to_owned(), milliseconds })
    }
}

impl Problem {
    /// A problem; of a long message its beginning is kept.
    pub fn new(code: &str, message: &str, param: Option<&str>, line: Option<u32>) -> Self {
        let is_long = message.chars().nth(LONGEST_MESSAGE).is_some();
        let message = if is_long {
            let beginning: String = message.chars().take(LONGEST_MESSAGE - 1).collect();
            beginning + "…"
        } else {
            message.to_owned()
        };
        Self { code: code.to_owned(), message, param: param.map(str::to_owned), line }
    }
}

impl LineRecord {
    /// What it takes up, about as much as in the file that it will stand in.
    pub const fn bytes(&self) -> u64 {
        (self.custom_id.len() + self.request_id.len() + self.body.len()) as u64
    }

    /// Whether the line was answered, rather than refused.
    pub const fn succeeded(&self) -> bool {
        self.status >= 200 && self.status < 300
    }
}

impl Counts {
    /// Lines with an answer of either kind.
    pub const fn done(&self) -> u64 {
        self.completed + self.failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_hours_or_days() {
        for (text, hours) in [("24h", 24), ("1h", 1), ("7d", 168), ("168h", 168), ("1d", 24)] {
            let window: Window = text.parse().unwrap();
            assert_eq!((window.as_str(), window.milliseconds()), (text, hours * 3_600_000));
        }
        for text in ["", "h", "0h", "169h", "8d", "24", "24 h", "-1h", "+1h", "1.5h", "30m", "9999h"] {
            assert_eq!(text.parse::<Window>(), Err(WindowError), "{text}");
        }
    }

    #[test]
    fn messages_of_problems_are_cut() {
        for (message, kept) in [("é".repeat(200), 200), ("é".repeat(201), 200), ("short".to_owned(), 5)] {
            let problem = Problem::new("c", &message, Some("p"), None);
            assert_eq!(problem.message.chars().count(), kept);
            assert_eq!(problem.message.ends_with('…'), message.chars().count() > kept);
        }
    }

    #[test]
    fn endpoints_read_back() {
        for endpoint in Endpoint::ALL {
            assert_eq!(endpoint.as_str().parse(), Ok(endpoint));
        }
        assert_eq!("/v1/models".parse::<Endpoint>(), Err(EndpointError));
    }
}
