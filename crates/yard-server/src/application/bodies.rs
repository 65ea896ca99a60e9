//! Records as bodies of the management API, and back where a body is read.

mod jobs;

use std::{num::NonZeroUsize, time::Duration};

use yard_access::{AuditEntry, CreatedKey, KeyRecord, UsageRow};
use yard_api::management::{
    AliasBody, AliasMoveBody, AuditEntryBody, CreatedKey as CreatedKeyBody, EngineBody, FileBody,
    JoiningBody, KeyBody, LanguageBody, ModelBody, Passport, ProofBody, ProvenanceBody, ServingOptionsBody,
    SignatureBody, TensorBody, UploadBody, UsageBody, VersionBody, WarmUpBody,
};
use yard_registry::{
    AliasMove, AliasRecord, EngineStamp, FileRecord, JoiningRecord, LanguageRecord, ModelRecord, ProofRecord,
    Provenance, QueueClassLimits, ServingOptions, UploadRecord, VersionRecord, WarmUpRecord,
};
use yard_types::{Dim, Signature, TensorSpec, VersionNumber};

pub(crate) use jobs::{
    data_set, data_set_draft, data_set_in_short, job, job_event, job_in_short, log_line, metric,
};

use super::{ApplicationError, error::member};
use crate::clock::rfc3339;

pub(crate) fn model(model: &ModelRecord, versions: &[VersionRecord], aliases: &[AliasRecord]) -> ModelBody {
    ModelBody {
        name: model.name.to_string(),
        created_at: rfc3339(model.created_at),
        latest_version: versions.iter().map(|version| version.number.get()).max(),
        versions: u32::try_from(versions.len()).unwrap_or(u32::MAX),
        aliases: aliases.iter().map(|alias| (alias.alias.to_string(), alias.version.get())).collect(),
        serving: serving_options(&model.serving),
    }
}

pub(crate) fn version(version: &VersionRecord, aliases: &[AliasRecord]) -> VersionBody {
    let own = aliases.iter().filter(|alias| alias.version == version.number);
    VersionBody {
        model: version.model.to_string(),
        version: version.number.get(),
        state: version.state.as_str().to_owned(),
        created_at: rfc3339(version.created_at),
        created_by: version.created_by.to_string(),
        digest: version.digest.to_string(),
        size: version.files.iter().map(|file| file.size).sum(),
        engine: version.proof.engine.name.clone(),
        aliases: own.map(|alias| alias.alias.to_string()).collect(),
        language: version.proof.language.as_ref().map(language),
    }
}

fn language(record: &LanguageRecord) -> LanguageBody {
    LanguageBody {
        architecture: record.architecture.clone(),
        parameters: record.parameters,
        context: record.context,
        vocabulary: record.vocabulary,
        width: record.width,
        quantization: record.quantization.clone(),
        tokenizer: record.tokenizer.clone(),
        chat_template: record.chat_template.clone(),
        tokens_per_second: record.tokens_per_second,
        weight_bytes: record.weight_bytes,
        position_bytes: record.position_bytes,
    }
}

pub(crate) fn passport(record: &VersionRecord, aliases: &[AliasRecord], moves: &[AliasMove]) -> Passport {
    Passport {
        version: version(record, aliases),
        files: record.files.iter().map(file).collect(),
        signature: signature(&record.proof.signature),
        provenance: provenance(&record.provenance),
        proof: proof(&record.proof),
        alias_history: moves.iter().map(alias_move).collect(),
    }
}

pub(crate) fn file(file: &FileRecord) -> FileBody {
    FileBody { path: file.path.to_string(), digest: file.digest.to_string(), size: file.size }
}

fn signature(signature: &Signature) -> SignatureBody {
    SignatureBody {
        inputs: signature.inputs.iter().map(tensor).collect(),
        outputs: signature.outputs.iter().map(tensor).collect(),
    }
}

