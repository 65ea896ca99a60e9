//! What shape rows of so many elements have for an input.

use yard_types::{Dim, TensorSpec};

/// The shape of `rows` rows of `width` elements each, for an input of this specification; the error says what the
/// input expects. Exactly one dimension of any size after the first is worked out; with more there is no telling.
pub(super) fn shape_of_rows(spec: &TensorSpec, rows: usize, width: usize) -> Result<Vec<usize>, String> {
    let dims = spec.shape.as_deref().unwrap_or_default();
    let Some((_, inner)) = dims.split_first() else {
        // A scalar, or a model that does not say how many dimensions there are.
        return Ok(if rows == 1 && width == 1 { Vec::new() } else { vec![rows, width] });
    };
    let mut shape = vec![rows];
    let mut open = None;
    let mut fixed: usize = 1;
    for dim in inner {
        match dim {
            Dim::Fixed(size) => {
                fixed = fixed.saturating_mul(*size);
                shape.push(*size);
            }
            Dim::Symbol(_) | Dim::Any if open.is_none() => {
                open = Some(shape.len());
                shape.push(1);
            }
            Dim::Symbol(_) | Dim::Any => {
                return Err(format!(
                    "input '{}' has several dimensions of any size: give it as JSON or NPY, which carry a shape",
                    spec.name
                ));
            }
        }
    }
    match open {
        None if fixed == width => Ok(shape),
        Some(place) if fixed > 0 && width.is_multiple_of(fixed) => {
            shape[place] = width / fixed;
            Ok(shape)
        }
        _ => {
            let several = if open.is_some() { "a multiple of " } else { "" };
            let advice = if width > fixed { "; --ignore leaves columns out" } else { "" };
            Err(format!("input '{}' takes {several}{fixed} values a row, got {width}{advice}", spec.name))
        }
    }
}

#[cfg(test)]
mod tests {
    use yard_types::DataType;

    use super::*;

    #[track_caller]
    fn check(dims: &[i64], rows: usize, width: usize, expected: Option<&[usize]>) {
        let dims = dims.iter().map(|size| usize::try_from(*size).map_or(Dim::Any, Dim::Fixed)).collect();
        let spec =
            TensorSpec { name: "x".into(), data_type: DataType::Fp32, shape: Some(dims), labels: None };
        assert_eq!(shape_of_rows(&spec, rows, width).ok().as_deref(), expected);
    }

    #[test]
    fn rows_take_the_shape_that_the_model_says() {
        check(&[-1, 64], 3, 64, Some(&[3, 64]));
        check(&[-1, 64], 3, 63, None);
        check(&[-1, 1, 8, 8], 2, 64, Some(&[2, 1, 8, 8]));
        check(&[-1], 3, 1, Some(&[3]));
        check(&[-1], 3, 2, None);
        check(&[], 1, 1, Some(&[]));
        check(&[], 2, 3, Some(&[2, 3]));
    }

    #[test]
    fn one_dimension_of_any_size_is_worked_out() {
        check(&[-1, -1], 3, 5, Some(&[3, 5]));
        check(&[-1, -1, 4], 3, 8, Some(&[3, 2, 4]));
        check(&[-1, -1, 4], 3, 7, None);
        check(&[-1, -1, -1], 3, 8, None);
        check(&[-1, -1, 0], 3, 8, None);
    }
}
