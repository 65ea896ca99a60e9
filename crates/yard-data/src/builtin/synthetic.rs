//! Data made by a formula. Each row depends on its number alone, so that any part can be made by itself.

use std::f64::consts::TAU;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::Builtin;
use crate::batches::{BatchReader, ReadLimits};
use crate::draw::draw;
use crate::error::DataError;
use crate::typed::arrays::{image_array, image_field};

mod sentences;

/// Changes whenever a value does.
pub(super) const VERSION: u32 = 1;
const SEED: u64 = 1;

const CLASSES: usize = 10;
const FEATURES_TO_CLASSIFY: usize = 100;
/// How far the middles of classes lie from the middle of all: the best a model can do is about 0.99.
const SPREAD: f64 = 0.35;

const FEATURES_TO_REGRESS: usize = 10;
const NOISE: f64 = 0.5;

const IMAGE: [usize; 3] = [3, 32, 32];
const PIXEL_NOISE: f64 = 0.15;

/// Makes rows as they are asked for.
#[derive(Debug)]
pub(super) struct SyntheticReader {
    builtin: Builtin,
    schema: SchemaRef,
    rows: usize,
    made: usize,
    batch_rows: usize,
}

impl SyntheticReader {
    pub(super) fn new(builtin: Builtin, limits: &ReadLimits) -> Self {
        let numbers = |count: usize| {
            (0..count)
                .map(|place| Field::new(format!("x_{place}"), DataType::Float64, false))
                .collect::<Vec<_>>()
        };
        let label = |kind| Field::new("label", kind, false);
        let (rows, fields, row_bytes) = match builtin {
            Builtin::SyntheticRegression => {
                let fields = [numbers(FEATURES_TO_REGRESS), vec![label(DataType::Float64)]].concat();
                (1000, fields, 8 * FEATURES_TO_REGRESS)
            }
            Builtin::SyntheticImages => {
                let fields = vec![image_field("image", &IMAGE), label(DataType::Float64)];
                (1000, fields, 4 * IMAGE.iter().product::<usize>())
            }
            Builtin::SyntheticText => {
                (1200, vec![Field::new("text", DataType::Utf8, false), label(DataType::Utf8)], 100)
            }
            _ => {
                let fields = [numbers(FEATURES_TO_CLASSIFY), vec![label(DataType::Float64)]].concat();
                (2000, fields, 8 * FEATURES_TO_CLASSIFY)
            }
        };
        let schema = Arc::new(Schema::new(fields));
        Self { builtin, schema, rows, made: 0, batch_rows: limits.rows_of(row_bytes) }
    }
}

impl BatchReader for SyntheticReader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn name(&self) -> &str {
        self.builtin.as_str()
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, DataError> {
        let rows = self.made..self.rows.min(self.made + self.batch_rows);
        if rows.is_empty() {
            return Ok(None);
        }
        self.made = rows.end;
        let columns = match self.builtin {
            Builtin::SyntheticRegression => by_columns(rows.map(regression_row).collect()),
            Builtin::SyntheticImages => {
                let labels: ArrayRef = Arc::new(Float64Array::from_iter_values(
                    rows.clone().map(|row| class_of("images", row) as f64),
                ));
                let values = rows.flat_map(image_row).collect();
                image_array(values, IMAGE.iter().product()).into_iter().chain([labels]).collect()
            }
            Builtin::SyntheticText => {
                let (texts, labels): (Vec<_>, Vec<_>) = rows.map(sentences::sentence).unzip();
                vec![Arc::new(StringArray::from(texts)) as _, Arc::new(StringArray::from(labels)) as _]
            }
            _ => by_columns(rows.map(classification_row).collect()),
        };
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map(Some)
            .map_err(|error| DataError::malformed(self.name(), "table", error.to_string()))
    }

    fn total_rows(&self) -> Option<u64> {
        Some(self.rows as u64)
    }
}

fn by_columns(rows: Vec<Vec<f64>>) -> Vec<ArrayRef> {
    let width = rows.first().map_or(0, Vec::len);
    let column = |place: usize| Float64Array::from_iter_values(rows.iter().map(move |row| row[place]));
    (0..width).map(|place| Arc::new(column(place)) as ArrayRef).collect()
}

/// Not the row's number: rows of one class should not stand at even distances.
fn class_of(data: &str, row: usize) -> usize {
    draw(SEED, &format!("class of {data}"), row as u64).below(CLASSES as u64) as usize
}

fn classification_row(row: usize) -> Vec<f64> {
    let class = class_of("classification", row);
    let mut middle = draw(SEED, "middle of a class", class as u64);
    let mut noise = draw(SEED, "row to classify", row as u64);
    let features = (0..FEATURES_TO_CLASSIFY).map(|_| SPREAD * middle.normal() + noise.normal());
    features.chain([class as f64]).collect()
}

fn regression_row(row: usize) -> Vec<f64> {
    let mut weights = draw(SEED, "weights", 0);
    let mut source = draw(SEED, "row to regress", row as u64);
    let mut features: Vec<f64> = (0..FEATURES_TO_REGRESS).map(|_| source.normal()).collect();
    let sum: f64 = features.iter().map(|feature| 2.0 * weights.normal() * feature).sum();
    features.push(1.0 + sum + NOISE * source.normal());
    features
}

/// Stripes whose direction and colours are those of the class; where they begin and how bright they are is chance.
fn image_row(row: usize) -> impl Iterator<Item = f32> {
    let class = class_of("images", row);
    let mut source = draw(SEED, "image", row as u64);
    let angle = TAU / 2.0 * class as f64 / CLASSES as f64;
    let (along, across) = (angle.cos(), angle.sin());
    let phase = TAU * source.uniform();
    let contrast = 0.25 + 0.2 * source.uniform();
    let [channels, height, width] = IMAGE;
    let pixels = (0..channels)
        .flat_map(move |channel| (0..height).flat_map(move |y| (0..width).map(move |x| (channel, y, x))));
    pixels.map(move |(channel, y, x)| {
        let wave = (0.8 * (along * x as f64 + across * y as f64) + phase).sin();
        let strength = if channel == class % 3 { 1.0 } else { 0.5 };
        (0.5 + contrast * strength * wave + PIXEL_NOISE * source.normal()).clamp(0.0, 1.0) as f32
    })
}

#[cfg(test)]
mod tests;
