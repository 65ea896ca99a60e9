//! Packages made to do harm.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Broken, Faults, Subject};
use crate::{LoadError, LoadOptions};

/// What must become of a package.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It is no model.
    Malformed,
    /// It reaches for a file that is not its own.
    ForeignFile,
    /// It asks for more than it may have.
    TooLarge,
    /// It uses what no engine has.
    Unsupported,
}

const FATES: [(&str, Fate); 15] = [
    ("empty", Fate::Malformed),
    ("truncated", Fate::Malformed),
    ("garbage", Fate::Malformed),
    ("not-a-model", Fate::Malformed),
    ("deep-nesting", Fate::Malformed),
    ("external-passwd", Fate::ForeignFile),
    ("external-parent", Fate::ForeignFile),
    ("external-absolute", Fate::ForeignFile),
    ("external-missing", Fate::ForeignFile),
    ("external-symlink", Fate::ForeignFile),
    ("external-beyond-end", Fate::ForeignFile),
    ("huge-initializer", Fate::TooLarge),
    ("huge-constant", Fate::TooLarge),
    ("unknown-operator", Fate::Unsupported),
    ("future-opset", Fate::Unsupported),
];

/// Packages made to do harm are refused with the fitting error, without a panic, and without a path of this machine in
/// the message.
pub fn hostile_packages(subject: &Subject<'_>) -> Result<(), Broken> {
    let mut faults = Faults::new("hostile packages");
    for (name, fate) in FATES {
        let verdict = subject.package("hostile", name).and_then(|package| {
            let load = || subject.engine.load(&package, &LoadOptions::default());
            let error = match catch_unwind(AssertUnwindSafe(load)) {
                Err(_) => return Err("the engine panicked".to_owned()),
                Ok(Ok(_)) => return Err("loaded".to_owned()),
                Ok(Err(error)) => error,
            };
            let message = error.to_string();
            let assets = subject.assets.to_string_lossy();
            if message.contains(&*assets) {
                return Err(format!("the message gives away where things are: {message}"));
            }
            if fate.fits(&error) { Ok(()) } else { Err(format!("not {fate:?}, but: {error:?}")) }
        });
        faults.check(name, verdict);
    }
    faults.verdict()
}

impl Fate {
    const fn fits(self, error: &LoadError) -> bool {
        match self {
            Self::Malformed => matches!(error, LoadError::Malformed { .. }),
            Self::ForeignFile => matches!(error, LoadError::ForeignFile { .. }),
            Self::TooLarge => matches!(error, LoadError::TooLarge { .. }),
            Self::Unsupported => matches!(
                error,
                LoadError::UnsupportedOperator { .. }
                    | LoadError::Unsupported { .. }
                    | LoadError::Refused { .. }
            ),
        }
    }
}
