//! The bar that shows how far a job has come.

use std::{sync::Mutex, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::harmless;

/// Most numbers that stand beside the bar.
const MAX_NUMBERS: usize = 4;

/// Where it is known how many steps there are, and where it is not: a bar of unknown length would look full.
const COUNTED: &str = "{prefix:22!} [{bar:30}] {pos}/{len} {elapsed} {msg}";
const UNCOUNTED: &str = "{prefix:22!} {spinner} {elapsed} {msg}";

/// A bar on stderr; nothing when nobody watches. Removed from the screen when it is dropped.
#[derive(Debug)]
pub(crate) struct JobBar {
    bar: ProgressBar,
    phase: Mutex<String>,
    /// The last value of each metric, in the order of their first coming.
    numbers: Mutex<Vec<(String, f64)>>,
}

impl JobBar {
    pub(super) fn new(visible: bool) -> Self {
        let bar = if visible {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            bar.set_style(style(false));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        } else {
            ProgressBar::hidden()
        };
        Self { bar, phase: Mutex::default(), numbers: Mutex::default() }
    }

    /// Shows what is being done, when nobody counts its steps.
    pub(crate) fn phase(&self, phase: &str) {
        self.progress(phase, 0, None);
    }

    /// Shows how far it is.
    pub(crate) fn progress(&self, phase: &str, step: u64, of: Option<u64>) {
        self.bar.set_length(of.unwrap_or(0).max(step));
        let shown = shown(phase, step, of);
        if let Ok(mut last) = self.phase.lock()
            && *last != shown
        {
            self.bar.set_style(style(of.is_some()));
            self.bar.set_prefix(shown.clone());
            *last = shown;
        }
        self.bar.set_position(step);
    }

    /// Shows a number beside the bar.
    pub(crate) fn number(&self, split: &str, name: &str, value: f64) {
        let Ok(mut numbers) = self.numbers.lock() else { return };
        let name = format!("{split} {name}");
        match numbers.iter().position(|number| number.0 == name) {
            Some(place) => numbers[place].1 = value,
            None if numbers.len() < MAX_NUMBERS => numbers.push((name, value)),
            None => return,
        }
        let shown: Vec<String> = numbers.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
        self.bar.set_message(harmless(&shown.join(", ")).replace('\n', " "));
    }

    /// Prints something above the bar.
    pub(crate) fn above(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }
}

/// The words before the bar; without a bar they say the step.
fn shown(phase: &str, step: u64, of: Option<u64>) -> String {
    let phase = harmless(phase).replace('\n', " ");
    if of.is_some() || step == 0 { phase } else { format!("{phase} {step}") }
}

fn style(counted: bool) -> ProgressStyle {
    let template = if counted { COUNTED } else { UNCOUNTED };
    // A plain bar is still a bar; that the templates are sound is tested.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

impl Drop for JobBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_nobody_counted_stand_before_the_bar() {
        assert_eq!(shown("starting", 0, None), "starting");
        assert_eq!(shown("reading\nrows", 1200, None), "reading rows 1200");
        assert_eq!(shown("trial", 3, Some(8)), "trial");
        for template in [COUNTED, UNCOUNTED] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
