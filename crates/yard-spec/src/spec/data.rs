//! `[data]`: where the rows come from.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;
use yard_types::{ModelName, VersionNumber};

use crate::{
    error::{KeyPath, SpecError},
    keys::{ANY, Allowed, Field, found},
};

spec_table! {
    /// Where the rows come from. Exactly one of `builtin`, `path` and `dataset` is given.
    pub struct DataSpec {
        /// A data set that comes with the program.
        builtin: Option<Builtin> = none, "", ANY;
        /// A file or a folder of images on this machine. Only where the run is local: a server refuses it.
        path: Option<String> = none, "", ANY;
        /// A registered data set: `name` for its newest version, or `name:version`.
        dataset: Option<DatasetRef> = none, "", ANY;
        /// The format of `path`. Not set: decided by the ending of its name.
        format: Option<DataFormat> = none, "", ANY;
        /// The file of labels that belongs to an IDX file of images. Local like `path`.
        labels_path: Option<String> = none, "", ANY;
        /// A separate held-out set. Its columns are those of the other rows; `split.test` must then be 0.
        test: Option<TestDataSpec> = none, "", ANY;
        /// The column to predict. Not set: the one that the data set itself marks, or that is called `label`.
        label: Option<String> = none, "", ANY;
        /// Columns that are left out.
        ignore: Vec<String> = (Vec::new()), "", ANY;
        /// What is to be taken otherwise than it was inferred, by the name of the column.
        columns: BTreeMap<String, ColumnSpec> = (BTreeMap::new()), "", ANY;
    }
}

spec_table! {
    /// A separate held-out set. Exactly one of `builtin`, `path` and `dataset` is given.
    pub struct TestDataSpec: Default {
        /// A data set that comes with the program.
        builtin: Option<Builtin> = none, "", ANY;
        /// A file or a folder of images on this machine. Only where the run is local: a server refuses it.
        path: Option<String> = none, "", ANY;
        /// A registered data set: `name` for its newest version, or `name:version`.
        dataset: Option<DatasetRef> = none, "", ANY;
        /// The format of `path`. Not set: decided by the ending of its name.
        format: Option<DataFormat> = none, "", ANY;
        /// The file of labels that belongs to an IDX file of images. Local like `path`.
        labels_path: Option<String> = none, "", ANY;
    }
}

spec_table! {
    /// What a column is, where inference is to be overruled.
    pub struct ColumnSpec: Default {
        /// What its values are. Not set: inferred.
        column_type as "type": Option<ColumnType> = none, "", ANY;
        /// What it is for. Not set: `label` for the label, `ignore` for those in `data.ignore`, else `feature`.
        role: Option<ColumnRole> = none, "", ANY;
    }
}

spec_choice! {
    /// What the values of a column are.
    pub enum ColumnType {
        /// Numbers that can be added and compared.
        Number = "number",
        /// One of a limited number of words or codes.
        Category = "category",
        /// Free text.
        Text = "text",
        /// A picture, or any block of numbers of one shape.
        Image = "image",
    }
}

spec_choice! {
    /// What a column is for.
    pub enum ColumnRole {
        /// The model sees it.
        Feature = "feature",
        /// The model predicts it.
        Label = "label",
        /// It is left out.
        Ignore = "ignore",
    }
}

spec_choice! {
    /// How a file is laid out.
    pub enum DataFormat {
        /// Comma-separated values with a line of names.
        Csv = "csv",
        /// Apache Parquet.
        Parquet = "parquet",
        /// One JSON object a line.
        JsonLines = "json_lines",
        /// The format of the MNIST files; the labels are in `labels_path`.
        Idx = "idx",
        /// One NumPy array.
        Npy = "npy",
        /// Several NumPy arrays by name.
        Npz = "npz",
        /// A folder with one folder of PNG or JPEG images for each class.
        Images = "images",
    }
}

spec_choice! {
    /// A data set that comes with the program. Those that are made are always the same, whatever the seed.
    pub enum Builtin {
        /// 1,797 pictures of handwritten digits, 8x8 grey values in 64 columns; 10 classes.
        Digits = "digits",
        /// 150 flowers, 4 numbers; 3 classes.
        Iris = "iris",
        /// 569 tumours, 30 numbers; 2 classes.
        BreastCancer = "breast-cancer",
        /// 178 wines, 13 numbers; 3 classes.
        Wine = "wine",
        /// 442 patients, 10 numbers; the progression of diabetes after a year is predicted.
        Diabetes = "diabetes",
        /// Made: 100 numbers; 10 classes.
        SyntheticClassification = "synthetic-classification",
        /// Made: 10 numbers; a noisy linear combination of them is predicted.
        SyntheticRegression = "synthetic-regression",
        /// Made: pictures of 3 channels, 32x32; 10 classes.
        SyntheticImages = "synthetic-images",
        /// Made: short texts; 2 classes.
        SyntheticText = "synthetic-text",
    }
}

