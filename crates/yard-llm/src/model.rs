//! A loaded model, and one step of it.

mod forward;
mod scratch;
mod weights;

use std::path::Path;

use yard_gguf::{Gguf, MappedFile, ReadLimits};
use yard_kernels::{Machine, RopeFrequencies};

use self::weights::{Table, Weights};
use crate::{
    LlmError,
    config::{ModelConfig, Positions},
    families,
};

pub use forward::{LogitRows, Part};
pub use scratch::Scratch;

/// A decoder with its weights packed for this machine.
#[derive(Debug)]
pub struct Model {
    config: ModelConfig,
    weights: Weights,
    rotation: Option<Rotation>,
}

/// How fast pairs turn, in layers that see all and in those with a window.
#[derive(Debug)]
struct Rotation {
    everywhere: RopeFrequencies,
    in_window: Option<RopeFrequencies>,
}

impl Model {
    /// Reads a model from a file and packs its weights. `progress` is told the share that is done, from 0 to 1.
    ///
    /// # Errors
    ///
    /// The file is no GGUF file, is of an unknown family, lacks tensors, or does not fit into memory.
    pub fn load(path: &Path, machine: &Machine, progress: &mut dyn FnMut(f32)) -> Result<Self, LlmError> {
        Self::from_file(Gguf::open(path, &ReadLimits::default())?, machine, progress)
    }

    /// As [`Self::load`], for a file whose head has been read.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub fn from_file(
        file: Gguf<MappedFile>,
        machine: &Machine,
        progress: &mut dyn FnMut(f32),
    ) -> Result<Self, LlmError> {
        let config = families::read(&file)?;
        let rotation = match &config.positions {
            Positions::Rotary(rotary) => {
                let with_base = |base, scaling| RopeFrequencies::new(rotary.values, base, scaling);
                let unscaled = yard_kernels::RopeScaling::None;
                let in_window = rotary.base_in_window.map(|base| with_base(base, &unscaled)).transpose()?;
                let everywhere = with_base(rotary.base, &rotary.scaling)?.times(rotary.magnitude)?;
                Some(Rotation { everywhere, in_window })
            }
            Positions::Learned => None,
        };
        let weights = Weights::load(file, &config, machine, progress)?;
        Ok(Self { config, weights, rotation })
    }

    /// The numbers that shape it.
    #[must_use]
    pub const fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// How many tokens it knows.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.weights.vocabulary()
    }

    /// Bytes of the packed weights.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        self.weights.bytes()
    }

    fn embedding(&self) -> &Table {
        &self.weights.embedding
    }
}
