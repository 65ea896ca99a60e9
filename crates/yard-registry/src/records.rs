//! What the registry keeps.

use std::{fmt, num::NonZeroUsize, str::FromStr, time::Duration};

use yard_jobs::Completion;
use yard_types::{
    AliasName, Digest, ModelName, PackagePath, Signature, Timestamp, UploadState, VersionNumber, VersionState,
};

/// Who did something: the id of a key, or a part of Modelyard itself. Never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(pub String);

/// The id of an upload: 32 lower-case hexadecimal digits, random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(u128);

/// The text is not an upload id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an upload id is written as 32 lower-case hexadecimal digits")]
pub struct UploadIdError;

/// A model: a name under which versions are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRecord {
    /// Its name.
    pub name: ModelName,
    /// When its first version was made.
    pub created_at: Timestamp,
    /// How its versions are served.
    pub serving: ServingOptions,
}

/// One file of a version or an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRecord {
    /// Where it lies in the package.
    pub path: PackagePath,
    /// Its content.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// An engine's name and version at the time of a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineStamp {
    /// `onnxruntime`, `rten` or `modelyard-llm`.
    pub name: String,
    /// As the engine reports it.
    pub version: String,
}

/// Whether rows of several requests may be run together, and why or why not.
#[derive(Debug, Clone, PartialEq)]
pub enum JoiningRecord {
    /// Three joined rows reproduced three singles.
    Allowed {
        /// The largest difference seen; 0 means bit for bit.
        max_difference: f64,
    },
    /// They may not.
    Refused {
        /// Why.
        reason: String,
    },
}

/// What happened when the model was first run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WarmUpRecord {
    /// It ran on inputs of these shapes, in the order of the signature.
    Ran {
        /// The shapes.
        shapes: Vec<Vec<usize>>,
    },
    /// No input could be made up for it.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// What the proof of a version found.
#[derive(Debug, Clone, PartialEq)]
pub struct ProofRecord {
    /// The engine that will serve the version.
    pub engine: EngineStamp,
    /// Which file is the model.
    pub main: PackagePath,
    /// What the model takes and gives.
    pub signature: Signature,
    /// Whether rows may be joined.
    pub joining: JoiningRecord,
    /// The warm-up.
    pub warm_up: WarmUpRecord,
    /// How many golden samples reproduced.
    pub golden_samples: usize,
    /// Median time of a run of one row; `None` when the warm-up was skipped.
    pub single_run: Option<Duration>,
    /// Growth of the process when the model was loaded and run.
    pub memory_bytes: u64,
    /// What a language model is made of; `None` for all others.
    pub language: Option<LanguageRecord>,
}

/// What a language model is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct LanguageRecord {
    /// The family, as files call it, such as `llama`.
    pub architecture: String,
    /// How many values all tensors have.
    pub parameters: u64,
    /// The longest sequence in tokens, as the file has it.
    pub context: u64,
    /// How many tokens there are.
    pub vocabulary: u64,
    /// How many values the row of a token has.
    pub width: u64,
    /// The type that most bytes of weights have, such as `Q4_0`.
    pub quantization: String,
    /// How text becomes tokens: `byte pairs` or `sentence pieces`.
    pub tokenizer: String,
    /// Where the template of chats comes from: `file`, or the built-in form whose tokens the vocabulary has, such as
    /// `chatml`; `None` when there is none.
    pub chat_template: Option<String>,
    /// Tokens that one answer grew by in a second, at the proof; `None` when the model ended it at once.
    pub tokens_per_second: Option<f64>,
    /// Bytes of the weights, packed for the machine of the proof.
    pub weight_bytes: u64,
    /// Bytes of the keys and values that a token has, as serving keeps them; `None` for versions that were proven before this
    /// was recorded.
    pub position_bytes: Option<u64>,
}

/// Where a version comes from. Everything is optional: a plain push knows little.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Provenance {
    /// The version of the same model it was made from.
    pub parent: Option<VersionNumber>,
    /// Free text of the one who pushed it.
    pub note: Option<String>,
    /// What made it, such as `push` or the id of a job.
    pub origin: String,
    /// Facts by name: training spec, data digests, code version, seed.
    pub facts: Vec<(String, String)>,
}

