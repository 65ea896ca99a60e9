//! Why an ONNX file is refused.

/// Why an ONNX file is refused. `Display` is fit for the person who made the file.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// The bytes are not an ONNX model, or contradict themselves.
    #[error("{0}")]
    Malformed(String),
    /// The file refers to another file that is outside the package, missing or too short.
    #[error("it refers to the file '{target}', which is {reason}")]
    ForeignFile {
        /// The reference, as written.
        target: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file asks for more than it may have.
    #[error("it declares {declared} bytes of {what}, more than the {limit} bytes allowed")]
    TooLarge {
        /// Of what.
        what: String,
        /// How much it asks for.
        declared: u64,
        /// How much it may have.
        limit: u64,
    },
    /// The file is valid, but uses something that is not served.
    #[error("{0}")]
    Unsupported(String),
    /// Reading failed.
    #[error("the file could not be read")]
    Io(#[from] std::io::Error),
}

impl OnnxError {
    pub(crate) fn malformed(reason: impl Into<String>) -> Self {
        Self::Malformed(reason.into())
    }
}

/// A name out of a file, cut and escaped so that it cannot flood or garble a log or a terminal.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(96).flat_map(char::escape_debug).collect()
}
