//! Structured columns: JSON with a `format` number.
//!
//! These structs are what stands on disk. They are converted by hand, so that a change of a domain type does not change
//! what is stored unnoticed. To change a format: add a struct for the new one, raise its number, read both, write the
//! new one, and add a sample of it to the museum in the tests. A sample is never edited or taken away.

mod proof;

use std::{num::NonZeroUsize, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use yard_registry::{ProofRecord, Provenance, QueueClassLimits, ServingOptions, StoreError};
use yard_types::VersionNumber;

use crate::columns::{backend, unusable};

/// The first format of each of the columns, and the only one of all but proofs and serving options.
const FORMAT: u32 = 1;
/// The format of serving options that share what was computed for one key: the first one, and that they do. A program that
/// does not know it must not serve the model as if nothing had been said.
const SHARING_FORMAT: u32 = 2;

/// Reads the number alone.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[derive(Debug, thiserror::Error)]
#[error("format {0} is not known: it was written by a newer version of Modelyard")]
struct UnknownFormat(u32);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredServing {
    format: u32,
    max_batch: Option<NonZeroUsize>,
    max_queue_delay_ns: Option<u64>,
    interactive_queue: Option<NonZeroUsize>,
    background_queue: Option<NonZeroUsize>,
    workers: Option<NonZeroUsize>,
    timeout_ns: Option<u64>,
    /// There in [`SHARING_FORMAT`], and in no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    share_prefixes: Option<bool>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredProvenance {
    format: u32,
    parent: Option<u32>,
    note: Option<String>,
    origin: String,
    facts: Vec<(String, String)>,
}

pub(super) fn serving_to_json(options: &ServingOptions) -> Result<String, StoreError> {
    write(&StoredServing {
        format: if options.share_prefixes { SHARING_FORMAT } else { FORMAT },
        max_batch: options.max_batch,
        max_queue_delay_ns: options.max_queue_delay.map(nanoseconds),
        interactive_queue: options.queue_length.interactive,
        background_queue: options.queue_length.background,
        workers: options.workers,
        timeout_ns: options.timeout.map(nanoseconds),
        share_prefixes: options.share_prefixes.then_some(true),
    })
}

pub(super) fn serving_from_json(text: &str) -> Result<ServingOptions, StoreError> {
    let stored: StoredServing = read_one_of(&[FORMAT, SHARING_FORMAT], "serving_json", text)?;
    if stored.share_prefixes.is_some() != (stored.format == SHARING_FORMAT) {
        let message = format!("format {} and what it says of sharing do not agree", stored.format);
        return Err(unusable("serving_json", message));
    }
    Ok(ServingOptions {
        max_batch: stored.max_batch,
        max_queue_delay: stored.max_queue_delay_ns.map(Duration::from_nanos),
        queue_length: QueueClassLimits {
            interactive: stored.interactive_queue,
            background: stored.background_queue,
        },
        workers: stored.workers,
        timeout: stored.timeout_ns.map(Duration::from_nanos),
        share_prefixes: stored.share_prefixes.unwrap_or_default(),
    })
}

pub(super) fn provenance_to_json(provenance: &Provenance) -> Result<String, StoreError> {
    write(&StoredProvenance {
        format: FORMAT,
        parent: provenance.parent.map(VersionNumber::get),
        note: provenance.note.clone(),
        origin: provenance.origin.clone(),
        facts: provenance.facts.clone(),
    })
}

pub(super) fn provenance_from_json(text: &str) -> Result<Provenance, StoreError> {
    let stored: StoredProvenance = read("provenance_json", text)?;
    let parent = stored.parent.map(VersionNumber::new).transpose();
    Ok(Provenance {
        parent: parent.map_err(|error| unusable("provenance_json", error))?,
        note: stored.note,
        origin: stored.origin,
        facts: stored.facts,
    })
}

pub(super) fn proof_to_json(proof: &ProofRecord) -> Result<String, StoreError> {
    write(&proof::StoredProof::from_record(proof))
}

pub(super) fn proof_from_json(text: &str) -> Result<ProofRecord, StoreError> {
    let known = [FORMAT, proof::LANGUAGE_FORMAT, proof::POSITION_FORMAT];
    let stored: proof::StoredProof = read_one_of(&known, "proof_json", text)?;
    stored.into_record().map_err(|error| unusable("proof_json", error))
}

fn write(stored: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(stored).map_err(backend)
}

fn read<T: DeserializeOwned>(column: &'static str, text: &str) -> Result<T, StoreError> {
    read_one_of(&[FORMAT], column, text)
}

fn read_one_of<T: DeserializeOwned>(
    known: &[u32],
    column: &'static str,
    text: &str,
) -> Result<T, StoreError> {
    let Format { format } = serde_json::from_str(text).map_err(|error| unusable(column, error))?;
    if !known.contains(&format) {
        return Err(unusable(column, UnknownFormat(format)));
    }
    serde_json::from_str(text).map_err(|error| unusable(column, error))
}

/// Durations as whole nanoseconds; those over 584 years are held there.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
