//! What can be wrong with data, said so that whoever owns the data can mend it.

use std::io;

use yard_types::{Coded, ErrorCode};

/// Why data could not be read, typed or divided. Rows are counted from 1, without a header.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or folder cannot be read at all.
    #[error("cannot read {file}")]
    Read {
        /// As the caller named it.
        file: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Neither the ending nor the caller says what the file is.
    #[error(
        "{file}: unknown format; say which one it is: csv, parquet, json_lines, idx, npy, npz or image_folder"
    )]
    UnknownFormat {
        /// As the caller named it.
        file: String,
    },
    /// There is not a single row.
    #[error("{file} has no rows")]
    Empty {
        /// As the caller named it.
        file: String,
    },
    /// The file breaks the rules of its format.
    #[error("{file} is not a valid {format} file: {problem}")]
    Malformed {
        /// As the caller named it.
        file: String,
        /// The format it was read as.
        format: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// One row of a text file breaks the rules of its format.
    #[error("{file}, line {line}{}: {problem}", column.as_ref().map(|name| format!(", column `{name}`")).unwrap_or_default())]
    BadRow {
        /// As the caller named it.
        file: String,
        /// Counted from 1, with the header.
        line: u64,
        /// Where it is known.
        column: Option<String>,
        /// What is wrong.
        problem: String,
    },
    /// Valid, but made of something that is not read here.
    #[error("{file}: {what} is not supported")]
    Unsupported {
        /// As the caller named it.
        file: String,
        /// What it is.
        what: String,
    },
    /// A bound that keeps memory in hand would be passed.
    #[error("{file}: {what} is {found}, the limit is {limit}")]
    TooLarge {
        /// As the caller named it.
        file: String,
        /// What is too large.
        what: String,
        /// Its size.
        found: u64,
        /// The largest that is allowed.
        limit: u64,
    },
    /// A column that was asked for is not there.
    #[error("there is no column `{column}`; there are: {}", listed(available))]
    NoSuchColumn {
        /// What was asked for.
        column: String,
        /// What there is.
        available: Vec<String>,
    },
    /// Two columns bear one name.
    #[error("{file} has two columns named `{column}`; give each a name of its own")]
    DuplicateColumn {
        /// As the caller named it.
        file: String,
        /// The name.
        column: String,
    },
    /// A value does not fit the type of its column.
    #[error(
        "row {row}, column `{column}`: `{value}` is not {expected}; mend the value, or give the column another type \
         under [data.columns.{column}]"
    )]
    WrongType {
        /// Counted from 1, without the header.
        row: u64,
        /// Its name.
        column: String,
        /// The value, shortened.
        value: String,
        /// What was expected, with its article.
        expected: String,
    },
    /// Infinities cannot be learned from.
    #[error(
        "row {row}, column `{column}`: the value is infinite; replace it by a number or leave it empty (missing)"
    )]
    Infinite {
        /// Counted from 1, without the header.
        row: u64,
        /// Its name.
        column: String,
    },
    /// No label in a row.
    #[error(
        "row {row}: the label `{column}` is missing or not a number (NaN); give it a value or remove the row"
    )]
    LabelMissing {
        /// Counted from 1, without the header.
        row: u64,
        /// The label's name.
        column: String,
    },
    /// There is nothing to tell apart.
    #[error("the label `{column}` has one class only, `{class}`; at least two are needed")]
    OneClass {
        /// The label's name.
        column: String,
        /// The only class.
        class: String,
    },
    /// The table would not fit.
    #[error(
        "the data need {needed} bytes of memory, the limit is {limit}; raise the limit, choose fewer columns \
         (ignore = [...]) or give fewer rows"
    )]
    MemoryLimit {
        /// What all rows of the chosen columns take.
        needed: u64,
        /// What is allowed.
        limit: u64,
    },
    /// There are not enough rows for what is asked.
    #[error("{rows} rows are too few {purpose}")]
    TooFewRows {
        /// How many there are.
        rows: usize,
        /// What for.
        purpose: String,
    },
    /// A schema or an option cannot be used.
    #[error("{problem}")]
    Invalid {
        /// What is wrong and what would be right.
        problem: String,
    },
}

impl DataError {
    pub(crate) fn malformed(file: &str, format: &'static str, problem: impl Into<String>) -> Self {
        Self::Malformed { file: file.to_owned(), format, problem: problem.into() }
    }

    pub(crate) fn read(file: &str, source: io::Error) -> Self {
        Self::Read { file: file.to_owned(), source }
    }
}

impl Coded for DataError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => ErrorCode::NotFound,
            Self::Read { .. } => ErrorCode::Internal,
            Self::TooLarge { .. } | Self::MemoryLimit { .. } => ErrorCode::PayloadTooLarge,
            Self::Unsupported { .. } => ErrorCode::Unsupported,
            _ => ErrorCode::InvalidArgument,
        }
    }
}

/// At most a dozen names: a wide file must not flood the message.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut text = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// The beginning of a value, fit for a message.
pub(crate) fn shortened(value: &str) -> String {
    const SHOWN: usize = 60;
    let mut text: String = value.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if value.chars().nth(SHOWN).is_some() {
        text.push('…');
    }
    text
}
