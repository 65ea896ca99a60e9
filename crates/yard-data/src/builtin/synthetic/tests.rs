use super::*;
use crate::infer::{InferOptions, infer};
use crate::schema::ColumnType;
use crate::source::Source;
use crate::table::{Table, TableOptions, Values};

fn table(builtin: Builtin) -> Table {
    let source = Source::Builtin(builtin);
    let mut reader = crate::source::open(&source, &ReadLimits::default()).unwrap();
    let schema = infer(&mut *reader, &InferOptions::default()).unwrap().schema;
    Table::read(&source, &schema, &TableOptions::default()).unwrap()
}

fn numbers<'a>(table: &'a Table, name: &str) -> &'a [f64] {
    match &table.column(name).unwrap().values {
        Values::Numbers(numbers) => numbers,
        other => panic!("{other:?}"),
    }
}

fn classes(table: &Table) -> (&[u32], usize) {
    match &table.column("label").unwrap().values {
        Values::Categories { codes, levels } => (codes, levels.len()),
        other => panic!("{other:?}"),
    }
}

/// How often the nearest mean of a class, learned from the first half, is right in the second.
fn nearest_mean(rows: &[Vec<f64>], codes: &[u32], classes: usize) -> f64 {
    let half = rows.len() / 2;
    let mut means = vec![vec![0.0; rows[0].len()]; classes];
    let mut counts = vec![0.0; classes];
    for (row, code) in rows.iter().zip(codes).take(half) {
        counts[*code as usize] += 1.0;
        for (mean, value) in means[*code as usize].iter_mut().zip(row) {
            *mean += value;
        }
    }
    let distance = |row: &[f64], class: usize| -> f64 {
        row.iter().zip(&means[class]).map(|(value, sum)| (value - sum / counts[class]).powi(2)).sum()
    };
    let right = (half..rows.len()).filter(|at| {
        let nearest =
            (0..classes).min_by(|a, b| distance(&rows[*at], *a).total_cmp(&distance(&rows[*at], *b)));
        nearest == Some(codes[*at] as usize)
    });
    right.count() as f64 / (rows.len() - half) as f64
}

#[test]
fn classes_can_be_learned_but_not_from_one_number() {
    let table = table(Builtin::SyntheticClassification);
    let (codes, levels) = classes(&table);
    assert_eq!((table.rows, table.columns.len(), levels), (2000, 101, 10));
    let features: Vec<&[f64]> = (0..100).map(|place| numbers(&table, &format!("x_{place}"))).collect();
    let rows: Vec<Vec<f64>> = (0..table.rows).map(|row| features.iter().map(|f| f[row]).collect()).collect();
    let all = nearest_mean(&rows, codes, levels);
    let one = nearest_mean(&rows.iter().map(|row| vec![row[0]]).collect::<Vec<_>>(), codes, levels);
    assert!(all > 0.9 && all < 1.0, "{all}");
    assert!(one < 0.4, "{one}");
}

#[test]
fn the_regression_is_linear_but_for_its_noise() {
    let table = table(Builtin::SyntheticRegression);
    assert_eq!((table.rows, table.columns.len()), (1000, 11));
    // The features are independent with variance one: the weight is the covariance.
    let label = numbers(&table, "label");
    let mean = label.iter().sum::<f64>() / 1000.0;
    let variance = label.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / 1000.0;
    let explained: f64 = (0..10)
        .map(|place| {
            let feature = numbers(&table, &format!("x_{place}"));
            let covariance = feature.iter().zip(label).map(|(x, y)| x * (y - mean)).sum::<f64>() / 1000.0;
            covariance.powi(2)
        })
        .sum();
    assert!(explained / variance > 0.8, "{explained} of {variance}");
}

#[test]
fn images_have_their_shape_and_values_from_zero_to_one() {
    let table = table(Builtin::SyntheticImages);
    let Values::Tensors { shape, values } = &table.columns[0].values else { panic!("images") };
    assert_eq!((shape.as_slice(), values.len(), classes(&table).1), (&IMAGE[..], 1000 * 3072, 10));
    assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
}

#[test]
fn sentences_are_text_on_three_subjects() {
    let source = Source::Builtin(Builtin::SyntheticText);
    let mut reader = crate::source::open(&source, &ReadLimits::default()).unwrap();
    let schema = infer(&mut *reader, &InferOptions::default()).unwrap().schema;
    assert_eq!(schema.column("text").unwrap().kind, ColumnType::Text);
    let table = table(Builtin::SyntheticText);
    let (codes, levels) = classes(&table);
    assert_eq!((table.rows, levels), (1200, 3));
    for class in 0..3 {
        assert!(codes.iter().filter(|code| **code == class).count() > 300);
    }
}

#[test]
fn any_row_can_be_made_by_itself() {
    let small = ReadLimits { batch_rows: 7, ..ReadLimits::default() };
    let first = |limits: &ReadLimits| {
        let mut reader = SyntheticReader::new(Builtin::SyntheticText, limits);
        let batches: Vec<RecordBatch> = std::iter::from_fn(|| reader.next_batch().unwrap()).take(2).collect();
        batches.iter().map(|batch| batch.slice(0, 7)).collect::<Vec<_>>()
    };
    assert_eq!(first(&small)[0], first(&ReadLimits::default())[0]);
}
