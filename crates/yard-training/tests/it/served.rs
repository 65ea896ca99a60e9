//! What the tests of whole runs share: a run in memory, and the engines.

use std::{error::Error, fs, io};

use yard_data::{Column, Table, Values};
use yard_engine::{Engine, LoadOptions, ModelPackage, RunControl};
use yard_engine_onnx::Rten;
use yard_spec::TrainingSpec;
use yard_training::{Event, Run, Trained, TrainingData, TrainingError, Verifier, source_of, train};
use yard_types::NamedTensor;

use crate::place::onnx_runtime;

/// A run that keeps everything in memory and may be told to stop.
#[derive(Default)]
pub(crate) struct InMemory {
    pub(crate) events: Vec<Event>,
    pub(crate) checkpoint: Option<(u64, Vec<u8>)>,
    /// After how many events to stop.
    pub(crate) stop_after: Option<usize>,
    pub(crate) disk_is_full: bool,
}

impl Run for InMemory {
    fn report(&mut self, event: Event) {
        self.events.push(event);
    }

    fn stopped(&self) -> bool {
        self.stop_after.is_some_and(|most| self.events.len() >= most)
    }

    fn save_checkpoint(&mut self, step: u64, bytes: &[u8]) -> io::Result<()> {
        if self.disk_is_full {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.checkpoint = Some((step, bytes.to_vec()));
        Ok(())
    }

    fn last_checkpoint(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        Ok(self.checkpoint.clone())
    }
}

/// RTen where it knows the operators, else ONNX Runtime, as a server chooses.
pub(crate) struct Engines;

impl Verifier for Engines {
    fn predict(
        &self,
        model: &[u8],
        inputs: Vec<NamedTensor>,
    ) -> Result<Vec<NamedTensor>, Box<dyn Error + Send + Sync>> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("model.onnx"), model)?;
        let package = ModelPackage::new(folder.path(), "model.onnx".parse()?);
        let options = LoadOptions::default();
        let loaded =
            Rten::new().load(&package, &options).or_else(|_| onnx_runtime().load(&package, &options))?;
        let inputs = loaded.signature().arrange(&"m".parse()?, inputs)?;
        let outputs = loaded.predict(&inputs, &RunControl::new())?;
        let specs = &loaded.signature().outputs;
        let named =
            |(tensor, spec): (_, &yard_types::TensorSpec)| NamedTensor { name: spec.name.clone(), tensor };
        Ok(outputs.into_iter().zip(specs).map(named).collect())
    }
}

pub(crate) fn spec(text: &str) -> TrainingSpec {
    TrainingSpec::from_toml(text).unwrap()
}

/// The data set that a specification names.
pub(crate) fn data_of(spec: &TrainingSpec) -> TrainingData {
    let source = source_of(spec.data.source().unwrap()).unwrap();
    TrainingData::read(&spec.data, &source, None, 1 << 30).unwrap()
}

/// Trains on what the specification names.
pub(crate) fn trained(text: &str) -> (Trained, InMemory) {
    let spec = spec(text);
    let mut run = InMemory::default();
    let trained = train(&spec, &data_of(&spec), &Engines, &mut run).unwrap();
    (trained, run)
}

pub(crate) fn file<'a>(trained: &'a Trained, path: &str) -> &'a [u8] {
    &trained.files.iter().find(|file| file.path == path).unwrap().bytes
}

pub(crate) fn numbers(name: &str, values: &[f64]) -> Column {
    Column { name: name.to_owned(), values: Values::Numbers(values.to_vec()) }
}

pub(crate) fn categories(name: &str, levels: &[&str], codes: &[u32]) -> Column {
    let levels = levels.iter().map(|level| (*level).to_owned()).collect();
    Column { name: name.to_owned(), values: Values::Categories { codes: codes.to_vec(), levels } }
}

/// Trains on columns of which `label` is one.
pub(crate) fn trained_on(
    text: &str,
    columns: Vec<Column>,
    run: &mut InMemory,
) -> Result<Trained, TrainingError> {
    let table = Table { rows: columns[0].values.rows(), columns };
    train(&spec(text), &TrainingData::new(table, "label", None)?, &Engines, run)
}
