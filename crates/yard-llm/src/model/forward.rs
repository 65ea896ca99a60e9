//! One step: new tokens of several sequences through all layers.

use yard_kernels::{
    AttentionOptions, Finish, GatedProduct, Machine, Product, RopeAngles, RopePairing, SequenceRows,
};

use super::{
    Model, Scratch,
    scratch::Angles,
    weights::{Layer, Linear, NormWeights},
};
use crate::{
    LlmError,
    cache::{KeyValueCache, Sequence},
    config::{FeedForward, NormKind, Positions},
};

/// New tokens of one sequence.
#[derive(Debug)]
pub struct Part<'a> {
    /// The sequence they follow. It has [room](KeyValueCache::reserve) for them, and has grown by them after the step.
    pub sequence: &'a mut Sequence,
    /// The tokens, at least one.
    pub tokens: &'a [u32],
    /// After which of them logits are wanted.
    pub logits: LogitRows,
}

/// After which tokens of a part logits are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogitRows {
    /// After none: more of the prompt follows.
    None,
    /// After the last one.
    Last,
    /// After each.
    All,
}

impl LogitRows {
    pub(crate) const fn count(self, tokens: usize) -> usize {
        match self {
            Self::None => 0,
            Self::Last => 1,
            Self::All => tokens,
        }
    }
}

