//! The weights of a model, found by the names that files give them.
//!
//! Every tensor of the file has to be used: one that is not says that the model computes something that is not computed
//! here.

use std::{cell::RefCell, collections::BTreeSet, sync::Arc};

use yard_gguf::{Gguf, MappedFile, Tensor, dequantize};
use yard_kernels::{Machine, PackedMatrix};

use crate::{
    LlmError,
    config::{FeedForward, ModelConfig, NormKind, Positions},
};

type File = Gguf<MappedFile>;

/// Everything that is learned.
#[derive(Debug)]
pub(super) struct Weights {
    /// A row for each token.
    pub(super) embedding: Table,
    /// A row for each position.
    pub(super) positions: Option<Table>,
    pub(super) layers: Vec<Layer>,
    pub(super) last_norm: NormWeights,
    pub(super) head: Linear,
}

/// A block of the decoder.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) attention_norm: NormWeights,
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) query_norm: Option<Vec<f32>>,
    pub(super) key_norm: Option<Vec<f32>>,
    pub(super) attention_output: Linear,
    pub(super) attention_post_norm: Option<NormWeights>,
    pub(super) inner_norm: NormWeights,
    pub(super) gate: Option<Linear>,
    pub(super) up: Linear,
    pub(super) down: Linear,
    pub(super) inner_post_norm: Option<NormWeights>,
}

/// What a norm multiplies with and adds.
#[derive(Debug)]
pub(super) struct NormWeights {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Option<Vec<f32>>,
}

/// A matrix and what is added to its product.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) weights: PackedMatrix,
    pub(super) bias: Option<Vec<f32>>,
}

/// Rows that are looked up one by one: read from the file, which stays mapped.
#[derive(Debug)]
pub(super) struct Table {
    file: Arc<File>,
    tensor: String,
    rows: usize,
}

/// Finds tensors and checks their shapes.
struct Reader<'a> {
    file: &'a Arc<File>,
    machine: &'a Machine,
    /// The tensors that were taken.
    used: RefCell<BTreeSet<String>>,
}

/// Tensors whose names begin so say how positions turn, and were read with the numbers of the model.
const ROTATION: &str = "rope_";

// === impl Weights ===

impl Weights {
    pub(super) fn load(
        file: File,
        config: &ModelConfig,
        machine: &Machine,
        progress: &mut dyn FnMut(f32),
    ) -> Result<Self, LlmError> {
        let file = Arc::new(file);
        let reader = Reader { file: &file, machine, used: RefCell::default() };
        let embedding = reader.table("token_embd.weight", config.width)?;
        let positions = match config.positions {
            Positions::Learned => {
                let table = reader.table("position_embd.weight", config.width)?;
                if table.rows < config.context {
                    let what =
                        format!("{} rows of positions for a context of {}", table.rows, config.context);
                    return Err(LlmError::Configuration(what));
                }
                Some(table)
            }
            Positions::Rotary(_) => None,
        };
        let steps = config.layers as f32 + 1.0;
        let mut layers = Vec::new();
        for layer in 0..config.layers {
            layers.push(Layer::load(&reader, config, layer)?);
            progress(layers.len() as f32 / steps);
        }
        let last_norm = reader.norm("output_norm", config)?;
        let head = if reader.find("output.weight").is_some() { "output" } else { "token_embd" };
        let head = reader.linear(head, config.width, embedding.rows)?;
        reader.refuse_unused()?;
        reader.refuse_uneven(config.layers)?;
        progress(1.0);
        Ok(Self { embedding, positions, layers, last_norm, head })
    }

    pub(super) fn vocabulary(&self) -> usize {
        self.embedding.rows
    }

    pub(super) fn bytes(&self) -> usize {
        self.head.weights.bytes() + self.layers.iter().map(Layer::bytes).sum::<usize>()
    }
}

// === impl Layer ===

