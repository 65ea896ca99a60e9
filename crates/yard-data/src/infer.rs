//! A schema from the data themselves.

use std::collections::BTreeMap;
use std::fmt;

use crate::batches::BatchReader;
use crate::error::{DataError, shortened};
use crate::schema::{ColumnSpec, ColumnType, Domain, Role, Schema, sort_levels};
use crate::typed::arrays::shape_of;

mod column;

use column::Seen;

/// What is known before the data are looked at.
#[derive(Debug, Clone, Default)]
pub struct InferOptions {
    /// The column to be foretold; when not given, a column named `label`, if there is one.
    pub label: Option<String>,
    /// Columns to leave out.
    pub ignore: Vec<String>,
    /// By name: what overrides the guess.
    pub columns: BTreeMap<String, ColumnOverride>,
    /// Look at so many rows only; all when not given, so that nothing in the data comes as a surprise later.
    pub most_rows: Option<u64>,
}

/// What somebody knows better.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ColumnOverride {
    /// The type.
    pub kind: Option<ColumnType>,
    /// The role.
    pub role: Option<Role>,
}

/// A schema and what was noticed on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Inferred {
    /// May be edited.
    pub schema: Schema,
    /// How many rows were looked at.
    pub rows: u64,
    /// What the owner of the data should know.
    pub notes: Vec<Note>,
}

/// Something about a column that is no error yet.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Note {
    /// The same value in every row: nothing can be learned from it.
    Constant {
        /// Its name.
        column: String,
        /// The value.
        value: String,
    },
    /// No value in any row.
    AllMissing {
        /// Its name.
        column: String,
    },
    /// Nearly all values are numbers, so it is read as numbers, and reading it will fail.
    TextAmongNumbers {
        /// Its name.
        column: String,
        /// How many values are no numbers.
        count: u64,
        /// The first of them, counted from 1.
        row: u64,
        /// The first of them.
        value: String,
    },
    /// Reading it will fail.
    Infinite {
        /// Its name.
        column: String,
        /// The first of them, counted from 1.
        row: u64,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant { column, value } => {
                write!(
                    formatter,
                    "column `{column}` is constant (`{value}` in every row): nothing can be learned from it, consider ignoring it"
                )
            }
            Self::AllMissing { column } => {
                write!(formatter, "column `{column}` has no value in any row: ignore it")
            }
            Self::TextAmongNumbers { column, count, row, value } => write!(
                formatter,
                "column `{column}` holds numbers but for {count} values, the first in row {row}: `{value}`; mend them, or make it a category"
            ),
            Self::Infinite { column, row } => {
                write!(formatter, "column `{column}` holds infinite values, the first in row {row}")
            }
        }
    }
}

/// Looks at the rows and says what each column seems to be.
///
/// Columns of numbers are numbers, even where a few values are not (which [`Note`]s then say). Text is a category,
/// unless its values mostly differ and have several words. A label of whole numbers with few distinct values, each of
/// them several times, is a category: its values are classes. Lists of numbers are images.
pub fn infer(reader: &mut dyn BatchReader, options: &InferOptions) -> Result<Inferred, DataError> {
    let raw = reader.schema();
    let names: Vec<String> = raw.fields().iter().map(|field| field.name().clone()).collect();
    let asked = options.label.iter().chain(&options.ignore).chain(options.columns.keys());
    for name in asked {
        if !names.contains(name) {
            return Err(DataError::NoSuchColumn { column: name.clone(), available: names });
        }
    }
    let mut columns: Vec<Seen> = raw.fields().iter().map(|field| Seen::new(shape_of(field))).collect();
    let mut rows = 0;
    while options.most_rows.is_none_or(|most| rows < most) {
        let Some(batch) = reader.next_batch()? else {
            break;
        };
        for (column, array) in columns.iter_mut().zip(batch.columns()) {
            column.look(array, rows);
        }
        rows += batch.num_rows() as u64;
    }
    if rows == 0 {
        return Err(DataError::Empty { file: reader.name().to_owned() });
    }
    let label = match &options.label {
        Some(label) => Some(label.as_str()),
        None => {
            let told = options.columns.iter().find(|(_, told)| told.role == Some(Role::Label));
            told.map(|(name, _)| name.as_str())
                .or_else(|| names.iter().map(String::as_str).find(|name| *name == "label"))
        }
    };
    let mut schema = Schema::default();
    let mut notes = Vec::new();
    for (name, seen) in names.iter().zip(columns) {
        let told = options.columns.get(name).copied().unwrap_or_default();
        let role = if options.ignore.contains(name) {
            Role::Ignore
        } else if label == Some(name.as_str()) {
            Role::Label
        } else {
            told.role.unwrap_or(Role::Feature)
        };
        let kind = told.kind.unwrap_or_else(|| seen.kind(role == Role::Label));
        if role != Role::Ignore {
            notes.extend(seen.notes(name, kind));
        }
        schema.columns.push(spec(name, kind, role, seen)?);
    }
    schema.check()?;
    Ok(Inferred { schema, rows, notes })
}

fn spec(name: &str, kind: ColumnType, role: Role, seen: Seen) -> Result<ColumnSpec, DataError> {
    let shape = match (kind, &seen.shape) {
        (ColumnType::Image, Some(shape)) => shape.clone(),
        (ColumnType::Image, None) if role != Role::Ignore => {
            let problem = format!("column `{name}` cannot be an image: its rows are no lists of numbers");
            return Err(DataError::Invalid { problem });
        }
        _ => Vec::new(),
    };
    let domain = match kind {
        ColumnType::Number if seen.min <= seen.max => Domain::Range { min: seen.min, max: seen.max },
        ColumnType::Category => match seen.levels() {
            Some(mut levels) => {
                sort_levels(&mut levels);
                Domain::Levels(levels)
            }
            None => Domain::Any,
        },
        _ => Domain::Any,
    };
    Ok(ColumnSpec { name: name.to_owned(), kind, role, nullable: seen.missing > 0, domain, shape })
}

impl Seen {
    fn notes(&self, name: &str, kind: ColumnType) -> Vec<Note> {
        let column = name.to_owned();
        if self.values() == 0 && kind != ColumnType::Image {
            return vec![Note::AllMissing { column }];
        }
        let mut notes = Vec::new();
        if self.missing == 0
            && let Some([value]) = self.levels().as_deref()
        {
            notes.push(Note::Constant { column: column.clone(), value: shortened(value) });
        }
        if kind == ColumnType::Number {
            if let Some((row, value)) = &self.first_other {
                let (count, row, value) = (self.others, *row, shortened(value));
                notes.push(Note::TextAmongNumbers { column: column.clone(), count, row, value });
            }
            if let Some(row) = self.first_infinite {
                notes.push(Note::Infinite { column, row });
            }
        }
        notes
    }
}

#[cfg(test)]
mod tests;