fn tensor(spec: &TensorSpec) -> TensorBody {
    let dim = |dim: &Dim| match dim {
        Dim::Fixed(size) => size.to_string(),
        Dim::Symbol(symbol) => symbol.clone(),
        Dim::Any => "?".to_owned(),
    };
    TensorBody {
        name: spec.name.clone(),
        datatype: spec.data_type.to_string(),
        shape: spec.shape.as_ref().map(|dims| dims.iter().map(dim).collect()),
        labels: spec.labels.clone(),
    }
}

fn provenance(provenance: &Provenance) -> ProvenanceBody {
    ProvenanceBody {
        origin: provenance.origin.clone(),
        parent: provenance.parent.map(VersionNumber::get),
        note: provenance.note.clone(),
        facts: provenance.facts.iter().cloned().collect(),
    }
}

fn proof(proof: &ProofRecord) -> ProofBody {
    ProofBody {
        engine: engine(&proof.engine),
        main_file: proof.main.to_string(),
        joining: match &proof.joining {
            JoiningRecord::Allowed { max_difference } => {
                JoiningBody { allowed: true, max_difference: Some(*max_difference), reason: None }
            }
            JoiningRecord::Refused { reason } => {
                JoiningBody { allowed: false, max_difference: None, reason: Some(reason.clone()) }
            }
        },
        warm_up: match &proof.warm_up {
            WarmUpRecord::Ran { shapes } => WarmUpBody { shapes: Some(shapes.clone()), skipped: None },
            WarmUpRecord::Skipped { reason } => WarmUpBody { shapes: None, skipped: Some(reason.clone()) },
        },
        golden_samples: proof.golden_samples,
        single_run_microseconds: proof.single_run.map(|time| time.as_secs_f64() * 1e6),
        memory_bytes: proof.memory_bytes,
    }
}

pub(crate) fn engine(engine: &EngineStamp) -> EngineBody {
    EngineBody { name: engine.name.clone(), version: engine.version.clone() }
}

pub(crate) fn alias(alias: &AliasRecord) -> AliasBody {
    AliasBody {
        alias: alias.alias.to_string(),
        version: alias.version.get(),
        moved_at: rfc3339(alias.moved_at),
    }
}

fn alias_move(alias_move: &AliasMove) -> AliasMoveBody {
    AliasMoveBody {
        alias: alias_move.alias.to_string(),
        from: alias_move.from.map(VersionNumber::get),
        to: alias_move.to.map(VersionNumber::get),
        at: rfc3339(alias_move.at),
        by: alias_move.by.to_string(),
    }
}

pub(crate) fn upload(upload: &UploadRecord) -> UploadBody {
    UploadBody {
        id: upload.id.to_string(),
        model: upload.model.to_string(),
        state: upload.state.as_str().to_owned(),
        created_at: rfc3339(upload.created_at),
        files: upload.files.iter().map(file).collect(),
        failure: upload.failure.clone(),
        version: upload.version.map(VersionNumber::get),
    }
}

pub(crate) fn key(key: &KeyRecord) -> KeyBody {
    let patterns = key.models.patterns();
    KeyBody {
        id: key.id.to_string(),
        name: key.name.clone(),
        role: key.role.to_string(),
        models: (!patterns.is_empty()).then(|| patterns.iter().map(ToString::to_string).collect()),
        requests_per_minute: key.rate.map(|rate| rate.requests_per_minute()),
        burst: key.rate.map(|rate| rate.burst()),
        tokens_per_minute: key.budget.tokens_per_minute,
        tokens_per_day: key.budget.tokens_per_day,
        tokens_per_month: key.budget.tokens_per_month,
        tokens_per_request: key.budget.tokens_per_request,
        weight: key.weight.get(),
        created_at: rfc3339(key.created_at),
        expires_at: key.expires_at.map(rfc3339),
        revoked_at: key.revoked_at.map(rfc3339),
    }
}

pub(crate) fn created_key(created: &CreatedKey) -> CreatedKeyBody {
    CreatedKeyBody { key: key(&created.record), secret: created.text.reveal().to_owned() }
}