impl Layer {
    fn load(reader: &Reader<'_>, config: &ModelConfig, layer: usize) -> Result<Self, LlmError> {
        let named = |name: &str| format!("blk.{layer}.{name}");
        let (width, inner) = (config.width, config.inner_width);
        let (query, key, value) = match reader.find(&named("attn_qkv.weight")) {
            Some(joined) => {
                let rows = [config.query_width(), config.key_width(), config.key_width()];
                let bias = reader.vector(&named("attn_qkv.bias"), rows.iter().sum())?;
                let mut parts = reader.split(joined, width, &rows, bias.as_deref())?.into_iter();
                let mut next = || parts.next().ok_or_else(|| missing(&named("attn_qkv.weight")));
                (next()?, next()?, next()?)
            }
            None => (
                reader.linear(&named("attn_q"), width, config.query_width())?,
                reader.linear(&named("attn_k"), width, config.key_width())?,
                reader.linear(&named("attn_v"), width, config.key_width())?,
            ),
        };
        let (gate, up) = match config.feed_forward {
            FeedForward::Plain(_) => (None, reader.linear(&named("ffn_up"), width, inner)?),
            FeedForward::Gated(_) => match reader.find(&named("ffn_gate.weight")) {
                Some(_) => (
                    Some(reader.linear(&named("ffn_gate"), width, inner)?),
                    reader.linear(&named("ffn_up"), width, inner)?,
                ),
                // Some files have both in one, the gate first.
                None => {
                    let joined = reader.tensor(&named("ffn_up.weight"))?;
                    let mut parts = reader.split(joined, width, &[inner, inner], None)?.into_iter();
                    let mut next = || parts.next().ok_or_else(|| missing(&named("ffn_up.weight")));
                    (Some(next()?), next()?)
                }
            },
        };
        if gate.as_ref().is_some_and(|gate| gate.bias.is_some() || up.bias.is_some()) {
            return Err(LlmError::Configuration(format!("a bias in a gated layer, '{}'", named("ffn_up"))));
        }
        Ok(Self {
            attention_norm: reader.norm(&named("attn_norm"), config)?,
            query,
            key,
            value,
            query_norm: reader.vector(&named("attn_q_norm.weight"), config.head_size)?,
            key_norm: reader.vector(&named("attn_k_norm.weight"), config.head_size)?,
            attention_output: reader.linear(&named("attn_output"), config.query_width(), width)?,
            attention_post_norm: reader.optional_norm(&named("post_attention_norm"), config)?,
            inner_norm: reader.norm(&named("ffn_norm"), config)?,
            gate,
            up,
            down: reader.linear(&named("ffn_down"), inner, width)?,
            inner_post_norm: reader.optional_norm(&named("post_ffw_norm"), config)?,
        })
    }

    fn bytes(&self) -> usize {
        let always = [&self.query, &self.key, &self.value, &self.attention_output, &self.up, &self.down];
        always.into_iter().chain(&self.gate).map(|linear| linear.weights.bytes()).sum()
    }
}

// === impl Table ===

impl Table {
    /// Writes a row's values.
    pub(super) fn read(&self, row: usize, values: &mut [f32]) -> Result<(), LlmError> {
        let tensor = self.file.tensor(&self.tensor)?;
        let bytes = tensor.row(row).ok_or_else(|| {
            LlmError::Configuration(format!("row {row} of '{}', which has {}", self.tensor, self.rows))
        })?;
        Ok(dequantize(tensor.info.kind(), bytes, values)?)
    }
}

// === impl Reader ===

