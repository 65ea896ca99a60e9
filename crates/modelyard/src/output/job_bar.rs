//! The bar that shows how far a job has come.

use std::{sync::Mutex, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::harmless;

/// Most numbers that stand beside the bar.
const MAX_NUMBERS: usize = 4;

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
            let style = ProgressStyle::with_template("{prefix:22!} [{bar:30}] {pos}/{len} {elapsed} {msg}");
            // The template is fixed, so a failure would show in the first test; a plain bar is still a bar.
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
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
        if let Ok(mut last) = self.phase.lock()
            && *last != phase
        {
            phase.clone_into(&mut last);
            self.bar.set_prefix(harmless(phase).replace('\n', " "));
        }
        self.bar.set_length(of.unwrap_or(0).max(step));
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

impl Drop for JobBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
