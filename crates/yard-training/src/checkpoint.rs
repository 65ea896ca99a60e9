//! Checkpoints: all that a run remembers, as bytes.
//!
//! The format carries a version, the digest of its specification and a digest of itself. Reading is bounded by the
//! model at hand: every length must be the one that the model and its optimizer have.

mod bytes;

use sha2::{Digest, Sha256};
use thiserror::Error;

use self::bytes::{Reader, Writer};
use crate::{
    model::Model,
    optimizer::Optimizer,
    run::{Best, EpochRecord, State, Tally},
};

const MAGIC: [u8; 8] = *b"YARDCKPT";
const VERSION: u32 = 1;

/// Epochs whose records a checkpoint may hold.
const MOST_EPOCHS: u64 = 1 << 20;

/// Why a checkpoint could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// It is something else.
    #[error("it is not a checkpoint")]
    NotACheckpoint,
    /// It was written by another version of the program.
    #[error(
        "its format is version {found}, this program reads version {VERSION}: train again from the start"
    )]
    Version {
        /// The version it states.
        found: u32,
    },
    /// It was cut off or changed.
    #[error("it is damaged")]
    Damaged,
    /// It belongs to another specification.
    #[error(
        "it is from another specification: train under a new name, or with the specification it was made by"
    )]
    OtherSpecification,
    /// It does not hold this model.
    #[error("it is from another model")]
    OtherModel,
}

/// Writes a checkpoint.
pub(crate) fn write(spec: &[u8; 32], model: &dyn Model, optimizer: &Optimizer, state: &State) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.raw(&MAGIC);
    writer.u32(VERSION);
    writer.raw(spec);
    writer.u64(state.step);
    tally(&mut writer, &state.tally);
    writer.optional_f64(state.first_loss);
    writer.u8(u8::from(state.ended));
    writer.u64(state.history.len() as u64);
    for record in &state.history {
        writer.u64(record.epoch);
        writer.f64(record.train_loss);
        writer.f64(record.train_score);
        writer.optional_f64(record.validation_loss);
        writer.optional_f64(record.validation_score);
    }
    for parameter in model.parameters() {
        writer.numbers(&parameter.values);
    }
    writer.u64(optimizer.steps());
    for block in optimizer.memory().iter().flatten() {
        writer.numbers(block);
    }
    writer.u8(u8::from(state.best.is_some()));
    if let Some(best) = &state.best {
        writer.u64(best.epoch);
        writer.f64(best.loss);
        for values in &best.parameters {
            writer.numbers(values);
        }
    }
    let mut bytes = writer.into_bytes();
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    bytes
}

/// Reads a checkpoint into the model and its optimizer; they are left as they were when it cannot be used.
pub(crate) fn read(
    bytes: &[u8],
    spec: &[u8; 32],
    model: &mut dyn Model,
    optimizer: &mut Optimizer,
) -> Result<State, CheckpointError> {
    if bytes.get(..MAGIC.len()) != Some(&MAGIC) {
        return Err(CheckpointError::NotACheckpoint);
    }
    let mut reader = Reader::new(&bytes[MAGIC.len()..]);
    match reader.u32()? {
        VERSION => {}
        found => return Err(CheckpointError::Version { found }),
    }
    let body = bytes.len().checked_sub(32).ok_or(CheckpointError::Damaged)?;
    if Sha256::digest(&bytes[..body])[..] != bytes[body..] {
        return Err(CheckpointError::Damaged);
    }
    let mut reader = Reader::new(&bytes[MAGIC.len() + 4..body]);
    if reader.raw(32)? != spec {
        return Err(CheckpointError::OtherSpecification);
    }
    let mut state = State { step: reader.u64()?, tally: read_tally(&mut reader)?, ..State::default() };
    state.first_loss = reader.optional_f64()?;
    state.ended = reader.u8()? == 1;
    let epochs = reader.u64()?;
    if epochs > MOST_EPOCHS {
        return Err(CheckpointError::Damaged);
    }
    for _ in 0..epochs {
        state.history.push(EpochRecord {
            epoch: reader.u64()?,
            train_loss: reader.f64()?,
            train_score: reader.f64()?,
            validation_loss: reader.optional_f64()?,
            validation_score: reader.optional_f64()?,
        });
    }
    let lengths: Vec<usize> = model.parameters().iter().map(|parameter| parameter.values.len()).collect();
    let parameters = read_blocks(&mut reader, &lengths)?;
    let steps = reader.u64()?;
    let mut memory = Vec::with_capacity(lengths.len());
    for [first, second] in optimizer.memory() {
        memory.push([reader.numbers(first.len())?, reader.numbers(second.len())?]);
    }
    if reader.u8()? == 1 {
        let (epoch, loss) = (reader.u64()?, reader.f64()?);
        state.best = Some(Best { epoch, loss, parameters: read_blocks(&mut reader, &lengths)? });
    }
    if !reader.is_at_end() || !optimizer.restore(steps, memory) {
        return Err(CheckpointError::OtherModel);
    }
    for (parameter, values) in model.parameters_mut().iter_mut().zip(parameters) {
        parameter.values = values;
    }
    Ok(state)
}

fn read_blocks(reader: &mut Reader<'_>, lengths: &[usize]) -> Result<Vec<Vec<f32>>, CheckpointError> {
    lengths.iter().map(|length| reader.numbers(*length)).collect()
}

fn tally(writer: &mut Writer, tally: &Tally) {
    let Tally { loss, weight, count, score, sum, squares, origin } = *tally;
    for number in [loss, weight, count, score, sum, squares, origin] {
        writer.f64(number);
    }
}

fn read_tally(reader: &mut Reader<'_>) -> Result<Tally, CheckpointError> {
    Ok(Tally {
        loss: reader.f64()?,
        weight: reader.f64()?,
        count: reader.f64()?,
        score: reader.f64()?,
        sum: reader.f64()?,
        squares: reader.f64()?,
        origin: reader.f64()?,
    })
}

#[cfg(test)]
mod tests;
