//! A column of images or other blocks of numbers.

use yard_data::{Column, Table, Values};

use super::{column, number::Scale, wrong_type};
use crate::{FeatureError, Matrix, PreparationOptions};

/// All numbers of all training images share one shift and one factor: standardized overall, or the smallest to 0 and
/// the largest to 1, which divides the pixels of 8 bits by 255. The shapes of strokes and shades stay as they are,
/// which scaling each pixel by itself would change.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TensorColumn {
    pub(super) name: String,
    /// Of one row.
    pub(super) shape: Vec<usize>,
    pub(super) scale: Scale,
}

impl TensorColumn {
    /// Learns from the training rows; `None` where all their numbers are the same.
    pub(super) fn fit(
        image: &Column,
        train: &[usize],
        options: &PreparationOptions,
    ) -> Result<Option<Self>, FeatureError> {
        let name = image.name.clone();
        let unscaled =
            |shape: &[usize]| Self { name: name.clone(), shape: shape.to_vec(), scale: Scale::IDENTITY };
        let Values::Tensors { shape, values } = &image.values else {
            return Err(wrong_type(image, "images"));
        };
        let numbers = unscaled(shape).rows(values, train)?;
        let (scale, is_constant) = Scale::fit(&image.name, &numbers, options.numbers)?;
        Ok((!is_constant).then(|| Self { scale, ..unscaled(shape) }))
    }

    pub(super) fn apply(&self, table: &Table, rows: &[usize]) -> Result<Matrix, FeatureError> {
        let column = column(table, &self.name)?;
        let values = self.raw(column, rows)?;
        let values = values.into_iter().map(|value| self.scale.of(value)).collect();
        Ok(Matrix { rows: rows.len(), columns: Vec::new(), shape: self.shape.clone(), values })
    }

    /// Some rows as they are.
    pub(super) fn raw(&self, column: &Column, rows: &[usize]) -> Result<Vec<f32>, FeatureError> {
        match &column.values {
            Values::Tensors { shape, values } if *shape == self.shape => self.rows(values, rows),
            Values::Tensors { .. } => Err(FeatureError::ColumnType {
                column: self.name.clone(),
                expected: "images of another size",
                got: "images",
            }),
            _ => Err(wrong_type(column, "images")),
        }
    }

    fn rows(&self, values: &[f32], rows: &[usize]) -> Result<Vec<f32>, FeatureError> {
        let width: usize = self.shape.iter().product();
        let mut picked = Vec::with_capacity(rows.len() * width);
        for row in rows {
            let image = &values[row * width..(row + 1) * width];
            if !image.iter().all(|value| value.is_finite()) {
                return Err(FeatureError::NotFinite { column: self.name.clone(), row: row + 1 });
            }
            picked.extend_from_slice(image);
        }
        Ok(picked)
    }
}
