//! The closed set of states of a job, and the ways between them.

use std::fmt;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JobState {
    /// It waits for its turn, for the first time or to go on from its last checkpoint.
    Queued,
    /// A scheduler holds it.
    Running,
    /// It did what it was for.
    Succeeded,
    /// It did not, and the row says why.
    Failed,
    /// Somebody called it off.
    Cancelled,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// The state as it stands in rows and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether nothing follows it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// Whether a job may go from this state to that one.
    pub const fn may_become(self, next: Self) -> bool {
        match (self, next) {
            // Failed without having run: it asks for more than there is.
            (Self::Queued, Self::Running | Self::Failed | Self::Cancelled) => true,
            // Queued again: its child died, or its server stopped.
            (Self::Running, Self::Queued | Self::Succeeded | Self::Failed | Self::Cancelled) => true,
            _ => false,
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_go_from_state_to_state_by_this_table_alone() {
        use JobState::{Cancelled, Failed, Queued, Running, Succeeded};
        // Rows: from. Columns: to, in the order of `ALL`.
        let table = [
            (Queued, [false, true, false, true, true]),
            (Running, [true, false, true, true, true]),
            (Succeeded, [false; 5]),
            (Failed, [false; 5]),
            (Cancelled, [false; 5]),
        ];
        for (from, row) in table {
            for (to, expected) in JobState::ALL.into_iter().zip(row) {
                assert_eq!(from.may_become(to), expected, "{from} -> {to}");
            }
            assert_eq!(from.is_final(), row == [false; 5], "{from}");
        }
    }

    #[test]
    fn every_state_is_found_by_its_name() {
        for state in JobState::ALL {
            assert_eq!(JobState::from_name(state.as_str()), Some(state));
        }
        assert_eq!(JobState::from_name("paused"), None);
    }
}
