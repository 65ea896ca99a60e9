//! What was found, and how it is shown.

use serde::Serialize;

use crate::output::Table;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Good,
    /// Works, but could be better.
    Note,
    /// Must be mended.
    Mend,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) what: &'static str,
    pub(super) verdict: Verdict,
    pub(super) found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) advice: Option<String>,
}

impl Finding {
    pub(super) fn good(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Good, found: found.into(), advice: None }
    }

    pub(super) fn note(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Note, found: found.into(), advice: Some(advice.into()) }
    }

    pub(super) fn mend(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Mend, found: found.into(), advice: Some(advice.into()) }
    }
}

pub(super) fn render(findings: &[Finding]) -> String {
    let mut table = Table::bare();
    for finding in findings {
        let verdict = match finding.verdict {
            Verdict::Good => "good",
            Verdict::Note => "note",
            Verdict::Mend => "MEND",
        };
        table.row([verdict, finding.what, &finding.found]);
        if let Some(advice) = &finding.advice {
            table.row(["", "", &format!("-> {advice}")]);
        }
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_stands_below_its_finding() {
        let findings =
            [Finding::good("disk space", "12 GiB free"), Finding::mend("admin key", "none", "make one")];
        assert_eq!(
            render(&findings),
            "good  disk space  12 GiB free\nMEND  admin key   none\n                  -> make one"
        );
    }
}
