//! What is done with each column.

mod category;
mod emit;
mod inputs;
mod number;
mod tensor;

use std::fmt;

use yard_data::{Column, Table, Values};

use self::{category::CategoryColumn, number::NumberColumn, tensor::TensorColumn};
use crate::{FeatureError, InputLayout, Matrix, MissingNumbers, PreparationOptions};

/// The name of the input where all columns are numbers of one matrix.
pub const FEATURES_INPUT: &str = "features";
/// Names of values in the graph begin like this, so that no column's name is one of them.
const OWN_NAMES: &str = "modelyard/";
/// What exported models call their outputs.
const OUTPUT_NAMES: [&str; 2] = ["probabilities", "prediction"];

/// What is done with each column, as learned from the training rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Preparation {
    sources: Sources,
    remarks: Vec<Remark>,
}

/// Where a row's numbers come from.
#[derive(Debug, Clone, PartialEq)]
enum Sources {
    /// Numbers first, then categories, each in the order of the table.
    Columns {
        numbers: Vec<NumberColumn>,
        categories: Vec<CategoryColumn>,
        is_matrix: bool,
    },
    Image(TensorColumn),
}

/// Something about the data that is no error, and that whoever trains should know.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Remark {
    /// Columns whose value is the same in all training rows: they add nothing.
    Constant {
        /// The name and the value of each, at least one.
        columns: Vec<(String, String)>,
        /// How many training rows there are.
        rows: usize,
    },
}

/// Most columns that one remark names.
const MAX_NAMED: usize = 8;

impl fmt::Display for Remark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Constant { columns, rows } = self;
        if let [(column, value)] = columns.as_slice() {
            return write!(
                formatter,
                "column `{column}` is {value} in all {rows} training rows and adds nothing: it may be left out \
                 (data.ignore = [\"{column}\"])"
            );
        }
        let named: Vec<String> =
            columns.iter().take(MAX_NAMED).map(|(column, value)| format!("`{column}` is {value}")).collect();
        let more = if columns.len() > MAX_NAMED { ", ..." } else { "" };
        write!(
            formatter,
            "{} columns have one value in all {rows} training rows and add nothing ({}{more}): they may be left out \
             (data.ignore)",
            columns.len(),
            named.join(", ")
        )
    }
}

impl Preparation {
    /// Learns from these rows of a table that holds the features and nothing else.
    pub fn fit(table: &Table, train: &[usize], options: &PreparationOptions) -> Result<Self, FeatureError> {
        if table.columns.is_empty() {
            return Err(FeatureError::NoFeatures);
        }
        if train.is_empty() {
            return Err(FeatureError::NoRows);
        }
        let is_image = |column: &&Column| matches!(column.values, Values::Tensors { .. });
        if let Some(image) = table.columns.iter().find(is_image) {
            return Self::fit_image(table, image, train, options);
        }
        let (mut numbers, mut categories, mut constant) = (Vec::new(), Vec::new(), Vec::new());
        for column in &table.columns {
            let name = &column.name;
            let value = match &column.values {
                Values::Numbers(values) => {
                    let (fitted, value) = NumberColumn::fit(name, values, train, options)?;
                    numbers.push(fitted);
                    value
                }
                Values::Categories { codes, levels } => {
                    let (fitted, value) = CategoryColumn::fit(name, codes, levels, train, options)?;
                    categories.push(fitted);
                    value
                }
                Values::Texts(_) => return Err(FeatureError::Text { column: name.clone() }),
                // Found above.
                Values::Tensors { .. } => continue,
            };
            if let Some(value) = value {
                constant.push((name.clone(), value));
            }
        }
        if constant.len() == table.columns.len() {
            return Err(FeatureError::AllConstant { rows: train.len() });
        }
        let rows = train.len();
        let remarks =
            if constant.is_empty() { Vec::new() } else { vec![Remark::Constant { columns: constant, rows }] };
        let is_matrix = match (options.inputs, categories.first()) {
            (InputLayout::Matrix, Some(category)) => {
                return Err(FeatureError::NoMatrix { column: category.name.clone(), kind: "a category" });
            }
            (InputLayout::Auto | InputLayout::Matrix, None) => true,
            (InputLayout::Auto, Some(_)) | (InputLayout::Columns, _) => false,
        };
        if !is_matrix {
            table.columns.iter().try_for_each(|column| check_input_name(&column.name))?;
        }
        Ok(Self { sources: Sources::Columns { numbers, categories, is_matrix }, remarks })
    }

