//! The classification extension: instead of a tensor, its largest elements with their places and labels.

use std::{cmp::Ordering, fmt::Display, num::NonZeroUsize};

use bytes::Bytes;
use yard_types::{Tensor, TensorData};

/// The `classes` largest elements along the last dimension, largest first, each as `value:index` or
/// `value:index:label`. Of equal elements the earlier comes first; NaN comes last.
pub(crate) fn classify(
    tensor: &Tensor,
    classes: NonZeroUsize,
    labels: Option<&[String]>,
) -> Result<Tensor, &'static str> {
    let Some((row_length, outer)) = tensor.shape().split_last() else {
        return Err("it is a single number");
    };
    let row_length = *row_length;
    let classes = classes.get().min(row_length);
    macro_rules! rank_whole {
        ($values:expr) => {
            rank($values, row_length, classes, labels, |left, right| left.cmp(right))
        };
    }
    macro_rules! rank_floats {
        ($values:expr) => {
            rank($values, row_length, classes, labels, |left, right| {
                // NaN is less than all else; zeros of either sign are equal.
                left.partial_cmp(right).unwrap_or_else(|| right.is_nan().cmp(&left.is_nan()))
            })
        };
    }
    let strings = match tensor.data() {
        TensorData::Bool(_) | TensorData::Bytes(_) => return Err("it does not hold numbers"),
        TensorData::Uint8(values) => rank_whole!(values),
        TensorData::Uint16(values) => rank_whole!(values),
        TensorData::Uint32(values) => rank_whole!(values),
        TensorData::Uint64(values) => rank_whole!(values),
        TensorData::Int8(values) => rank_whole!(values),
        TensorData::Int16(values) => rank_whole!(values),
        TensorData::Int32(values) => rank_whole!(values),
        TensorData::Int64(values) => rank_whole!(values),
        TensorData::Fp16(values) => rank_floats!(values),
        TensorData::Bf16(values) => rank_floats!(values),
        TensorData::Fp32(values) => rank_floats!(values),
        TensorData::Fp64(values) => rank_floats!(values),
    };
    let shape = outer.iter().copied().chain([classes]).collect();
    Tensor::new(shape, TensorData::Bytes(strings)).map_err(|_| "its shape is too large")
}

fn rank<T: Display>(
    values: &[T],
    row_length: usize,
    classes: usize,
    labels: Option<&[String]>,
    compare: impl Fn(&T, &T) -> Ordering,
) -> Vec<Bytes> {
    let mut strings = Vec::new();
    if classes == 0 {
        return strings;
    }
    for row in values.chunks_exact(row_length) {
        let best_first =
            |left: &usize, right: &usize| compare(&row[*right], &row[*left]).then_with(|| left.cmp(right));
        let mut places: Vec<usize> = (0..row_length).collect();
        if classes < row_length {
            places.select_nth_unstable_by(classes, best_first);
            places.truncate(classes);
        }
        places.sort_unstable_by(best_first);
        for place in places {
            let value = &row[place];
            let text = match labels.and_then(|labels| labels.get(place)) {
                Some(label) => format!("{value}:{place}:{label}"),
                None => format!("{value}:{place}"),
            };
            strings.push(Bytes::from(text));
        }
    }
    strings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(shape: &[usize], data: TensorData, classes: usize, labels: &[&str], expected: &[&str]) {
        let tensor = Tensor::new(shape.to_vec(), data).unwrap();
        let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        let labels = (!labels.is_empty()).then_some(labels);
        let classes = NonZeroUsize::new(classes).unwrap();
        let classified = classify(&tensor, classes, labels.as_deref()).unwrap();
        let TensorData::Bytes(strings) = classified.data() else { panic!("not strings") };
        assert_eq!(strings, expected);
        let mut shape = shape.to_vec();
        *shape.last_mut().unwrap() = classes.get().min(*shape.last().unwrap());
        assert_eq!(classified.shape(), shape);
    }

    #[test]
    fn largest_come_first_with_place_and_label() {
        let rows = TensorData::Fp32(vec![0.1, 0.7, 0.2, 0.5, 0.25, 0.25]);
        check(&[2, 3], rows.clone(), 2, &[], &["0.7:1", "0.2:2", "0.5:0", "0.25:1"]);
        check(&[2, 3], rows, 1, &["a", "b", "c"], &["0.7:1:b", "0.5:0:a"]);
        check(
            &[3],
            TensorData::Int64(vec![-5, i64::MAX, 7]),
            9,
            &["a"],
            &["9223372036854775807:1", "7:2", "-5:0:a"],
        );
    }

    #[test]
    fn nan_never_wins() {
        let row = TensorData::Fp32(vec![f32::NAN, f32::NEG_INFINITY, 1.0, f32::NAN]);
        check(&[4], row, 4, &[], &["1:2", "-inf:1", "NaN:0", "NaN:3"]);
    }

    #[test]
    fn only_rows_of_numbers_are_classified() {
        let one = NonZeroUsize::MIN;
        let scalar = Tensor::new(vec![], TensorData::Fp32(vec![1.0])).unwrap();
        let flags = Tensor::new(vec![1], TensorData::Bool(vec![true])).unwrap();
        assert!(classify(&scalar, one, None).is_err());
        assert!(classify(&flags, one, None).is_err());
        let empty = Tensor::new(vec![2, 0], TensorData::Fp32(vec![])).unwrap();
        assert_eq!(classify(&empty, one, None).unwrap().shape(), [2, 0]);
    }
}