/// A registered data set: its name, and its version unless the newest is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetRef {
    /// The name.
    pub name: ModelName,
    /// The version; the newest where there is none.
    pub version: Option<VersionNumber>,
}

/// The one source of a table of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    /// A data set that comes with the program.
    Builtin(Builtin),
    /// A file or a folder on this machine.
    Path {
        /// Where it is.
        path: &'a str,
        /// Its format, where the ending of its name does not decide.
        format: Option<DataFormat>,
        /// The file of labels that belongs to it.
        labels_path: Option<&'a str>,
    },
    /// A registered data set.
    Dataset(&'a DatasetRef),
}

// === impl Source ===

impl DataSpec {
    /// The one source that is given.
    pub fn source(&self) -> Result<Source<'_>, SpecError> {
        let Self { builtin, path, dataset, format, labels_path, .. } = self;
        one_source("data", *builtin, path.as_deref(), dataset.as_ref(), *format, labels_path.as_deref())
    }
}

impl DataSpec {
    /// The registered data sets that are read.
    pub fn data_sets(&self) -> impl Iterator<Item = &DatasetRef> {
        self.dataset.iter().chain(self.test.iter().flat_map(|test| &test.dataset))
    }

    /// The same, to write into them which version is meant.
    pub fn data_sets_mut(&mut self) -> impl Iterator<Item = &mut DatasetRef> {
        self.dataset.iter_mut().chain(self.test.iter_mut().flat_map(|test| &mut test.dataset))
    }
}

impl TestDataSpec {
    /// The one source that is given.
    pub fn source(&self) -> Result<Source<'_>, SpecError> {
        let Self { builtin, path, dataset, format, labels_path } = self;
        one_source("data.test", *builtin, path.as_deref(), dataset.as_ref(), *format, labels_path.as_deref())
    }
}

fn one_source<'a>(
    table: &str,
    builtin: Option<Builtin>,
    path: Option<&'a str>,
    dataset: Option<&'a DatasetRef>,
    format: Option<DataFormat>,
    labels_path: Option<&'a str>,
) -> Result<Source<'a>, SpecError> {
    for (key, given) in [("format", format.is_some()), ("labels_path", labels_path.is_some())] {
        if given && path.is_none() {
            let problem = format!("belongs to {table}.path, which is not given: remove it, or give the path");
            return Err(SpecError::contradiction(&format!("{table}.{key}"), problem));
        }
    }
    if labels_path.is_some() && format.is_some_and(|format| format != DataFormat::Idx) {
        let problem = "belongs to a file of format idx; other formats carry their labels themselves";
        return Err(SpecError::contradiction(&format!("{table}.labels_path"), problem));
    }
    match (builtin, path, dataset) {
        (Some(builtin), None, None) => Ok(Source::Builtin(builtin)),
        (None, Some(path), None) => Ok(Source::Path { path, format, labels_path }),
        (None, None, Some(dataset)) => Ok(Source::Dataset(dataset)),
        (None, None, None) => {
            let problem = "there is no data: give one of builtin, path and dataset";
            Err(SpecError::contradiction(table, problem))
        }
        _ => {
            let given =
                [("builtin", builtin.is_some()), ("path", path.is_some()), ("dataset", dataset.is_some())];
            let given: Vec<&str> =
                given.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect();
            let problem = format!("{} are given: keep one of them", given.join(" and "));
            Err(SpecError::contradiction(table, problem))
        }
    }
}

// === impl DatasetRef ===

impl fmt::Display for DatasetRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(formatter, "{}:{version}", self.name),
            None => self.name.fmt(formatter),
        }
    }
}

impl Field for DatasetRef {
    fn read(value: &Value, path: &KeyPath, allowed: Allowed) -> Result<Self, SpecError> {
        let text = String::read(value, path, allowed)?;
        let (name, version) = match text.split_once(':') {
            Some((name, version)) => (name, Some(version)),
            None => (text.as_str(), None),
        };
        let refused = || SpecError::NotAllowed {
            path: path.clone(),
            allowed: "the name of a data set, as in 'prices', or a name and a version, as in 'prices:3'"
                .to_owned(),
            found: found(value),
        };
        let name = name.parse().map_err(|_| refused())?;
        let version = version.map(str::parse).transpose().map_err(|_| refused())?;
        Ok(Self { name, version })
    }

    fn write(&self) -> Option<Value> {
        Some(Value::String(self.to_string()))
    }

    fn type_text() -> String {
        "name or name:version".to_owned()
    }
}
