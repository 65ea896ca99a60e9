//! The bar that shows how far a transfer has come.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use yard_client::{Progress, ProgressSink, TransferStep};

/// A bar on stderr; nothing when nobody watches. Removed from the screen when it is dropped.
#[derive(Debug)]
pub(crate) struct TransferBar(ProgressBar);

impl TransferBar {
    pub(super) fn new(visible: bool) -> Self {
        if !visible {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template(
            "{msg:24!} [{bar:30}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}",
        );
        // The template is fixed, so a failure would show in the first test; a plain bar is still a bar.
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        Self(bar)
    }

    /// Where the transfer reports to.
    pub(crate) fn sink(&self) -> ProgressSink {
        let bar = self.0.clone();
        ProgressSink::new(move |progress| show(&bar, progress))
    }
}

fn show(bar: &ProgressBar, progress: Progress<'_>) {
    if bar.is_hidden() {
        return;
    }
    let verb = match progress.step {
        TransferStep::Hash => "hashing",
        TransferStep::Send => "sending",
        TransferStep::Receive => "receiving",
        TransferStep::Prove => {
            bar.set_message("the server proves it");
            bar.enable_steady_tick(Duration::from_millis(200));
            return;
        }
    };
    bar.set_length(progress.total);
    bar.set_position(progress.done);
    let name = progress.path.map_or("", |path| path.file_name());
    bar.set_message(format!("{verb} {name}"));
}

impl Drop for TransferBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