    fn fit_image(
        table: &Table,
        image: &Column,
        train: &[usize],
        options: &PreparationOptions,
    ) -> Result<Self, FeatureError> {
        let others: Vec<String> = table
            .columns
            .iter()
            .filter(|column| column.name != image.name)
            .take(3)
            .map(|column| format!("`{}`", column.name))
            .collect();
        if !others.is_empty() {
            let column = image.name.clone();
            return Err(FeatureError::ImageWithOthers { column, others: others.join(", ") });
        }
        check_input_name(&image.name)?;
        let Some(fitted) = TensorColumn::fit(image, train, options)? else {
            return Err(FeatureError::AllConstant { rows: train.len() });
        };
        Ok(Self { sources: Sources::Image(fitted), remarks: Vec::new() })
    }

    /// Rows of a table with the columns that were learned from, prepared; others are left alone.
    pub fn apply(&self, table: &Table, rows: &[usize]) -> Result<Matrix, FeatureError> {
        let (numbers, categories) = match &self.sources {
            Sources::Image(image) => return image.apply(table, rows),
            Sources::Columns { numbers, categories, .. } => (numbers, categories),
        };
        let columns = self.columns();
        let width = columns.len();
        let mut values = vec![0.0; rows.len() * width];
        for (place, number) in numbers.iter().enumerate() {
            number.apply(table, rows, &mut values, place, width)?;
        }
        let mut place = numbers.len();
        for category in categories {
            category.apply(table, rows, &mut values, place, width)?;
            place += category.levels.len();
        }
        Ok(Matrix { rows: rows.len(), columns, shape: vec![width], values })
    }

    /// What each number of a prepared row is; empty for images.
    pub fn columns(&self) -> Vec<String> {
        let Sources::Columns { numbers, categories, .. } = &self.sources else { return Vec::new() };
        let mut names: Vec<String> = numbers.iter().map(|number| number.name.clone()).collect();
        for category in categories {
            names.extend(category.levels.iter().map(|level| format!("{}={level}", category.name)));
        }
        names
    }

    /// The shape of one prepared row.
    pub fn shape(&self) -> Vec<usize> {
        match &self.sources {
            Sources::Image(image) => image.shape.clone(),
            Sources::Columns { .. } => vec![self.columns().len()],
        }
    }

    /// What whoever trains should know about the data.
    pub fn remarks(&self) -> &[Remark] {
        &self.remarks
    }
}

/// Whether a column's name can be that of an input of the model.
pub fn check_input_name(name: &str) -> Result<(), FeatureError> {
    let reason = if name.is_empty() || name.contains('\0') {
        "it is empty or holds a NUL character"
    } else if OUTPUT_NAMES.contains(&name) {
        "the model's output has it"
    } else if name.starts_with(OWN_NAMES) {
        "names that begin with `modelyard/` are kept for the model's own values"
    } else {
        return Ok(());
    };
    Err(FeatureError::InputName { column: name.to_owned(), reason })
}

/// The column of that name.
fn column<'a>(table: &'a Table, name: &str) -> Result<&'a Column, FeatureError> {
    table.column(name).ok_or_else(|| FeatureError::ColumnMissing { column: name.to_owned() })
}

/// What a column holds, for messages.
fn kind_of(values: &Values) -> &'static str {
    match values {
        Values::Numbers(_) => "numbers",
        Values::Categories { .. } => "categories",
        Values::Texts(_) => "text",
        Values::Tensors { .. } => "images",
    }
}

/// The error for a column of another type than learned.
fn wrong_type(column: &Column, expected: &'static str) -> FeatureError {
    FeatureError::ColumnType { column: column.name.clone(), expected, got: kind_of(&column.values) }
}

/// Whether missing numbers are to be refused.
fn refuses(missing: MissingNumbers) -> bool {
    missing == MissingNumbers::Refuse
}

#[cfg(test)]
mod tests;
