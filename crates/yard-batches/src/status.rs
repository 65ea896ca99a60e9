//! Where a batch stands, and what may come after what.

use std::{fmt, str::FromStr};

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BatchStatus {
    /// Its lines are being read for the first time.
    Validating,
    /// Its lines run.
    InProgress,
    /// Its files are being written.
    Finalizing,
    /// Every line has an answer.
    Completed,
    /// Its input cannot be used: no line ran.
    Failed,
    /// Its time was over before all lines had an answer.
    Expired,
    /// It was called off, and its files are being written.
    Cancelling,
    /// It was called off.
    Cancelled,
}

/// The text names no status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such status of a batch")]
pub struct StatusError;

impl BatchStatus {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Validating,
        Self::InProgress,
        Self::Finalizing,
        Self::Completed,
        Self::Failed,
        Self::Expired,
        Self::Cancelling,
        Self::Cancelled,
    ];

    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Validating => "validating",
            Self::InProgress => "in_progress",
            Self::Finalizing => "finalizing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing changes any more.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Expired | Self::Cancelled)
    }

    /// Whether this may come next.
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Validating => matches!(next, Self::InProgress | Self::Failed | Self::Cancelled),
            Self::InProgress => matches!(next, Self::Finalizing | Self::Cancelling),
            Self::Finalizing => matches!(next, Self::Completed | Self::Expired | Self::Cancelling),
            Self::Cancelling => matches!(next, Self::Cancelled),
            Self::Completed | Self::Failed | Self::Expired | Self::Cancelled => false,
        }
    }
}

impl FromStr for BatchStatus {
    type Err = StatusError;

    fn from_str(text: &str) -> Result<Self, StatusError> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(StatusError)
    }
}

impl fmt::Display for BatchStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_ends_and_every_state_but_the_first_has_one_before_it() {
        for status in BatchStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
            let has_next = BatchStatus::ALL.into_iter().any(|next| status.may_become(next));
            assert_eq!(has_next, !status.is_end(), "{status}");
            let has_former = BatchStatus::ALL.into_iter().any(|former| former.may_become(status));
            assert_eq!(has_former, status != BatchStatus::Validating, "{status}");
        }
    }
}
