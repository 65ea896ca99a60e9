//! `training.json`: how a model came to be.
//!
//! No times and no places: equal runs give equal bytes.

use std::{collections::BTreeMap, env::consts};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use yard_data::Split;
use yard_spec::{Task, TrainingSpec};
use yard_types::Digest;

use crate::{
    TrainingData,
    train::{ByClass, ClassFigures, CrossValidation, FittedRows, Metrics},
};

/// The version of the format of `training.json`.
const FORMAT: u32 = 1;

/// What is written down.
pub(crate) struct Record<'a> {
    pub(crate) spec: &'a TrainingSpec,
    pub(crate) data: &'a TrainingData,
    pub(crate) task: Task,
    pub(crate) split: &'a Split,
    pub(crate) fitted: &'a FittedRows,
    pub(crate) metrics: &'a BTreeMap<&'static str, Metrics>,
    pub(crate) by_class: &'a BTreeMap<&'static str, ByClass>,
    pub(crate) cross_validation: Option<&'a CrossValidation>,
    pub(crate) model: &'a [u8],
}

impl Record<'_> {
    /// The whole record.
    pub(crate) fn to_json(&self) -> String {
        let mut record = self.summary();
        record.insert("spec".to_owned(), self.spec.to_value());
        record.insert("by_class".to_owned(), self.by_class());
        record.insert("history".to_owned(), self.history());
        record.insert("columns".to_owned(), json!(self.fitted.preparation.columns()));
        record.insert("notes".to_owned(), self.notes());
        text(record)
    }

    /// What is worth keeping beside the version.
    pub(crate) fn to_summary_json(&self) -> String {
        text(self.summary())
    }

    fn summary(&self) -> Map<String, Value> {
        let Self { spec, data, task, split, fitted, metrics, cross_validation, model, .. } = self;
        let test_rows = data.test.as_ref().map_or(split.test.len(), |test| test.features.rows);
        let summary = json!({
            "format": FORMAT,
            "name": spec.name.as_str(),
            "kind": spec.model.kind(),
            "task": task.as_str(),
            "seed": spec.seed,
            "spec_digest": sha256(spec.to_json().as_bytes()),
            "model_digest": sha256(model),
            "data": {
                "digest": data.digest().to_string(),
                "label": data.rows.label.name,
                "rows": data.rows.features.rows,
            },
            "rows": {"train": split.train.len(), "validation": split.validation.len(), "test": test_rows},
            "classes": fitted.encoding.class_names(),
            "best_epoch": fitted.best_epoch,
            "epochs": fitted.history.len(),
            "ended_early": fitted.ended_early,
            "metrics": metrics,
            "cross_validation": cross_validation.map(cross_validated),
            "environment": {
                "modelyard": env!("CARGO_PKG_VERSION"),
                "architecture": consts::ARCH,
                "system": consts::OS,
            },
        });
        match summary {
            Value::Object(summary) => summary,
            _ => Map::new(),
        }
    }

    /// Precision, recall and F1 of each class, and which class was taken for which.
    fn by_class(&self) -> Value {
        let names = self.fitted.encoding.class_names();
        let figures = |(name, class): (&String, &ClassFigures)| {
            let ClassFigures { precision, recall, f1, rows } = class;
            json!({"class": name, "precision": precision, "recall": recall, "f1": f1, "rows": rows})
        };
        let of_split = |(split, by_class): (&&'static str, &ByClass)| {
            let classes: Vec<Value> = names.iter().zip(&by_class.classes).map(figures).collect();
            ((*split).to_owned(), json!({"classes": classes, "confusion": by_class.confusion}))
        };
        Value::Object(self.by_class.iter().map(of_split).collect())
    }

    fn history(&self) -> Value {
        let point = |point: &crate::train::CurvePoint| {
            json!({
                "epoch": point.epoch,
                "train_loss": point.train_loss,
                "validation_loss": point.validation_loss,
            })
        };
        self.fitted.history.iter().map(point).collect()
    }

    fn notes(&self) -> Value {
        let remarks = self.fitted.preparation.remarks();
        self.data.notes().iter().cloned().chain(remarks).map(Value::String).collect()
    }
}

fn cross_validated(folds: &CrossValidation) -> Value {
    let figure = |(name, spread): (&&'static str, &crate::train::Spread)| {
        let figure = json!({"mean": spread.mean, "deviation": spread.deviation, "values": spread.values});
        ((*name).to_owned(), figure)
    };
    let figures: Map<String, Value> = folds.figures.iter().map(figure).collect();
    json!({"folds": folds.folds, "figures": figures})
}

fn sha256(bytes: &[u8]) -> String {
    Digest::from_bytes(Sha256::digest(bytes).into()).to_string()
}

/// The order of keys depends on features that other crates may switch on; the record may not.
fn text(record: Map<String, Value>) -> String {
    let mut record = Value::Object(record);
    record.sort_all_objects();
    format!("{record:#}\n")
}
