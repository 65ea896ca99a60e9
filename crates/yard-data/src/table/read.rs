//! From a stream to columns in memory, within a limit.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef};

use super::{Column, Table, Values};
use crate::batches::{BatchReader, ReadLimits};
use crate::error::DataError;
use crate::schema::{ColumnSpec, ColumnType, Role, Schema, sort_levels};
use crate::source::{Source, open};
use crate::typed::{OnMisfit, TypedReader};

/// How a table is read.
#[derive(Debug, Clone)]
pub struct TableOptions {
    /// Which columns, in which order; all that are not ignored when not given.
    pub columns: Option<Vec<String>>,
    /// Most bytes that the values may take. While a column grows it may for a moment take twice its size beyond that.
    /// Default 4 GiB.
    pub memory_limit: u64,
    /// Bounds of the reader.
    pub limits: ReadLimits,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self { columns: None, memory_limit: 4 << 30, limits: ReadLimits::default() }
    }
}

/// What a name costs beside its bytes: its entry in the list and in the index.
const LEVEL_OVERHEAD: u64 = 64;

impl Table {
    /// Reads the columns of a source. Values that do not fit the schema, infinities, missing labels, a label with one
    /// class only and data without rows are refused.
    pub fn read(source: &Source, schema: &Schema, options: &TableOptions) -> Result<Self, DataError> {
        let reader = open(source, &options.limits)?;
        let typed = match &options.columns {
            Some(names) => TypedReader::choosing(reader, schema, names, OnMisfit::Refuse)?,
            None => TypedReader::new(reader, schema, OnMisfit::Refuse)?,
        };
        Self::collect(typed, options.memory_limit)
    }

    /// Reads what is left in a stream.
    pub fn collect(mut reader: TypedReader, memory_limit: u64) -> Result<Self, DataError> {
        let specs: Vec<ColumnSpec> = reader.columns().cloned().collect();
        let row_size: u64 = specs.iter().map(least_size).sum();
        if let Some(rows) = reader.total_rows() {
            let needed = rows.saturating_mul(row_size);
            if needed > memory_limit {
                return Err(DataError::MemoryLimit { needed, limit: memory_limit });
            }
        }
        let mut gathered: Vec<Gathered> = specs.iter().map(Gathered::new).collect();
        let mut rows = 0;
        let mut needed = 0;
        while let Some(batch) = reader.next_batch()? {
            rows += batch.num_rows();
            if needed > memory_limit {
                // Only counted from here on: the message shall say what would be enough.
                needed +=
                    batch.columns().iter().zip(&specs).map(|(array, spec)| size(array, spec)).sum::<u64>();
                continue;
            }
            for ((array, spec), column) in batch.columns().iter().zip(&specs).zip(&mut gathered) {
                needed += size(array, spec) + column.append(array);
            }
            if needed > memory_limit {
                gathered.clear();
            }
        }
        if needed > memory_limit {
            return Err(DataError::MemoryLimit { needed, limit: memory_limit });
        }
        if rows == 0 {
            return Err(DataError::Empty { file: reader.name().to_owned() });
        }
        let mut columns = Vec::new();
        for (spec, gathered) in specs.into_iter().zip(gathered) {
            let values = gathered.finish();
            if let (Role::Label, Values::Categories { levels, .. }) = (spec.role, &values)
                && let [class] = levels.as_slice()
            {
                return Err(DataError::OneClass { column: spec.name, class: class.clone() });
            }
            columns.push(Column { name: spec.name, values });
        }
        Ok(Self { rows, columns })
    }
}

/// Bytes that one row of the column takes at least.
fn least_size(spec: &ColumnSpec) -> u64 {
    match spec.kind {
        ColumnType::Number => 8,
        ColumnType::Category => 4,
        ColumnType::Text => size_of::<Option<String>>() as u64,
        ColumnType::Image => 4 * spec.shape.iter().product::<usize>() as u64,
    }
}

/// Bytes that the values take, but for the names of categories.
fn size(array: &ArrayRef, spec: &ColumnSpec) -> u64 {
    let fixed = array.len() as u64 * least_size(spec);
    match spec.kind {
        ColumnType::Text => {
            let texts = array.as_string::<i32>();
            fixed + texts.iter().flatten().map(|text| text.len() as u64).sum::<u64>()
        }
        _ => fixed,
    }
}

enum Gathered {
    Numbers(Vec<f64>),
    Categories { codes: Vec<u32>, index: HashMap<String, u32> },
    Texts(Vec<Option<String>>),
    Tensors { shape: Vec<usize>, values: Vec<f32> },
}

impl Gathered {
    fn new(spec: &ColumnSpec) -> Self {
        match spec.kind {
            ColumnType::Number => Self::Numbers(Vec::new()),
            ColumnType::Category => Self::Categories { codes: Vec::new(), index: HashMap::new() },
            ColumnType::Text => Self::Texts(Vec::new()),
            ColumnType::Image => Self::Tensors { shape: spec.shape.clone(), values: Vec::new() },
        }
    }

    /// Puts the values behind those before; gives the bytes of names seen for the first time.
    fn append(&mut self, array: &ArrayRef) -> u64 {
        let mut names = 0;
        match self {
            Self::Numbers(numbers) => {
                let array = array.as_primitive::<Float64Type>();
                numbers.extend(array.iter().map(|number| number.unwrap_or(f64::NAN)));
            }
            Self::Categories { codes, index } => {
                for name in array.as_string::<i32>() {
                    let code = match name {
                        None => Values::MISSING,
                        Some(name) => match index.get(name) {
                            Some(code) => *code,
                            None => {
                                let code = index.len() as u32;
                                index.insert(name.to_owned(), code);
                                names += name.len() as u64 + LEVEL_OVERHEAD;
                                code
                            }
                        },
                    };
                    codes.push(code);
                }
            }
            Self::Texts(texts) => {
                texts.extend(array.as_string::<i32>().iter().map(|text| text.map(str::to_owned)));
            }
            Self::Tensors { values, .. } => {
                let array = array.as_fixed_size_list();
                values.extend_from_slice(array.values().as_primitive::<Float32Type>().values());
            }
        }
        names
    }

    fn finish(self) -> Values {
        match self {
            Self::Numbers(numbers) => Values::Numbers(numbers),
            Self::Texts(texts) => Values::Texts(texts),
            Self::Tensors { shape, values } => Values::Tensors { shape, values },
            Self::Categories { mut codes, index } => {
                let mut levels: Vec<String> = index.keys().cloned().collect();
                sort_levels(&mut levels);
                let mut sorted = vec![0; levels.len()];
                for (place, level) in levels.iter().enumerate() {
                    sorted[index[level] as usize] = place as u32;
                }
                for code in codes.iter_mut().filter(|code| **code != Values::MISSING) {
                    *code = sorted[*code as usize];
                }
                Values::Categories { codes, levels }
            }
        }
    }
}