impl<'a> Reader<'a> {
    fn find(&self, name: &str) -> Option<Tensor<'a>> {
        let found = self.file.find(name)?;
        self.used.borrow_mut().insert(name.to_owned());
        Some(found)
    }

    fn tensor(&self, name: &str) -> Result<Tensor<'a>, LlmError> {
        self.find(name).map_or_else(|| Ok(self.file.tensor(name)?), Ok)
    }

    fn refuse_unused(&self) -> Result<(), LlmError> {
        let used = self.used.borrow();
        let mut names = self.file.tensors().map(|tensor| tensor.info.name());
        match names.find(|name| !used.contains(*name) && !name.starts_with(ROTATION)) {
            Some(name) => {
                Err(LlmError::Configuration(format!("this family has no use for the tensor '{name}'")))
            }
            None => Ok(()),
        }
    }

    /// Refuses a file in which one layer lacks what another has: it has lost something.
    fn refuse_uneven(&self, layers: usize) -> Result<(), LlmError> {
        let used = self.used.borrow();
        let parts = used.iter().filter_map(|name| name.strip_prefix("blk.")?.split_once('.'));
        let parts: BTreeSet<&str> = parts.map(|(_, part)| part).collect();
        let all = parts.iter().flat_map(|part| (0..layers).map(move |layer| format!("blk.{layer}.{part}")));
        match { all }.find(|name| !used.contains(name)) {
            Some(name) => Err(missing(&name)),
            None => Ok(()),
        }
    }

    fn table(&self, name: &str, columns: usize) -> Result<Table, LlmError> {
        let found = self.tensor(name)?;
        let rows = found.info.rows();
        check_shape(found, columns, rows)?;
        Ok(Table { file: Arc::clone(self.file), tensor: name.to_owned(), rows })
    }

    /// A matrix of `rows` outputs with its bias, if there is one.
    fn linear(&self, name: &str, columns: usize, rows: usize) -> Result<Linear, LlmError> {
        let tensor = self.tensor(&format!("{name}.weight"))?;
        check_shape(tensor, columns, rows)?;
        let weights = PackedMatrix::pack(self.machine, tensor.info.kind(), rows, columns, tensor.bytes)?;
        Ok(Linear { weights, bias: self.vector(&format!("{name}.bias"), rows)? })
    }

    /// Takes the matrices of several layers apart that lie in one tensor.
    fn split(
        &self,
        joined: Tensor<'_>,
        columns: usize,
        rows: &[usize],
        bias: Option<&[f32]>,
    ) -> Result<Vec<Linear>, LlmError> {
        check_shape(joined, columns, rows.iter().sum())?;
        let row_bytes = joined.info.row_bytes();
        let mut start = 0;
        rows.iter()
            .map(|rows| {
                let end = start + rows;
                let bytes = &joined.bytes[start * row_bytes..end * row_bytes];
                let weights = PackedMatrix::pack(self.machine, joined.info.kind(), *rows, columns, bytes)?;
                let bias = bias.map(|bias| bias[start..end].to_vec());
                start = end;
                Ok(Linear { weights, bias })
            })
            .collect()
    }

    fn norm(&self, name: &str, config: &ModelConfig) -> Result<NormWeights, LlmError> {
        let weight_name = format!("{name}.weight");
        let weight = self.vector(&weight_name, config.width)?.ok_or_else(|| missing(&weight_name))?;
        let bias = match config.norm.kind {
            NormKind::Rms => None,
            NormKind::Layer => {
                let name = format!("{name}.bias");
                Some(self.vector(&name, config.width)?.ok_or_else(|| missing(&name))?)
            }
        };
        Ok(NormWeights { weight, bias })
    }

    fn optional_norm(&self, name: &str, config: &ModelConfig) -> Result<Option<NormWeights>, LlmError> {
        // Layers are joined with what was normalized by the root of the mean square.
        if config.norm.kind != NormKind::Rms {
            return Ok(None);
        }
        self.find(&format!("{name}.weight")).map(|_| self.norm(name, config)).transpose()
    }

    fn vector(&self, name: &str, length: usize) -> Result<Option<Vec<f32>>, LlmError> {
        let Some(tensor) = self.find(name) else { return Ok(None) };
        check_shape(tensor, length, 1)?;
        Ok(Some(tensor.to_f32()?))
    }
}

fn check_shape(tensor: Tensor<'_>, columns: usize, rows: usize) -> Result<(), LlmError> {
    if (tensor.info.columns(), tensor.info.rows()) == (columns, rows) {
        return Ok(());
    }
    Err(LlmError::Shape {
        tensor: tensor.info.name().to_owned(),
        actual: tensor.info.dimensions().to_vec(),
        expected: vec![columns, rows],
    })
}

fn missing(tensor: &str) -> LlmError {
    LlmError::Configuration(format!("tensor '{tensor}' is missing"))
}
