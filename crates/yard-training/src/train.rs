//! From data and a specification to the files of a version.

mod fit;
mod folds;
mod inputs;
mod measure;
mod verify;

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use yard_data::{Split, SplitShares};
use yard_features::{LabelEncoding, Targets};
use yard_spec::{Task, TrainingSpec};

pub use self::verify::Verifier;
pub(crate) use self::{
    fit::{CurvePoint, FittedModel, FittedRows, is_of_trees},
    folds::{CrossValidation, Spread},
    inputs::Inputs,
    measure::{ByClass, ClassFigures},
    verify::{Portion, Tolerance},
};
use self::{
    fit::{Job, fit_rows},
    measure::{Measured, measure},
};
use crate::{Event, Run, TrainingData, TrainingError, assemble, data::Labelled, export};

/// Figures by name.
pub type Metrics = BTreeMap<&'static str, f64>;

/// A trained model, ready to be registered.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The files of the version's package: the model, golden samples, the record of the run, the learning curve.
    pub files: Vec<TrainedFile>,
    /// Figures by part of the data: `train`, `validation`, `test`.
    pub metrics: BTreeMap<&'static str, Metrics>,
    /// What is worth keeping beside the version, as JSON: figures, classes, digests; equal runs give equal bytes.
    pub summary_json: String,
}

/// One file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainedFile {
    /// Relative to the package.
    pub path: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Trains what a specification says and proves that the export serves what was trained.
///
/// Everything that can be wrong with the data or with their fit to the specification is said before the first step.
pub fn train(
    spec: &TrainingSpec,
    data: &TrainingData,
    verifier: &dyn Verifier,
    run: &mut dyn Run,
) -> Result<Trained, TrainingError> {
    let task = assemble::task(spec, &data.rows.label);
    if task == Task::Classification {
        LabelEncoding::refuse_measured(&data.rows.label)?;
    }
    let digest = run_digest(spec, data);
    let job = Job { spec, task, data: &data.rows, digest };
    let split = split(&job)?;
    for note in data.notes() {
        run.report(Event::Log(note.clone()));
    }
    let fitted = fit_rows(&job, &split.train, &split.validation, run)?;

    let portions = portions(data, &split);
    let (mut metrics, mut by_class) = (BTreeMap::new(), BTreeMap::new());
    let step = fitted.best_epoch.max(1);
    for portion in &portions {
        let measured = measure_portion(&fitted, portion)?;
        for (name, value) in &measured.metrics {
            run.report(Event::Metric { split: portion.name, name, step, value: *value });
        }
        metrics.insert(portion.name, measured.metrics);
        if let Some(figures) = measured.by_class {
            by_class.insert(portion.name, figures);
        }
    }
    let cross_validation = folds::cross_validate(&job, &split, run)?;

    let model = export::model(spec, task, &fitted);
    verify::verify(&model, &fitted, task, &portions, verifier)?;
    let record = export::Record {
        spec,
        data,
        task,
        split: &split,
        fitted: &fitted,
        metrics: &metrics,
        by_class: &by_class,
        cross_validation: cross_validation.as_ref(),
        model: &model,
    };
    let mut files = vec![
        TrainedFile { path: "training.json", bytes: record.to_json().into_bytes() },
        TrainedFile { path: "learning_curve.svg", bytes: export::curve(spec, &fitted).into_bytes() },
    ];
    if let Some(golden) = export::golden(&fitted, task, &portions)? {
        files.push(TrainedFile { path: "golden.json", bytes: golden.into_bytes() });
    }
    if let Inputs::Text(text) = &fitted.preparation {
        let tokenizer = text.tokenizer();
        files.push(TrainedFile { path: "tokenizer.json", bytes: tokenizer.to_json().into_bytes() });
        files.push(TrainedFile { path: "vocabulary.txt", bytes: tokenizer.to_vocabulary().into_bytes() });
    }
    let summary_json = record.to_summary_json();
    files.insert(0, TrainedFile { path: "model.onnx", bytes: model });
    Ok(Trained { files, metrics, summary_json })
}

/// What a checkpoint must belong to: the specification and the data.
fn run_digest(spec: &TrainingSpec, data: &TrainingData) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(spec.to_json());
    hash.update(data.digest().as_bytes());
    hash.finalize().into()
}

/// The class of each row where parts are to have their share of each; `None` for numbers.
fn classes_to_stratify(job: &Job<'_>) -> Result<Option<Vec<u32>>, TrainingError> {
    let Labelled { features, label } = job.data;
    if job.task != Task::Classification {
        return Ok(None);
    }
    let rows: Vec<usize> = (0..features.rows).collect();
    match LabelEncoding::classes(label, &rows)?.encode(label, &rows)? {
        Targets::Classes(classes) if job.spec.split.stratify => Ok(Some(classes)),
        _ => Ok(None),
    }
}

fn split(job: &Job<'_>) -> Result<Split, TrainingError> {
    let keys = &job.spec.split;
    let shares = SplitShares { train: keys.train, validation: keys.validation, test: keys.test };
    let classes = classes_to_stratify(job)?;
    Ok(Split::draw(job.data.features.rows, classes.as_deref(), shares, job.spec.seed)?)
}

/// The parts of the data that are measured.
fn portions<'a>(data: &'a TrainingData, split: &Split) -> Vec<Portion<'a>> {
    let mut portions = vec![
        Portion { name: "train", data: &data.rows, rows: split.train.clone() },
        Portion { name: "validation", data: &data.rows, rows: split.validation.clone() },
    ];
    portions.push(match &data.test {
        Some(test) => Portion { name: "test", data: test, rows: (0..test.features.rows).collect() },
        None => Portion { name: "test", data: &data.rows, rows: split.test.clone() },
    });
    portions.retain(|portion| !portion.rows.is_empty());
    portions
}

fn measure_portion(fitted: &FittedRows, portion: &Portion<'_>) -> Result<Measured, TrainingError> {
    let Portion { data, rows, .. } = portion;
    let matrix = fitted.preparation.apply(&data.features, rows)?;
    let targets = fitted.encoding.encode(&data.label, rows)?;
    Ok(measure(&fitted.model.predict(&matrix)?, &targets))
}