pub(crate) fn usage(row: &UsageRow) -> UsageBody {
    UsageBody {
        key: row.key.map(|key| key.to_string()),
        model: row.model.to_string(),
        day: row.day.to_string(),
        requests: row.requests,
        prompt_tokens: row.prompt_tokens,
        answer_tokens: row.answer_tokens,
    }
}

pub(crate) fn audit_entry(entry: &AuditEntry) -> AuditEntryBody {
    AuditEntryBody {
        sequence: entry.sequence,
        at: rfc3339(entry.at),
        actor: entry.actor.to_string(),
        action: entry.action.clone(),
        subject: entry.subject.clone(),
        detail: entry.detail.clone(),
    }
}

pub(crate) fn serving_options(options: &ServingOptions) -> ServingOptionsBody {
    ServingOptionsBody {
        max_batch: options.max_batch.map(NonZeroUsize::get),
        max_queue_delay_microseconds: options.max_queue_delay.map(|delay| delay.as_micros() as u64),
        queue_length: options.queue_length.interactive.map(NonZeroUsize::get),
        background_queue_length: options.queue_length.background.map(NonZeroUsize::get),
        workers: options.workers.map(NonZeroUsize::get),
        timeout_milliseconds: options.timeout.map(|timeout| timeout.as_millis() as u64),
        share_prefixes: options.share_prefixes.then_some(true),
    }
}

/// Largest values: what is beyond them is a slip of the pen.
const MAX_COUNT: usize = 1 << 20;
const MAX_DELAY: Duration = Duration::from_secs(10);
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn read_serving_options(body: &ServingOptionsBody) -> Result<ServingOptions, ApplicationError> {
    let count = |name: &'static str, value: Option<usize>| {
        let Some(value) = value else { return Ok(None) };
        match NonZeroUsize::new(value) {
            Some(count) if value <= MAX_COUNT => Ok(Some(count)),
            _ => Err(member(name, format!("'{name}' is a number from 1 to {MAX_COUNT}"))),
        }
    };
    let max_queue_delay = body.max_queue_delay_microseconds.map(Duration::from_micros);
    if max_queue_delay.is_some_and(|delay| delay > MAX_DELAY) {
        return Err(member(
            "max_queue_delay_microseconds",
            "'max_queue_delay_microseconds' is at most 10000000",
        ));
    }
    let timeout = body.timeout_milliseconds.map(Duration::from_millis);
    if timeout.is_some_and(|timeout| timeout.is_zero() || timeout > MAX_TIMEOUT) {
        return Err(member("timeout_milliseconds", "'timeout_milliseconds' is a number from 1 to 86400000"));
    }
    Ok(ServingOptions {
        max_batch: count("max_batch", body.max_batch)?,
        max_queue_delay,
        queue_length: QueueClassLimits {
            interactive: count("queue_length", body.queue_length)?,
            background: count("background_queue_length", body.background_queue_length)?,
        },
        workers: count("workers", body.workers)?,
        timeout,
        share_prefixes: body.share_prefixes.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serving_options_read_back() {
        let body = ServingOptionsBody {
            max_batch: Some(8),
            max_queue_delay_microseconds: Some(500),
            queue_length: Some(10),
            background_queue_length: Some(5),
            workers: Some(2),
            timeout_milliseconds: Some(1500),
            share_prefixes: Some(true),
        };
        assert_eq!(serving_options(&read_serving_options(&body).unwrap()), body);
        let none = ServingOptionsBody::default();
        assert_eq!(read_serving_options(&none).unwrap(), ServingOptions::default());
    }

    #[test]
    fn senseless_serving_options_are_refused() {
        let none = ServingOptionsBody::default;
        for body in [
            ServingOptionsBody { max_batch: Some(0), ..none() },
            ServingOptionsBody { workers: Some(usize::MAX), ..none() },
            ServingOptionsBody { timeout_milliseconds: Some(0), ..none() },
            ServingOptionsBody { max_queue_delay_microseconds: Some(u64::MAX), ..none() },
        ] {
            assert!(read_serving_options(&body).is_err(), "{body:?}");
        }
    }
}