impl Model {
    /// Runs new tokens of several sequences through the model. `logits` becomes a row of [`Self::vocabulary`] values for
    /// each wanted place, part by part.
    ///
    /// What a sequence gets is the same bits whatever other parts there are, however its tokens are cut into steps, and
    /// with any number of threads.
    ///
    /// # Errors
    ///
    /// A token is unknown, a part is empty or has no room. No sequence has changed.
    pub fn step(
        &self,
        machine: &Machine,
        cache: &mut KeyValueCache,
        scratch: &mut Scratch,
        parts: &mut [Part<'_>],
        logits: &mut Vec<f32>,
    ) -> Result<(), LlmError> {
        self.layers(machine, cache, scratch, parts, |part| part.logits.count(part.tokens.len()))?;
        self.head(machine, scratch, logits)?;
        grow_sequences(parts);
        Ok(())
    }

    /// As [`Self::step`], for what the layers make of each token in place of logits: `rows` becomes a row of as many
    /// values as the model is wide for each token, normalized as for the last product. `logits` of the parts is not
    /// looked at.
    ///
    /// # Errors
    ///
    /// As [`Self::step`].
    pub fn step_for_rows(
        &self,
        machine: &Machine,
        cache: &mut KeyValueCache,
        scratch: &mut Scratch,
        parts: &mut [Part<'_>],
        rows: &mut Vec<f32>,
    ) -> Result<(), LlmError> {
        self.layers(machine, cache, scratch, parts, |part| part.tokens.len())?;
        self.norm(machine, &self.weights.last_norm, &scratch.rows, rows)?;
        grow_sequences(parts);
        Ok(())
    }

    /// Leaves the rows of the last tokens of each part, as many as `wanted` says. Of the others the last layer computes
    /// keys and values only: nothing would read what comes after them.
    fn layers(
        &self,
        machine: &Machine,
        cache: &mut KeyValueCache,
        scratch: &mut Scratch,
        parts: &[Part<'_>],
        wanted: fn(&Part<'_>) -> usize,
    ) -> Result<(), LlmError> {
        self.check(cache, parts)?;
        self.embed(scratch, parts)?;
        scratch.slots.clear();
        for part in parts {
            scratch.slots.extend(part.sequence.slots(part.sequence.len(), part.tokens.len()));
        }
        let all = last_rows(parts, |part| part.tokens.len());
        let wanted = last_rows(parts, wanted);
        self.prepare_angles(&mut scratch.angles, &all);
        let last = self.weights.layers.len().saturating_sub(1);
        for (number, layer) in self.weights.layers.iter().enumerate() {
            let asking = if number == last { &wanted } else { &all };
            self.attention(machine, cache, scratch, StepRows { all: &all, asking }, number, layer)?;
            self.feed_forward(machine, scratch, layer)?;
        }
        Ok(())
    }

    fn check(&self, cache: &KeyValueCache, parts: &[Part<'_>]) -> Result<(), LlmError> {
        let vocabulary = self.vocabulary();
        if !cache.fits(&self.config) {
            return Err(LlmError::Configuration("a cache that was made for another model".to_owned()));
        }
        for part in parts {
            if part.tokens.is_empty() {
                return Err(LlmError::Configuration("a step without tokens".to_owned()));
            }
            if let Some(token) = part.tokens.iter().find(|token| **token as usize >= vocabulary) {
                return Err(LlmError::UnknownToken { token: *token, vocabulary });
            }
            if !cache.has_room(part.sequence, part.tokens.len()) {
                let (tokens, length) = (part.tokens.len(), part.sequence.len());
                return Err(LlmError::NotReserved { tokens, length });
            }
        }
        Ok(())
    }

    fn embed(&self, scratch: &mut Scratch, parts: &[Part<'_>]) -> Result<(), LlmError> {
        let width = self.config.width;
        let count: usize = parts.iter().map(|part| part.tokens.len()).sum();
        grow(&mut scratch.rows, count, width)?;
        grow(&mut scratch.at_position, 1, width)?;
        let tokens = parts.iter().flat_map(|part| {
            let first = part.sequence.len();
            part.tokens.iter().enumerate().map(move |(number, token)| (first + number, *token))
        });
        for ((position, token), row) in tokens.zip(scratch.rows.chunks_exact_mut(width)) {
            // Tokens were compared with the vocabulary, and positions with the context.
            self.embedding().read(token as usize, row)?;
            if let Some(scale) = self.config.embedding_scale {
                row.iter_mut().for_each(|value| *value *= scale);
            }
            if let Some(positions) = &self.weights.positions {
                positions.read(position, &mut scratch.at_position)?;
                row.iter_mut().zip(&scratch.at_position).for_each(|(value, add)| *value += add);
            }
        }
        Ok(())
    }

    /// How far each row turns: the same for all layers.
    fn prepare_angles(&self, angles: &mut Angles, sequences: &[SequenceRows<'_>]) {
        let positions =
            || sequences.iter().flat_map(|rows| rows.first_position..rows.first_position + rows.rows);
        if let Some(rotation) = &self.rotation {
            angles.everywhere.prepare(&rotation.everywhere, positions());
            if let Some(in_window) = &rotation.in_window {
                angles.in_window.prepare(in_window, positions());
            }
        }
    }

    /// Writes the keys and values of all rows, and leaves the rows that ask.
    fn attention(
        &self,
        machine: &Machine,
        cache: &mut KeyValueCache,
        scratch: &mut Scratch,
        step: StepRows<'_>,
        number: usize,
        layer: &Layer,
    ) -> Result<(), LlmError> {
        let config = &self.config;
        let (count, asking) = (count_rows(step.all), count_rows(step.asking));
        let Scratch { rows, normed, query, key, value, attended, activations, slots, angles, .. } = scratch;
        for (buffer, rows, width) in [
            (&mut *query, asking, config.query_width()),
            (key, count, config.key_width()),
            (value, count, config.key_width()),
            (attended, asking, config.query_width()),
        ] {
            grow(buffer, rows, width)?;
        }

        self.norm(machine, &layer.attention_norm, rows, normed)?;
        let form = layer.query.weights.form() | layer.key.weights.form() | layer.value.weights.form();
        activations.0.prepare(machine, normed, config.width, form)?;
        let (to_key, to_value) = (layer.key.product(key), layer.value.product(value));
        if asking == count {
            machine.multiply(&activations.0, &mut [layer.query.product(query), to_key, to_value])?;
        } else {
            machine.multiply(&activations.0, &mut [to_key, to_value])?;
        }
        let window = config.window_of(number);
        let epsilon = config.norm.epsilon;
        if let Some(weight) = &layer.key_norm {
            machine.rms_norm_in_place(key, weight, epsilon)?;
        }
        if let Some((angles, pairing)) = self.angles(angles, window.is_some()) {
            machine.rotate(angles, pairing, config.head_size, key)?;
        }
        cache.write(machine, number, slots, key, value)?;
        if asking < count {
            step.keep_asking(rows, config.width);
            step.keep_asking(normed, config.width);
            self.prepare_angles(angles, step.asking);
            activations.0.prepare(machine, normed, config.width, form)?;
            machine.multiply(&activations.0, &mut [layer.query.product(query)])?;
        }
        if let Some(weight) = &layer.query_norm {
            machine.rms_norm_in_place(query, weight, epsilon)?;
        }
        if let Some((angles, pairing)) = self.angles(angles, window.is_some()) {
            machine.rotate(angles, pairing, config.head_size, query)?;
        }
        let options = AttentionOptions {
            query_heads: config.heads,
            scale: config.attention_scale,
            window,
            soft_cap: config.attention_cap,
        };
        machine.attend(cache.layer(number), &options, step.asking, query, attended)?;
        let output = &layer.attention_output;
        activations.0.prepare(machine, attended, config.query_width(), output.weights.form())?;
        self.join(machine, scratch, output, layer.attention_post_norm.as_ref())
    }

    fn feed_forward(&self, machine: &Machine, scratch: &mut Scratch, layer: &Layer) -> Result<(), LlmError> {
        let config = &self.config;
        let Scratch { rows, normed, inner, activations, .. } = scratch;
        grow(inner, rows.len() / config.width, config.inner_width)?;
        self.norm(machine, &layer.inner_norm, rows, normed)?;
        let gate_form = layer.gate.as_ref().map_or(layer.up.weights.form(), |gate| gate.weights.form());
        activations.0.prepare(machine, normed, config.width, layer.up.weights.form() | gate_form)?;
        match (config.feed_forward, &layer.gate) {
            (FeedForward::Gated(activation), Some(gate)) => machine.multiply_gated(
                &activations.0,
                GatedProduct { gate: &gate.weights, up: &layer.up.weights, activation, output: inner },
            )?,
            (FeedForward::Gated(activation) | FeedForward::Plain(activation), _) => {
                machine.multiply(&activations.0, &mut [layer.up.product(inner)])?;
                machine.activate(activation, inner);
            }
        }
        activations.0.prepare(machine, inner, config.inner_width, layer.down.weights.form())?;
        self.join(machine, scratch, &layer.down, layer.inner_post_norm.as_ref())
    }

    /// Multiplies the prepared activations and adds the result to the rows, normalized first where the family does.
    fn join(
        &self,
        machine: &Machine,
        scratch: &mut Scratch,
        linear: &Linear,
        norm: Option<&NormWeights>,
    ) -> Result<(), LlmError> {
        let Scratch { rows, normed, activations, .. } = scratch;
        let Some(norm) = norm else {
            let product = Product { finish: Finish::Add, ..linear.product(rows) };
            return Ok(machine.multiply(&activations.0, &mut [product])?);
        };
        machine.multiply(&activations.0, &mut [linear.product(normed)])?;
        machine.rms_norm_in_place(normed, &norm.weight, self.config.norm.epsilon)?;
        Ok(machine.add(rows, normed)?)
    }

    fn head(&self, machine: &Machine, scratch: &mut Scratch, logits: &mut Vec<f32>) -> Result<(), LlmError> {
        let width = self.config.width;
        let Scratch { rows, normed, activations, .. } = scratch;
        let head = &self.weights.head;
        grow(logits, rows.len() / width, self.vocabulary())?;
        if logits.is_empty() {
            return Ok(());
        }
        self.norm(machine, &self.weights.last_norm, rows, normed)?;
        activations.0.prepare(machine, normed, width, head.weights.form())?;
        machine.multiply(&activations.0, &mut [head.product(logits)])?;
        if let Some(cap) = self.config.logit_cap {
            machine.soft_cap(logits, cap);
        }
        Ok(())
    }

    fn norm(
        &self,
        machine: &Machine,
        weights: &NormWeights,
        rows: &[f32],
        normed: &mut Vec<f32>,
    ) -> Result<(), LlmError> {
        grow(normed, 1, rows.len())?;
        let NormWeights { weight, bias } = weights;
        let epsilon = self.config.norm.epsilon;
        match self.config.norm.kind {
            NormKind::Rms => machine.rms_norm(rows, weight, epsilon, normed)?,
            NormKind::Layer => machine.layer_norm(rows, weight, bias.as_deref(), epsilon, normed)?,
        }
        Ok(())
    }

    fn angles<'a>(&self, angles: &'a Angles, in_window: bool) -> Option<(&'a RopeAngles, RopePairing)> {
        let Positions::Rotary(rotary) = &self.config.positions else { return None };
        let own = in_window && rotary.base_in_window.is_some();
        Some((if own { &angles.in_window } else { &angles.everywhere }, rotary.pairing))
    }
}

/// The rows of a step, sequence by sequence.
#[derive(Clone, Copy)]
struct StepRows<'a> {
    all: &'a [SequenceRows<'a>],
    /// The last ones of each sequence: those of which more than keys and values is needed.
    asking: &'a [SequenceRows<'a>],
}

impl StepRows<'_> {
    /// Leaves of all rows those that ask.
    fn keep_asking(self, values: &mut Vec<f32>, width: usize) {
        let (mut end, mut kept) = (0, 0);
        for (all, asking) in self.all.iter().zip(self.asking) {
            end += all.rows;
            values.copy_within((end - asking.rows) * width..end * width, kept * width);
            kept += asking.rows;
        }
        values.truncate(kept * width);
    }
}

/// So many of the last rows of each part.
fn last_rows<'a>(parts: &'a [Part<'_>], count: fn(&Part<'_>) -> usize) -> Vec<SequenceRows<'a>> {
    let rows_of = |part: &'a Part<'_>| {
        let rows = count(part);
        let first_position = part.sequence.len() + part.tokens.len() - rows;
        SequenceRows { pages: part.sequence.pages(), first_position, rows }
    };
    parts.iter().map(rows_of).collect()
}

fn count_rows(sequences: &[SequenceRows<'_>]) -> usize {
    sequences.iter().map(|sequence| sequence.rows).sum()
}

fn grow_sequences(parts: &mut [Part<'_>]) {
    for part in parts {
        KeyValueCache::grow(part.sequence, part.tokens.len());
    }
}

/// Makes a buffer so many rows long; the first step of a size takes its memory.
fn grow(buffer: &mut Vec<f32>, rows: usize, width: usize) -> Result<(), LlmError> {
    let values = rows.saturating_mul(width);
    buffer
        .try_reserve_exact(values.saturating_sub(buffer.len()))
        .map_err(|_| LlmError::OutOfMemory { values })?;
    buffer.resize(values, 0.0);
    Ok(())
}

// === impl Linear ===

impl Linear {
    fn product<'a>(&'a self, output: &'a mut [f32]) -> Product<'a> {
        Product { weights: &self.weights, bias: self.bias.as_deref(), output, finish: Finish::Store }
    }
}
