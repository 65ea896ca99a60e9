//! What was aimed at, and whether it was reached.

use super::figures::{Kind, Measured, OnThreads, middle, overhead};
use super::streams::Told;

/// A figure with what it has to be.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) what: String,
    /// As shown, with a unit.
    pub(super) ours: String,
    pub(super) peer: String,
    pub(super) does: f64,
    pub(super) target: Target,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Target {
    /// So many times as much.
    AtLeast(f64),
    /// Microseconds.
    AtMost(f64),
}

/// The engine's own targets beside llama.cpp, less a tenth for what a server adds.
const FIRST_TOKEN: Target = Target::AtLeast(2.25);
const SIXTEEN_CLIENTS: Target = Target::AtLeast(2.7);
const ONE_CLIENT: Target = Target::AtLeast(1.26);
/// Of the first token behind a beginning that is known, beside one that is not.
const SHARED: Target = Target::AtLeast(5.0);
/// Of tokens a second under a schema, beside those without.
const SCHEMA: Target = Target::AtLeast(0.85);
/// Of the server for each token.
const OVERHEAD: Target = Target::AtMost(100.0);

impl Judged {
    pub(super) fn is_met(&self) -> bool {
        match self.target {
            Target::AtLeast(least) => self.does >= least,
            Target::AtMost(most) => self.does <= most,
        }
    }

    pub(super) fn shown(&self) -> String {
        match self.target {
            Target::AtLeast(_) => format!("{:.2} x", self.does),
            Target::AtMost(_) => format!("{:.0} us", self.does),
        }
    }
}

impl Target {
    pub(super) fn shown(self) -> String {
        match self {
            Self::AtLeast(least) => format!(">= {least} x"),
            Self::AtMost(most) => format!("<= {most} us"),
        }
    }
}

/// Everything that was aimed at. What was not measured is left out.
pub(super) fn all(on: &OnThreads) -> Vec<Judged> {
    let mut judged = Vec::new();
    if let Some(one) = on.find(Kind::Private, 1) {
        judged.push(sooner("first token, 1 client", one));
    }
    if let Some(one) = on.find(Kind::Long, 1) {
        judged.push(sooner("first token, long prompt, 1 client", one));
    }
    for (clients, target) in [(1, ONE_CLIENT), (16, SIXTEEN_CLIENTS)] {
        if let Some(one) = on.find(Kind::Private, clients) {
            judged.push(faster(one, target));
        }
    }
    for clients in [1, 4] {
        if let (Some(long), Some(shared)) = (on.find(Kind::Long, clients), on.find(Kind::Shared, clients)) {
            judged.push(sooner_when_shared(long, shared));
        }
        if let (Some(free), Some(held)) = (on.find(Kind::Private, clients), on.find(Kind::Schema, clients)) {
            judged.push(under_a_schema(free, held));
        }
    }
    let private: Vec<&Measured> = on.measured.iter().filter(|one| one.work.kind == Kind::Private).collect();
    judged.push(Judged {
        what: "the server's own time for a token".to_owned(),
        ours: "-".to_owned(),
        peer: "-".to_owned(),
        does: overhead(&private),
        target: OVERHEAD,
    });
    judged
}

fn to_first(rounds: &[Told]) -> f64 {
    middle(rounds, |told| told.to_first_p50_ms)
}

fn speed(rounds: &[Told]) -> f64 {
    middle(rounds, |told| told.tokens_per_second)
}

fn sooner(what: &str, one: &Measured) -> Judged {
    let (ours, peer) = (to_first(&one.ours), to_first(&one.peer));
    Judged {
        what: what.to_owned(),
        ours: format!("{ours:.1} ms"),
        peer: format!("{peer:.1} ms"),
        does: peer / ours,
        target: FIRST_TOKEN,
    }
}

fn faster(one: &Measured, target: Target) -> Judged {
    let (ours, peer) = (speed(&one.ours), speed(&one.peer));
    Judged {
        what: format!("tokens/s, {}", clients(one.work.clients)),
        ours: format!("{ours:.0}"),
        peer: format!("{peer:.0}"),
        does: ours / peer,
        target,
    }
}

/// Each beside itself.
fn sooner_when_shared(long: &Measured, shared: &Measured) -> Judged {
    let ours = to_first(&long.ours) / to_first(&shared.ours);
    let peer = to_first(&long.peer) / to_first(&shared.peer);
    Judged {
        what: format!("first token, shared beginning, {}", clients(long.work.clients)),
        ours: format!("{ours:.1} x sooner"),
        peer: format!("{peer:.1} x sooner"),
        does: ours,
        target: SHARED,
    }
}

/// Each beside itself.
fn under_a_schema(free: &Measured, held: &Measured) -> Judged {
    let ours = speed(&held.ours) / speed(&free.ours);
    let peer = speed(&held.peer) / speed(&free.peer);
    Judged {
        what: format!("tokens/s under a schema, {}", clients(free.work.clients)),
        ours: format!("{ours:.2} of free"),
        peer: format!("{peer:.2} of free"),
        does: ours,
        target: SCHEMA,
    }
}

pub(super) fn clients(count: usize) -> String {
    if count == 1 { "1 client".to_owned() } else { format!("{count} clients") }
}

#[cfg(test)]
mod tests {
    use super::super::figures::examples;
    use super::*;

    #[test]
    fn what_falls_short_is_told_from_what_is_met() {
        let judged = all(&examples::on_threads());
        let short: Vec<&str> =
            judged.iter().filter(|one| !one.is_met()).map(|one| one.what.as_str()).collect();
        assert_eq!(short, ["tokens/s under a schema, 1 client", "tokens/s under a schema, 4 clients"]);
        let told: Vec<String> = judged.iter().map(Judged::shown).collect();
        assert_eq!(told[..2], ["3.00 x", "3.00 x"]);
        assert_eq!(told.last().map(String::as_str), Some("50 us"));
    }

    #[test]
    fn a_figure_that_is_no_number_meets_nothing() {
        let mut on = examples::on_threads();
        on.measured.clear();
        assert!(all(&on).iter().all(|one| !one.is_met()));
    }
}
