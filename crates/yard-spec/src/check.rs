//! What keys must say together, checked before any data is read.

use crate::{error::SpecError, spec::TrainingSpec};

pub(crate) fn check(spec: &TrainingSpec) -> Result<(), SpecError> {
    spec.data.source()?;
    if let Some(test) = &spec.data.test {
        test.source()?;
    }
    Ok(())
}
