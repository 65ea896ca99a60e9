//! Which progress is told.

use std::time::{Duration, Instant};

/// The least time between two tellings of one phase.
const PAUSE: Duration = Duration::from_millis(100);

/// Lets about ten steps a second pass, and always the first and the last of a phase.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    last: Option<(Instant, String)>,
}

impl Throttle {
    /// Whether this step of this phase is told.
    pub(super) fn lets_pass(&mut self, now: Instant, phase: &str, step: u64, of: u64) -> bool {
        let passes = match &self.last {
            Some((at, last)) => last != phase || step == of || now.duration_since(*at) >= PAUSE,
            None => true,
        };
        if passes {
            self.last = Some((now, phase.to_owned()));
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_step_of_a_phase_pass_and_some_between() {
        let begun = Instant::now();
        let mut throttle = Throttle::default();
        let steps = [
            (0, "reading", 1, 0, true),
            (1, "reading", 2, 0, false),
            (2, "training", 1, 50, true),
            (3, "training", 2, 50, false),
            (101, "training", 3, 50, false),
            (102, "training", 4, 50, true),
            (103, "training", 5, 50, false),
            (104, "training", 50, 50, true),
            (105, "exporting", 1, 1, true),
            (106, "training", 1, 50, true),
        ];
        for (at, phase, step, of, expected) in steps {
            let now = begun + Duration::from_millis(at);
            assert_eq!(throttle.lets_pass(now, phase, step, of), expected, "{at} ms, {phase} {step}");
        }
    }
}
