//! What keys must say together, checked before any data is read.
//!
//! Types, words and ranges are looked at where keys are read; here are the rules between keys.

mod data;
mod fit;
mod network;
mod search;

use crate::{error::SpecError, spec::TrainingSpec};

pub(crate) fn check(spec: &TrainingSpec) -> Result<(), SpecError> {
    data::check_data(&spec.data)?;
    data::check_split(spec)?;
    fit::check_fit(spec)?;
    if let Some(search) = &spec.search {
        search::check_search(spec, search)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
