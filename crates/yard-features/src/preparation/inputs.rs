//! What a served model is given: raw columns.

use bytes::Bytes;
use yard_data::{Column, Table, Values};
use yard_types::{DataType, Dim, NamedTensor, Tensor, TensorData, TensorSpec};

use super::{FEATURES_INPUT, Preparation, Sources, column, number::narrowed, wrong_type};
use crate::FeatureError;

/// The name of the first dimension of every input and output.
const BATCH: &str = "batch";

impl Preparation {
    /// The inputs of the model in their order.
    pub fn input_specs(&self) -> Vec<TensorSpec> {
        let spec = |name: &str, data_type: DataType, inner: &[usize]| TensorSpec {
            name: name.to_owned(),
            data_type,
            shape: Some(batch_of(inner)),
            labels: None,
        };
        match &self.sources {
            Sources::Image(image) => vec![spec(&image.name, DataType::Fp32, &image.shape)],
            Sources::Columns { numbers, is_matrix: true, .. } => {
                vec![spec(FEATURES_INPUT, DataType::Fp32, &[numbers.len()])]
            }
            Sources::Columns { numbers, categories, .. } => {
                let numbers = numbers.iter().map(|number| spec(&number.name, DataType::Fp32, &[1]));
                let categories =
                    categories.iter().map(|category| spec(&category.name, DataType::Bytes, &[1]));
                numbers.chain(categories).collect()
            }
        }
    }

    /// The inputs of the model for some rows of a table, raw as a request brings them.
    pub fn raw_inputs(&self, table: &Table, rows: &[usize]) -> Result<Vec<NamedTensor>, FeatureError> {
        match &self.sources {
            Sources::Image(image) => {
                let values = image.raw(column(table, &image.name)?, rows)?;
                Ok(vec![named(&image.name, rows.len(), &image.shape, TensorData::Fp32(values))])
            }
            Sources::Columns { numbers, is_matrix: true, .. } => {
                let mut values = vec![0.0; rows.len() * numbers.len()];
                for (place, number) in numbers.iter().enumerate() {
                    let raw = raw_numbers(column(table, &number.name)?, rows)?;
                    for (row, value) in raw.into_iter().enumerate() {
                        values[row * numbers.len() + place] = value;
                    }
                }
                Ok(vec![named(FEATURES_INPUT, rows.len(), &[numbers.len()], TensorData::Fp32(values))])
            }
            Sources::Columns { numbers, categories, .. } => {
                let mut inputs = Vec::with_capacity(numbers.len() + categories.len());
                for number in numbers {
                    let values = raw_numbers(column(table, &number.name)?, rows)?;
                    inputs.push(named(&number.name, rows.len(), &[1], TensorData::Fp32(values)));
                }
                for category in categories {
                    let values = raw_categories(column(table, &category.name)?, rows)?;
                    inputs.push(named(&category.name, rows.len(), &[1], TensorData::Bytes(values)));
                }
                Ok(inputs)
            }
        }
    }
}

/// A shape with any number of rows first.
pub(super) fn batch_of(inner: &[usize]) -> Vec<Dim> {
    let inner = inner.iter().map(|size| Dim::Fixed(*size));
    std::iter::once(Dim::Symbol(BATCH.to_owned())).chain(inner).collect()
}

fn named(name: &str, rows: usize, inner: &[usize], data: TensorData) -> NamedTensor {
    let shape = [&[rows], inner].concat();
    let tensor = Tensor::new(shape, data).expect("there is a value for each row and place");
    NamedTensor { name: name.to_owned(), tensor }
}

fn raw_numbers(column: &Column, rows: &[usize]) -> Result<Vec<f32>, FeatureError> {
    let Values::Numbers(values) = &column.values else { return Err(wrong_type(column, "numbers")) };
    rows.iter().map(|row| narrowed(&column.name, values[*row], *row)).collect()
}

fn raw_categories(column: &Column, rows: &[usize]) -> Result<Vec<Bytes>, FeatureError> {
    let Values::Categories { codes, levels } = &column.values else {
        return Err(wrong_type(column, "categories"));
    };
    let text = |row: &usize| levels.get(codes[*row] as usize).map_or("", String::as_str);
    Ok(rows.iter().map(|row| Bytes::copy_from_slice(text(row).as_bytes())).collect())
}
