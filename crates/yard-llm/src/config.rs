//! What a model is made of, in numbers: the same for every family.

use std::num::NonZeroUsize;

use yard_kernels::{Activation, RopePairing, RopeScaling};

use crate::LlmError;

/// The numbers that shape a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// What the file calls its family.
    pub architecture: String,
    /// How many values a token's row has.
    pub width: usize,
    /// How many blocks there are.
    pub layers: usize,
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values, which neighbouring heads of queries share.
    pub key_heads: usize,
    /// Values of a head.
    pub head_size: usize,
    /// Values between the two halves of a feed-forward layer.
    pub inner_width: usize,
    /// The longest sequence, in tokens.
    pub context: usize,
    /// How rows are normalized.
    pub norm: Norm,
    /// How a token knows where it stands.
    pub positions: Positions,
    /// What a feed-forward layer computes.
    pub feed_forward: FeedForward,
    /// What scores of attention are multiplied with.
    pub attention_scale: f32,
    /// How far layers look back.
    pub window: Option<Window>,
    /// What rows of the embedding are multiplied with.
    pub embedding_scale: Option<f32>,
    /// Holds scores of attention within bounds.
    pub attention_cap: Option<f32>,
    /// Holds the logits within bounds.
    pub logit_cap: Option<f32>,
}

/// How rows are normalized.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norm {
    /// Which mean is taken.
    pub kind: NormKind,
    /// Added to the mean square.
    pub epsilon: f32,
}

/// Which mean a norm takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// The root of the mean square.
    Rms,
    /// Mean and deviation, with a bias.
    Layer,
}

/// How a token knows where it stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Positions {
    /// Queries and keys are turned.
    Rotary(Rotary),
    /// A learned row is added to the embedding.
    Learned,
}

/// How queries and keys are turned.
#[derive(Debug, Clone, PartialEq)]
pub struct Rotary {
    /// Which values make a pair.
    pub pairing: RopePairing,
    /// How many values of a head turn.
    pub values: usize,
    /// The base of the speeds.
    pub base: f32,
    /// How the speeds are changed for long contexts.
    pub scaling: RopeScaling,
    /// What queries and keys are multiplied with as they turn; 1 for most.
    pub magnitude: f32,
    /// The base in layers with a window, where it is another one; those layers are not scaled.
    pub base_in_window: Option<f32>,
}

/// What a feed-forward layer computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedForward {
    /// `down(activation(gate(x)) * up(x))`.
    Gated(Activation),
    /// `down(activation(up(x)))`.
    Plain(Activation),
}

/// How far some layers look back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How many positions a token sees, itself included.
    pub positions: NonZeroUsize,
    /// Every so many layers one sees all; none does if 0.
    pub full_every: usize,
}

impl ModelConfig {
    /// Values of all heads of queries.
    #[must_use]
    pub const fn query_width(&self) -> usize {
        self.heads * self.head_size
    }

    /// Values of all heads of keys.
    #[must_use]
    pub const fn key_width(&self) -> usize {
        self.key_heads * self.head_size
    }

    /// The window of a layer, counted from 0.
    #[must_use]
    pub fn window_of(&self, layer: usize) -> Option<NonZeroUsize> {
        let Window { positions, full_every } = self.window?;
        let sees_all = full_every > 0 && (layer + 1).is_multiple_of(full_every);
        (!sees_all).then_some(positions)
    }

    /// Refuses numbers that no kernel could work with, before any memory is asked for.
    pub(crate) fn check(&self) -> Result<(), LlmError> {
        let refuse = |what: String| Err(LlmError::Configuration(what));
        let counts = [
            ("the width", self.width, 1 << 20),
            ("the number of layers", self.layers, 1 << 12),
            ("the number of heads", self.heads, 1 << 12),
            ("the number of key heads", self.key_heads, 1 << 12),
            ("the inner width", self.inner_width, 1 << 22),
            ("the context", self.context, 1 << 28),
        ];
        for (what, value, most) in counts {
            if value == 0 || value > most {
                return refuse(format!("{what} is {value}, which is not between 1 and {most}"));
            }
        }
        if !self.heads.is_multiple_of(self.key_heads) {
            return refuse(format!("{} heads cannot share {} key heads", self.heads, self.key_heads));
        }
        if self.head_size == 0 || self.head_size > 256 || !self.head_size.is_multiple_of(8) {
            return refuse(format!(
                "the head size is {}, supported are multiples of 8 up to 256",
                self.head_size
            ));
        }
        if let Positions::Rotary(rotary) = &self.positions
            && rotary.values > self.head_size
        {
            return refuse(format!("{} values of a head of {} turn", rotary.values, self.head_size));
        }
        let bounds = [
            ("epsilon", Some(self.norm.epsilon)),
            ("the scale of attention", Some(self.attention_scale)),
            ("the bound of scores", self.attention_cap),
            ("the bound of logits", self.logit_cap),
        ];
        for (what, value) in bounds.into_iter().filter_map(|(what, value)| Some((what, value?))) {
            if !value.is_finite() || value <= 0.0 {
                return refuse(format!("{what} is {value}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sixth_layer_sees_all() {
        let window = Window { positions: NonZeroUsize::new(512).unwrap(), full_every: 6 };
        let config = ModelConfig { window: Some(window), ..crate::families::tests::small() };
        let sees_all: Vec<usize> = (0..18).filter(|layer| config.window_of(*layer).is_none()).collect();
        assert_eq!(sees_all, [5, 11, 17]);
        let always = ModelConfig { window: Some(Window { full_every: 0, ..window }), ..config };
        assert!((0..18).all(|layer| always.window_of(layer).is_some()));
    }

    #[test]
    fn numbers_that_no_model_can_have_are_refused() {
        let good = crate::families::tests::small();
        good.check().unwrap();
        let bad = [
            ModelConfig { width: 0, ..good.clone() },
            ModelConfig { layers: 1 << 20, ..good.clone() },
            ModelConfig { key_heads: 3, ..good.clone() },
            ModelConfig { head_size: 20, ..good.clone() },
            ModelConfig { attention_scale: f32::NAN, ..good.clone() },
            ModelConfig { logit_cap: Some(-1.0), ..good.clone() },
        ];
        for config in bad {
            assert!(matches!(config.check(), Err(LlmError::Configuration(_))), "{config:?}");
        }
    }
}
