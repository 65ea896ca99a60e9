//! Models, versions, aliases and passports.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// All models that the key may see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelList {
    /// By name.
    pub models: Vec<ModelBody>,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelBody {
    /// Its name.
    pub name: String,
    /// When its first version became ready.
    pub created_at: String,
    /// Its newest version; none while its first is still being proven.
    pub latest_version: Option<u32>,
    /// How many versions it has, archived ones included.
    pub versions: u32,
    /// Which version each alias points at. `production` is what an unversioned request gets.
    pub aliases: BTreeMap<String, u32>,
    /// How its versions are served.
    pub serving: ServingOptionsBody,
}

/// How the versions of a model are served. A member left out means the server's default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServingOptionsBody {
    /// Most rows of several requests that are run together; 1 turns batching off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_batch: Option<usize>,
    /// How long a request may wait for others to join it, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_queue_delay_microseconds: Option<u64>,
    /// Most waiting interactive requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_length: Option<usize>,
    /// Most waiting background requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background_queue_length: Option<usize>,
    /// Runs side by side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<usize>,
    /// Longest time a request may take when it does not say itself, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_milliseconds: Option<u64>,
    /// Whether what a language model computed for the beginning of one key's prompt may serve the prompts of other keys. It
    /// saves time, and lets a key tell from the time whether another has asked the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_prefixes: Option<bool>,
}

/// All versions of a model, by number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VersionList {
    /// By number.
    pub versions: Vec<VersionBody>,
}

/// One version in short; its passport says the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VersionBody {
    /// Its model.
    pub model: String,
    /// Its number.
    pub version: u32,
    /// `ready` or `archived`.
    pub state: String,
    /// When it became ready.
    pub created_at: String,
    /// The id of the key that pushed it.
    pub created_by: String,
    /// SHA-256 of the whole package.
    pub digest: String,
    /// Bytes of all its files.
    pub size: u64,
    /// The engine that serves it.
    pub engine: String,
    /// The aliases that point at it.
    pub aliases: Vec<String>,
    /// What it is made of, if it is a language model.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub language: Option<LanguageBody>,
}

/// What a language model is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LanguageBody {
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
    /// `chatml`. Left out when there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub chat_template: Option<String>,
    /// Tokens that one answer grew by in a second, at the proof. Left out when the model ended it at once.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tokens_per_second: Option<f64>,
    /// Bytes of the weights, packed for the machine of the proof.
    pub weight_bytes: u64,
    /// Bytes of the keys and values that a token has. Left out for versions that were pushed before this was recorded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub position_bytes: Option<u64>,
}

/// One file of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileBody {
    /// Its path inside the package.
    pub path: String,
    /// Its SHA-256.
    pub digest: String,
    /// Its bytes.
    pub size: u64,
}

/// The files of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileList {
    /// By path.
    pub files: Vec<FileBody>,
}

/// Everything that is known of a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Passport {
    /// The version in short.
    #[serde(flatten)]
    pub version: VersionBody,
    /// Its files.
    pub files: Vec<FileBody>,
    /// What it takes and gives.
    pub signature: SignatureBody,
    /// Where it comes from.
    pub provenance: ProvenanceBody,
    /// What was proven before it became ready.
    pub proof: ProofBody,
    /// The moves of aliases to and from it, newest first.
    pub alias_history: Vec<AliasMoveBody>,
}

/// What a model takes and gives, in the model's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignatureBody {
    /// The inputs.
    pub inputs: Vec<TensorBody>,
    /// The outputs.
    pub outputs: Vec<TensorBody>,
}

/// One input or output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TensorBody {
    /// Its name.
    pub name: String,
    /// Its element type, as in the Open Inference Protocol.
    pub datatype: String,
    /// Its dimensions: a number, or the name of a dimension of any size (`?` when it has none). Left out when the model
    /// does not say how many there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<String>>,
    /// The meaning of each position of the last dimension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
}

/// Where a version comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProvenanceBody {
    /// What made it.
    pub origin: String,
    /// The version it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// A note of the one who pushed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Facts by name, such as the training spec, data digests, code version and seed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub facts: BTreeMap<String, String>,
}

/// What the proof of a version found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProofBody {
    /// The engine that proved it and serves it.
    pub engine: EngineBody,
    /// Which file is the model.
    pub main_file: String,
    /// Whether rows of several requests are run together.
    pub joining: JoiningBody,
    /// The first run.
    pub warm_up: WarmUpBody,
    /// How many golden samples reproduced.
    pub golden_samples: usize,
    /// Median time of a run of one row, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub single_run_microseconds: Option<f64>,
    /// Memory that loading and running took.
    pub memory_bytes: u64,
}

/// An engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EngineBody {
    /// `onnxruntime`, `rten` or `modelyard-llm`.
    pub name: String,
    /// As the engine reports it.
    pub version: String,
}

/// Whether rows of several requests are run together, and why or why not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JoiningBody {
    /// Whether they are.
    pub allowed: bool,
    /// Largest difference between joined and single rows in the proof; 0 means bit for bit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_difference: Option<f64>,
    /// Why they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The first run of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WarmUpBody {
    /// The shapes of the inputs it ran on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shapes: Option<Vec<Vec<usize>>>,
    /// Why it was not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// Where an alias points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AliasBody {
    /// Its name.
    pub alias: String,
    /// The version.
    pub version: u32,
    /// When it was last moved.
    pub moved_at: String,
}

/// The aliases of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AliasList {
    /// By name.
    pub aliases: Vec<AliasBody>,
}

/// One move of an alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AliasMoveBody {
    /// Its name.
    pub alias: String,
    /// Where it pointed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u32>,
    /// Where it points since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
    /// When.
    pub at: String,
    /// The id of the key that moved it.
    pub by: String,
}

/// Points an alias at a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetAlias {
    /// The version.
    pub version: u32,
}

/// An alias was moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PromoteReply {
    /// The model.
    pub model: String,
    /// The alias.
    pub alias: String,
    /// Where it points now.
    pub version: u32,
    /// Where it pointed before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<u32>,
}

/// Undoes the last move of an alias.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RollbackRequest {
    /// The alias; `production` when left out.
    pub alias: Option<String>,
}

/// The last move of an alias was undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RollbackReply {
    /// The model.
    pub model: String,
    /// The alias.
    pub alias: String,
    /// Where it pointed before.
    pub from: u32,
    /// Where it points now.
    pub version: u32,
}
