//! What is measured, and what came of it.

use std::time::Duration;

use super::streams::Told;
use crate::bench::figures::median;
use crate::bench::tools::Load;

/// What prompts and answers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Short prompts, each another one.
    Private,
    /// The same, and answers that are held to a JSON schema.
    Schema,
    /// Long prompts, each another one.
    Long,
    /// Prompts as long, which begin alike.
    Shared,
}

/// One measurement of each round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) kind: Kind,
    pub(super) clients: usize,
}

/// In this order: what is long and private drives the shared beginning out of the peer's slots.
pub(super) const WORKS: [Work; 10] = [
    Work { kind: Kind::Private, clients: 1 },
    Work { kind: Kind::Private, clients: 4 },
    Work { kind: Kind::Private, clients: 16 },
    Work { kind: Kind::Schema, clients: 1 },
    Work { kind: Kind::Schema, clients: 4 },
    Work { kind: Kind::Long, clients: 1 },
    Work { kind: Kind::Long, clients: 4 },
    Work { kind: Kind::Shared, clients: 1 },
    Work { kind: Kind::Shared, clients: 4 },
    Work { kind: Kind::Shared, clients: 16 },
];

/// A work with what both servers did, round by round.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) work: Work,
    pub(super) ours: Vec<Told>,
    pub(super) peer: Vec<Told>,
    /// What Modelyard's own process computed, without that of its model, in all rounds.
    pub(super) server_cpu: Duration,
}

/// The ONNX model, round by round.
#[derive(Debug, Default)]
pub(super) struct Neighbour {
    pub(super) alone: Vec<Load>,
    pub(super) beside: Vec<Load>,
}

/// All that was measured on so many threads.
#[derive(Debug)]
pub(super) struct OnThreads {
    pub(super) threads: u32,
    /// Whether both went on with the same text.
    pub(super) agree: bool,
    pub(super) measured: Vec<Measured>,
    pub(super) neighbour: Neighbour,
}

// === impl Measured ===

impl Measured {
    pub(super) fn new(work: Work) -> Self {
        Self { work, ours: Vec::new(), peer: Vec::new(), server_cpu: Duration::ZERO }
    }

    /// Microseconds of the server for each token that Modelyard wrote.
    pub(super) fn overhead(&self) -> f64 {
        overhead(&[self])
    }
}

/// Microseconds of the server for each token of all these.
pub(super) fn overhead(measured: &[&Measured]) -> f64 {
    let cpu: Duration = measured.iter().map(|one| one.server_cpu).sum();
    let tokens: f64 = measured.iter().flat_map(|one| &one.ours).map(|told| told.tokens).sum();
    cpu.as_secs_f64() * 1e6 / tokens
}

// === impl OnThreads ===

impl OnThreads {
    pub(super) fn find(&self, kind: Kind, clients: usize) -> Option<&Measured> {
        self.measured.iter().find(|measured| measured.work == Work { kind, clients })
    }
}

/// Of all rounds, figure by figure.
pub(super) fn middle(rounds: &[Told], figure: fn(&Told) -> f64) -> f64 {
    median(rounds.iter().map(figure))
}

#[cfg(test)]
pub(super) mod examples {
    use super::*;

    pub(in crate::bench::llm_service) fn told(tokens_per_second: f64, to_first: f64) -> Told {
        Told {
            tokens: 1000.0,
            tokens_per_second,
            to_first_p50_ms: to_first,
            to_first_p99_ms: to_first * 2.0,
            between_p50_ms: 6.25,
            between_p99_ms: 12.0,
        }
    }

    /// Every answer of Modelyard is three times as fast, shared beginnings are ten times, and schemas cost a fifth.
    pub(in crate::bench::llm_service) fn on_threads() -> OnThreads {
        let measured = |work: Work| {
            let (speed, to_first) = match work.kind {
                Kind::Private => (300.0, 50.0),
                Kind::Schema => (240.0, 50.0),
                Kind::Long => (100.0, 900.0),
                Kind::Shared => (100.0, 90.0),
            };
            Measured {
                work,
                ours: vec![told(speed, to_first)],
                peer: vec![told(speed / 3.0, to_first * 3.0)],
                server_cpu: Duration::from_millis(50),
            }
        };
        let load = |p50_ms: f64| Load {
            per_second: 4000.0,
            p50_ms,
            p99_ms: 2.5,
            answered_in_all: 4000,
            generator_share: None,
        };
        let neighbour = Neighbour { alone: vec![load(0.5)], beside: vec![load(0.75)] };
        OnThreads { threads: 1, agree: true, measured: WORKS.into_iter().map(measured).collect(), neighbour }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_reckoned_by_the_tokens_of_all_rounds() {
        let mut measured = Measured::new(WORKS[0]);
        measured.ours = vec![examples::told(300.0, 50.0), examples::told(310.0, 50.0)];
        measured.server_cpu = Duration::from_millis(100);
        assert_eq!(measured.overhead(), 50.0);
        let other = Measured::new(WORKS[1]);
        assert_eq!(overhead(&[&measured, &other]), 50.0);
        assert_eq!(middle(&measured.ours, |told| told.tokens_per_second), 305.0);
    }
}
