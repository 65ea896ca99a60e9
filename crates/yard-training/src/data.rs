//! The rows that a model is trained on, in memory.

use sha2::{Digest as _, Sha256};
use yard_data::{
    Builtin, Column, ColumnOverride, ColumnType, Domain, FileSource, Format, InferOptions, Note, ReadLimits,
    Role, Source, Table, TableOptions, Values, infer, open,
};
use yard_spec::{Builtin as NamedBuiltin, ColumnRole, ColumnType as SpecColumnType, DataFormat, DataSpec};
use yard_types::Digest;

use crate::TrainingError;

/// The label where neither the specification nor the data set names one.
const DEFAULT_LABEL: &str = "label";

/// Features and labels, and the same of a separate held-out set where there is one.
#[derive(Debug, Clone)]
pub struct TrainingData {
    pub(crate) rows: Labelled,
    pub(crate) test: Option<Labelled>,
    notes: Vec<String>,
    digest: Digest,
}

/// Features with the label of each row.
#[derive(Debug, Clone)]
pub(crate) struct Labelled {
    /// The features and nothing else.
    pub(crate) features: Table,
    pub(crate) label: Column,
}

impl TrainingData {
    /// Takes tables whose columns are the features and the label.
    pub fn new(table: Table, label: &str, test: Option<Table>) -> Result<Self, TrainingError> {
        let mut hash = Sha256::new();
        hash_table(&mut hash, &table);
        if let Some(test) = &test {
            hash_table(&mut hash, test);
        }
        Ok(Self {
            rows: Labelled::new(table, label)?,
            test: test.map(|test| Labelled::new(test, label)).transpose()?,
            notes: Vec::new(),
            digest: Digest::from_bytes(hash.finalize().into()),
        })
    }

    /// Reads what a specification asks for; where its names lead is the caller's to say.
    pub fn read(
        spec: &DataSpec,
        source: &Source,
        test: Option<&Source>,
        memory_limit: u64,
    ) -> Result<Self, TrainingError> {
        let limits = ReadLimits::default();
        let inferred = infer(open(source, &limits)?.as_mut(), &infer_options(spec))?;
        let mut schema = inferred.schema;
        let named = schema.label().map(|column| column.name.clone());
        let label = named.unwrap_or_else(|| DEFAULT_LABEL.to_owned());
        schema.require(&label)?;
        let options = TableOptions { columns: None, memory_limit, limits };
        let table = Table::read(source, &schema, &options)?;
        // A category or a number that only the held-out rows have is no mistake.
        schema.columns.iter_mut().for_each(|column| column.domain = Domain::Any);
        let test = test.map(|test| Table::read(test, &schema, &options)).transpose()?;
        // The preparation tells of constant columns, by the rows that are trained on.
        let told = |note: &&Note| !matches!(note, Note::Constant { .. });
        let notes = inferred.notes.iter().filter(told).map(ToString::to_string).collect();
        Ok(Self { notes, ..Self::new(table, &label, test)? })
    }

    /// What whoever owns the data should know.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The SHA-256 of all values, names and types.
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }
}

impl Labelled {
    fn new(mut table: Table, label: &str) -> Result<Self, TrainingError> {
        let Some(place) = table.columns.iter().position(|column| column.name == label) else {
            let available = table.columns.iter().map(|column| column.name.clone()).collect();
            let column = label.to_owned();
            return Err(yard_data::DataError::NoSuchColumn { column, available }.into());
        };
        let label = table.columns.remove(place);
        Ok(Self { features: table, label })
    }
}

fn infer_options(spec: &DataSpec) -> InferOptions {
    let columns = spec.columns.iter().map(|(name, column)| {
        let kind = column.column_type.map(|kind| match kind {
            SpecColumnType::Number => ColumnType::Number,
            SpecColumnType::Category => ColumnType::Category,
            SpecColumnType::Text => ColumnType::Text,
            SpecColumnType::Image => ColumnType::Image,
        });
        let role = column.role.map(|role| match role {
            ColumnRole::Feature => Role::Feature,
            ColumnRole::Label => Role::Label,
            ColumnRole::Ignore => Role::Ignore,
        });
        (name.clone(), ColumnOverride { kind, role })
    });
    InferOptions {
        label: spec.label.clone(),
        ignore: spec.ignore.clone(),
        columns: columns.collect(),
        most_rows: None,
    }
}

/// Where rows are that a specification names: what comes with the program, and files of this machine. Where a registered
/// data set is, the caller knows.
pub fn source_of(source: yard_spec::Source<'_>) -> Option<Source> {
    match source {
        yard_spec::Source::Builtin(builtin) => Some(Source::Builtin(of_the_program(builtin))),
        yard_spec::Source::Path { path, format, labels_path } => Some(Source::File(FileSource {
            path: path.into(),
            format: format.map(file_format),
            labels_path: labels_path.map(Into::into),
            shown: None,
        })),
        yard_spec::Source::Dataset(_) => None,
    }
}

const fn of_the_program(builtin: NamedBuiltin) -> Builtin {
    match builtin {
        NamedBuiltin::Digits => Builtin::Digits,
        NamedBuiltin::Iris => Builtin::Iris,
        NamedBuiltin::BreastCancer => Builtin::BreastCancer,
        NamedBuiltin::Wine => Builtin::Wine,
        NamedBuiltin::Diabetes => Builtin::Diabetes,
        NamedBuiltin::SyntheticClassification => Builtin::SyntheticClassification,
        NamedBuiltin::SyntheticRegression => Builtin::SyntheticRegression,
        NamedBuiltin::SyntheticImages => Builtin::SyntheticImages,
        NamedBuiltin::SyntheticText => Builtin::SyntheticText,
    }
}

const fn file_format(format: DataFormat) -> Format {
    match format {
        DataFormat::Csv => Format::Csv,
        DataFormat::Parquet => Format::Parquet,
        DataFormat::JsonLines => Format::JsonLines,
        DataFormat::Idx => Format::Idx,
        DataFormat::Npy => Format::Npy,
        DataFormat::Npz => Format::Npz,
        DataFormat::Images => Format::ImageFolder,
    }
}

/// Everything that a model could learn from, each part with its length before it.
fn hash_table(hash: &mut Sha256, table: &Table) {
    let text = |hash: &mut Sha256, text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    hash.update((table.rows as u64).to_le_bytes());
    hash.update((table.columns.len() as u64).to_le_bytes());
    for column in &table.columns {
        text(hash, &column.name);
        match &column.values {
            Values::Numbers(numbers) => {
                hash.update([0]);
                numbers.iter().for_each(|number| hash.update(number.to_le_bytes()));
            }
            Values::Categories { codes, levels } => {
                hash.update([1]);
                hash.update((levels.len() as u64).to_le_bytes());
                levels.iter().for_each(|level| text(hash, level));
                codes.iter().for_each(|code| hash.update(code.to_le_bytes()));
            }
            Values::Texts(texts) => {
                hash.update([2]);
                for value in texts {
                    hash.update([u8::from(value.is_some())]);
                    text(hash, value.as_deref().unwrap_or_default());
                }
            }
            Values::Tensors { shape, values } => {
                hash.update([3]);
                hash.update((shape.len() as u64).to_le_bytes());
                shape.iter().for_each(|size| hash.update((*size as u64).to_le_bytes()));
                values.iter().for_each(|value| hash.update(value.to_le_bytes()));
            }
        }
    }
}