/// One immutable version.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionRecord {
    /// Its model.
    pub model: ModelName,
    /// Its number.
    pub number: VersionNumber,
    /// Ready or archived.
    pub state: VersionState,
    /// When it became ready.
    pub created_at: Timestamp,
    /// Who pushed it.
    pub created_by: Actor,
    /// The digest of the whole package: of its sorted list of paths and file digests.
    pub digest: Digest,
    /// Its files, sorted by path.
    pub files: Vec<FileRecord>,
    /// What its proof found.
    pub proof: ProofRecord,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// A version about to be written; the store gives it its number.
#[derive(Debug, Clone, PartialEq)]
pub struct NewVersion {
    /// The upload it is made of, which becomes `ready` in the same transaction.
    pub upload: UploadId,
    /// Its model.
    pub model: ModelName,
    /// When.
    pub created_at: Timestamp,
    /// Who.
    pub created_by: Actor,
    /// The digest of the whole package.
    pub digest: Digest,
    /// Its files, sorted by path.
    pub files: Vec<FileRecord>,
    /// What its proof found.
    pub proof: ProofRecord,
    /// Where it comes from.
    pub provenance: Provenance,
    /// The job that made it, which succeeds in the same transaction.
    pub completion: Option<Completion>,
}

/// Where an alias points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasRecord {
    /// Its model.
    pub model: ModelName,
    /// Its name.
    pub alias: AliasName,
    /// The version it points at.
    pub version: VersionNumber,
    /// When it was last moved.
    pub moved_at: Timestamp,
}

/// Why an alias was moved. Rollback undoes promotions, so it has to tell them from earlier rollbacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MoveKind {
    /// It was pointed at a version, by hand or because the model had no `production` yet.
    Promotion,
    /// A promotion was undone.
    Rollback,
    /// It was removed.
    Removal,
}

/// One move of an alias, kept for the record and for rollback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasMove {
    /// Its place among all moves: a later move has a larger one.
    pub sequence: u64,
    /// Why it was moved.
    pub kind: MoveKind,
    /// Its model.
    pub model: ModelName,
    /// Its name.
    pub alias: AliasName,
    /// Where it pointed; `None` when it is new.
    pub from: Option<VersionNumber>,
    /// Where it points now; `None` when it was removed.
    pub to: Option<VersionNumber>,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Actor,
}

/// An upload: files on their way to becoming a version.
#[derive(Debug, Clone, PartialEq)]
pub struct UploadRecord {
    /// Its id.
    pub id: UploadId,
    /// The model that the version will belong to.
    pub model: ModelName,
    /// Where it stands.
    pub state: UploadState,
    /// When it was begun.
    pub created_at: Timestamp,
    /// Who began it.
    pub created_by: Actor,
    /// The files that have come in whole, sorted by path.
    pub files: Vec<FileRecord>,
    /// Why it failed, for the one who pushed it.
    pub failure: Option<String>,
    /// The version made of it, or the identical one that was there.
    pub version: Option<VersionNumber>,
    /// Where the version will come from.
    pub provenance: Provenance,
}

/// How the versions of a model are served. Kept with the model; `None` means the server's default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServingOptions {
    /// Most rows of several requests that are run together. 1 turns batching off.
    pub max_batch: Option<NonZeroUsize>,
    /// How long a request may wait for others to join it.
    pub max_queue_delay: Option<Duration>,
    /// Most waiting requests.
    pub queue_length: QueueClassLimits,
    /// Runs side by side.
    pub workers: Option<NonZeroUsize>,
    /// Longest time a request may take when it does not say itself.
    pub timeout: Option<Duration>,
    /// Whether what a language model computed for one key may serve the requests of others.
    pub share_prefixes: bool,
}

/// Most waiting requests of each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueClassLimits {
    /// Requests somebody waits for.
    pub interactive: Option<NonZeroUsize>,
    /// Work nobody waits for.
    pub background: Option<NonZeroUsize>,
}

// === impl MoveKind ===

impl MoveKind {
    /// The kind as it stands in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Promotion => "promotion",
            Self::Rollback => "rollback",
            Self::Removal => "removal",
        }
    }
}

// === impl UploadId ===

impl UploadId {
    /// Wraps random bits.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl FromStr for UploadId {
    type Err = UploadIdError;

    fn from_str(text: &str) -> Result<Self, UploadIdError> {
        let plain = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !plain {
            return Err(UploadIdError);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| UploadIdError)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
