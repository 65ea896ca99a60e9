//! The stream of a file in the types that a schema says.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{Field, SchemaRef};

use crate::batches::BatchReader;
use crate::error::{DataError, shortened};
use crate::schema::{ColumnSpec, ColumnType, Role, Schema};

pub(crate) mod arrays;
pub(crate) mod cell;

use arrays::Misfit;

/// What happens to a value that does not fit the type of its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMisfit {
    /// It ends the reading, told with row, column and value; so do infinities and rows without a label. For training.
    Refuse,
    /// It becomes a missing value and is counted; infinities stay. For statistics.
    Count,
}

/// Gives the columns of a schema as `Float64` (numbers), `Utf8` (categories and texts) and `FixedSizeList<Float32>`
/// (images, with their shape in the field's metadata). NaN comes as missing. Columns with [`Role::Ignore`] are left out.
#[derive(Debug)]
pub struct TypedReader {
    reader: Box<dyn BatchReader>,
    columns: Vec<TypedColumn>,
    schema: SchemaRef,
    on_misfit: OnMisfit,
    rows: u64,
}

#[derive(Debug)]
struct TypedColumn {
    /// Its place in what is read.
    place: usize,
    spec: ColumnSpec,
    misfits: u64,
}

impl TypedReader {
    /// All columns of the schema that are not ignored.
    pub fn new(
        reader: Box<dyn BatchReader>,
        schema: &Schema,
        on_misfit: OnMisfit,
    ) -> Result<Self, DataError> {
        let used = schema.columns.iter().filter(|column| column.role != Role::Ignore);
        Self::of(reader, used.cloned().collect(), on_misfit)
    }

    /// Only the named columns, in that order.
    pub fn choosing(
        reader: Box<dyn BatchReader>,
        schema: &Schema,
        names: &[String],
        on_misfit: OnMisfit,
    ) -> Result<Self, DataError> {
        let chosen = names.iter().map(|name| schema.require(name).cloned()).collect::<Result<_, _>>()?;
        Self::of(reader, chosen, on_misfit)
    }

    fn of(
        reader: Box<dyn BatchReader>,
        specs: Vec<ColumnSpec>,
        on_misfit: OnMisfit,
    ) -> Result<Self, DataError> {
        let raw = reader.schema();
        let mut columns = Vec::new();
        for spec in specs {
            let place = raw.index_of(&spec.name).map_err(|_| DataError::NoSuchColumn {
                column: spec.name.clone(),
                available: raw.fields().iter().map(|field| field.name().clone()).collect(),
            })?;
            columns.push(TypedColumn { place, spec, misfits: 0 });
        }
        let fields: Vec<Field> = columns.iter().map(|column| arrays::field(&column.spec)).collect();
        let schema = Arc::new(arrow_schema::Schema::new(fields));
        Ok(Self { reader, columns, schema, on_misfit, rows: 0 })
    }

    /// What is expected of the columns, in their order.
    pub fn columns(&self) -> impl Iterator<Item = &ColumnSpec> {
        self.columns.iter().map(|column| &column.spec)
    }

    /// How many values so far did not fit and came as missing, for each column.
    pub fn misfits(&self) -> Vec<u64> {
        self.columns.iter().map(|column| column.misfits).collect()
    }
}

impl BatchReader for TypedReader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn name(&self) -> &str {
        self.reader.name()
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, DataError> {
        let Some(batch) = self.reader.next_batch()? else {
            return Ok(None);
        };
        let mut typed = Vec::with_capacity(self.columns.len());
        for column in &mut self.columns {
            let raw = batch.column(column.place);
            typed.push(column.convert(raw, self.rows, self.on_misfit, self.reader.name())?);
        }
        self.rows += batch.num_rows() as u64;
        RecordBatch::try_new(Arc::clone(&self.schema), typed)
            .map(Some)
            .map_err(|error| DataError::malformed(self.reader.name(), "table", error.to_string()))
    }

    fn total_rows(&self) -> Option<u64> {
        self.reader.total_rows()
    }
}

impl TypedColumn {
    fn convert(
        &mut self,
        raw: &ArrayRef,
        rows_before: u64,
        on_misfit: OnMisfit,
        file: &str,
    ) -> Result<ArrayRef, DataError> {
        let name = &self.spec.name;
        let row = |at: usize| rows_before + at as u64 + 1;
        let refuse = on_misfit == OnMisfit::Refuse;
        let misfits = &mut self.misfits;
        let mut misfit = |at: usize, misfit: Misfit| match misfit {
            Misfit::Infinite if refuse => Err(DataError::Infinite { row: row(at), column: name.clone() }),
            Misfit::Infinite => Ok(()),
            Misfit::Value { value, expected } if refuse => Err(DataError::WrongType {
                row: row(at),
                column: name.clone(),
                value: shortened(&value),
                expected,
            }),
            Misfit::Value { .. } => {
                *misfits += 1;
                Ok(())
            }
        };
        let converted = match self.spec.kind {
            ColumnType::Number => arrays::numbers(raw, &mut misfit)?,
            ColumnType::Category => arrays::categories(raw),
            ColumnType::Text => arrays::texts(raw),
            ColumnType::Image => arrays::images(raw, &self.spec.shape, &mut misfit)?,
        };
        let Some(converted) = converted else {
            let what = format!("column `{name}` of type {} as {}", raw.data_type(), self.spec.kind);
            return Err(DataError::Unsupported { file: file.to_owned(), what });
        };
        if refuse && self.spec.role == Role::Label && converted.null_count() > 0 {
            let at = (0..converted.len()).find(|at| converted.is_null(*at)).unwrap_or(0);
            return Err(DataError::LabelMissing { row: row(at), column: name.clone() });
        }
        Ok(converted)
    }
}

#[cfg(test)]
mod tests;
