//! How the learning rate goes on over the steps of a run.

use std::f64::consts::PI;

/// A schedule: pure, so a resumed run needs nothing but the number of the step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The first steps over which the rate grows evenly from almost nothing to its full height.
    pub warmup_steps: u64,
    /// What comes then.
    pub shape: Shape,
}

/// The course of the rate after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// As it is.
    Constant,
    /// Times `factor` after every so many epochs; after each epoch: exponential.
    Step {
        /// How many epochs the rate stays.
        every: u64,
        /// What it is multiplied by then.
        factor: f64,
    },
    /// Half a cosine down to `floor` of the full rate at the last step.
    Cosine {
        /// The part of the full rate that is left at the end.
        floor: f64,
    },
}

impl Schedule {
    /// A rate that stays.
    pub const CONSTANT: Self = Self { warmup_steps: 0, shape: Shape::Constant };

    /// The part of the full rate for a step, counted from 0, of a run of so many steps, so many of them an epoch.
    pub fn factor(&self, step: u64, steps_per_epoch: u64, total_steps: u64) -> f64 {
        if step < self.warmup_steps {
            return (step + 1) as f64 / self.warmup_steps as f64;
        }
        let after = step - self.warmup_steps;
        match self.shape {
            Shape::Constant => 1.0,
            Shape::Step { every, factor } => {
                let epochs = step / steps_per_epoch.max(1);
                factor.powf((epochs / every.max(1)) as f64)
            }
            Shape::Cosine { floor } => {
                // The last step, not the one after it, stands at the floor.
                let last = total_steps.saturating_sub(self.warmup_steps).saturating_sub(1).max(1);
                let done = (after as f64 / last as f64).min(1.0);
                floor + (1.0 - floor) * 0.5 * (1.0 + (PI * done).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schedule: Schedule, total: u64, expected: &[(u64, f64)]) {
        for (step, factor) in expected {
            let actual = schedule.factor(*step, 2, total);
            assert!((actual - factor).abs() < 1e-12, "{schedule:?} at {step}: {actual}, not {factor}");
        }
    }

    #[test]
    fn each_shape_goes_its_course() {
        let of = |shape| Schedule { warmup_steps: 0, shape };
        check(of(Shape::Constant), 10, &[(0, 1.0), (9, 1.0)]);
        // Two steps an epoch.
        check(of(Shape::Step { every: 3, factor: 0.1 }), 20, &[(0, 1.0), (5, 1.0), (6, 0.1), (12, 0.01)]);
        check(of(Shape::Step { every: 1, factor: 0.5 }), 20, &[(0, 1.0), (1, 1.0), (2, 0.5), (6, 0.125)]);
        check(of(Shape::Cosine { floor: 0.0 }), 11, &[(0, 1.0), (5, 0.5), (10, 0.0), (99, 0.0)]);
        check(of(Shape::Cosine { floor: 0.2 }), 11, &[(0, 1.0), (5, 0.6), (10, 0.2)]);
    }

    #[test]
    fn a_warm_up_grows_evenly_and_the_shape_begins_after_it() {
        let warm = Schedule { warmup_steps: 4, shape: Shape::Cosine { floor: 0.0 } };
        check(warm, 15, &[(0, 0.25), (1, 0.5), (3, 1.0), (4, 1.0), (9, 0.5), (14, 0.0)]);
    }

    #[test]
    fn a_run_of_one_step_has_a_rate() {
        check(Schedule { warmup_steps: 0, shape: Shape::Cosine { floor: 0.0 } }, 1, &[(0, 1.0)]);
    }
}
