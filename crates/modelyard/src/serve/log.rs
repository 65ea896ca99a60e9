//! The log on standard error.

use std::io::IsTerminal as _;

use anyhow::{Context as _, Result};
use tracing_subscriber::EnvFilter;

use crate::settings::LogSettings;

/// Starts logging; once in a process.
pub(super) fn start(settings: &LogSettings) -> Result<()> {
    let filter = EnvFilter::try_new(&settings.filter)
        .with_context(|| format!("setting 'log.filter' is '{}'", settings.filter))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if settings.json {
        builder.json().init();
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).init();
    }
    Ok(())
}
