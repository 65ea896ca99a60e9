//! What is to be foretold, as numbers.

use yard_data::{Column, Values};

use crate::FeatureError;

/// How labels become numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelEncoding {
    /// They are numbers.
    Numbers,
    /// Each is one of these classes: whole numbers in their order, other names by their bytes.
    Classes(Vec<String>),
}

/// Encoded labels, one a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// Of a regression.
    Numbers(Vec<f32>),
    /// Positions in the list of classes.
    Classes(Vec<u32>),
}

/// No classifier here tells more classes apart.
const MAX_CLASSES: usize = 10_000;
/// So many numbers or fewer may always be classes.
const FEW_CLASSES: usize = 20;
/// More numbers than that are classes only if each stands in so many rows, on average.
const LEAST_ROWS_OF_A_CLASS: usize = 4;

impl LabelEncoding {
    /// Finds the classes of the training rows, of which there must be at least two.
    pub fn classes(label: &Column, train: &[usize]) -> Result<Self, FeatureError> {
        let column = &label.name;
        let mut classes: Vec<String> = match &label.values {
            Values::Categories { codes, levels } => {
                let mut is_used = vec![false; levels.len()];
                for row in train {
                    let code = codes[*row] as usize;
                    *is_used.get_mut(code).ok_or_else(|| missing(label, *row))? = true;
                }
                let used = levels.iter().zip(is_used).filter(|(_, is_used)| *is_used);
                used.map(|(level, _)| level.clone()).collect()
            }
            Values::Numbers(numbers) => {
                let mut found = Vec::with_capacity(train.len());
                for row in train {
                    if numbers[*row].is_nan() {
                        return Err(missing(label, *row));
                    }
                    found.push(numbers[*row]);
                }
                found.sort_by(f64::total_cmp);
                found.iter().map(|number| class_name(*number)).collect()
            }
            other => return Err(no_label(column, other, CLASSIFICATION)),
        };
        classes.dedup();
        match classes.as_slice() {
            [] => Err(FeatureError::NoRows),
            [class] => Err(FeatureError::OneClass { column: column.clone(), class: class.clone() }),
            _ if classes.len() > MAX_CLASSES => Err(FeatureError::TooManyClasses {
                column: column.clone(),
                found: classes.len(),
                limit: MAX_CLASSES,
            }),
            _ => Ok(Self::Classes(classes)),
        }
    }

    /// Refuses numbers that look measured, not chosen from a list. Asked once of all rows: parts of them have fewer of each.
    pub fn refuse_measured(label: &Column) -> Result<(), FeatureError> {
        let Values::Numbers(numbers) = &label.values else { return Ok(()) };
        let mut found: Vec<f64> = numbers.iter().copied().filter(|number| !number.is_nan()).collect();
        let rows = found.len();
        found.sort_by(f64::total_cmp);
        found.dedup();
        let found = found.len();
        if found > FEW_CLASSES && found * LEAST_ROWS_OF_A_CLASS > rows {
            return Err(FeatureError::NotClasses { column: label.name.clone(), found, rows });
        }
        Ok(())
    }

    /// The labels of some rows as numbers.
    pub fn encode(&self, label: &Column, rows: &[usize]) -> Result<Targets, FeatureError> {
        match self {
            Self::Numbers => numbers(label, rows).map(Targets::Numbers),
            Self::Classes(classes) => positions(classes, label, rows).map(Targets::Classes),
        }
    }

    /// The classes in the order of the model's output; none for numbers.
    pub fn class_names(&self) -> &[String] {
        match self {
            Self::Numbers => &[],
            Self::Classes(classes) => classes,
        }
    }
}

const CLASSIFICATION: &str = "a classification";
const REGRESSION: &str = "a regression";

fn numbers(label: &Column, rows: &[usize]) -> Result<Vec<f32>, FeatureError> {
    let Values::Numbers(numbers) = &label.values else {
        return Err(no_label(&label.name, &label.values, REGRESSION));
    };
    let mut targets = Vec::with_capacity(rows.len());
    for row in rows {
        let target = numbers[*row] as f32;
        if target.is_nan() {
            return Err(missing(label, *row));
        }
        if target.is_infinite() {
            return Err(FeatureError::Infinite { column: label.name.clone(), row: row + 1 });
        }
        targets.push(target);
    }
    Ok(targets)
}

fn positions(classes: &[String], label: &Column, rows: &[usize]) -> Result<Vec<u32>, FeatureError> {
    let position = |class: &str| classes.iter().position(|known| known == class).map(|place| place as u32);
    let unknown = |class: &str, row: usize| FeatureError::UnknownClass {
        column: label.name.clone(),
        class: class.to_owned(),
        row: row + 1,
    };
    let mut targets = Vec::with_capacity(rows.len());
    match &label.values {
        Values::Categories { codes, levels } => {
            let places: Vec<Option<u32>> = levels.iter().map(|level| position(level)).collect();
            for row in rows {
                let code = codes[*row] as usize;
                let place = places.get(code).ok_or_else(|| missing(label, *row))?;
                targets.push(place.ok_or_else(|| unknown(&levels[code], *row))?);
            }
        }
        Values::Numbers(numbers) => {
            for row in rows {
                if numbers[*row].is_nan() {
                    return Err(missing(label, *row));
                }
                let class = class_name(numbers[*row]);
                targets.push(position(&class).ok_or_else(|| unknown(&class, *row))?);
            }
        }
        other => return Err(no_label(&label.name, other, CLASSIFICATION)),
    }
    Ok(targets)
}

/// A number as the name of a class: `3`, not `3.0` or `-0`.
fn class_name(number: f64) -> String {
    if number == 0.0 { "0".to_owned() } else { number.to_string() }
}

fn missing(label: &Column, row: usize) -> FeatureError {
    FeatureError::LabelMissing { column: label.name.clone(), row: row + 1 }
}

fn no_label(column: &str, values: &Values, task: &'static str) -> FeatureError {
    let (got, instead) = match values {
        Values::Numbers(_) => ("numbers", "choose task = \"regression\""),
        Values::Categories { .. } => {
            ("categories", "choose task = \"classification\", or give the column the type \"number\"")
        }
        Values::Texts(_) => ("text", "give the column the type \"category\" or \"number\""),
        Values::Tensors { .. } => ("images", "name another column as the label"),
    };
    FeatureError::LabelType { column: column.to_owned(), got, task, instead }
}

#[cfg(test)]
mod tests;
