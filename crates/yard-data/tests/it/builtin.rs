use std::collections::BTreeMap;

use yard_data::{Builtin, Role, Source, Values};

use crate::support::table;

#[track_caller]
fn check(builtin: Builtin, rows: usize, features: usize, classes: &[(&str, usize)]) {
    let table = table(&Source::Builtin(builtin)).unwrap();
    assert_eq!((table.rows, table.columns.len() - 1), (rows, features), "{builtin}");
    let Values::Categories { codes, levels } = &table.column("label").unwrap().values else {
        panic!("the label of {builtin} has classes")
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for code in codes {
        *counts.entry(&levels[*code as usize]).or_default() += 1;
    }
    for (class, count) in classes {
        assert_eq!(counts[class], *count, "{builtin}: {class}");
    }
    for column in &table.columns {
        if let Values::Numbers(numbers) = &column.values {
            assert!(numbers.iter().all(|number| number.is_finite()), "{builtin}: {}", column.name);
        }
    }
}

#[test]
fn real_sets_have_the_rows_and_classes_that_are_published() {
    check(Builtin::Digits, 1797, 64, &[("0", 178), ("1", 182), ("8", 174), ("9", 180)]);
    check(Builtin::Iris, 150, 4, &[("setosa", 50), ("versicolor", 50), ("virginica", 50)]);
    check(Builtin::BreastCancer, 569, 30, &[("benign", 357), ("malignant", 212)]);
    check(Builtin::Wine, 178, 13, &[("class_0", 59), ("class_1", 71), ("class_2", 48)]);
}

#[test]
fn diabetes_is_a_regression_on_raw_values() {
    let table = table(&Source::Builtin(Builtin::Diabetes)).unwrap();
    assert_eq!((table.rows, table.columns.len()), (442, 11));
    let mean = |name: &str| match &table.column(name).unwrap().values {
        Values::Numbers(numbers) => numbers.iter().sum::<f64>() / numbers.len() as f64,
        other => panic!("{name}: {other:?}"),
    };
    assert!((mean("label") - 152.133_484).abs() < 1e-6);
    assert!((mean("age") - 48.518_1).abs() < 1e-4);
}

#[test]
fn every_set_can_be_named_read_and_learned_from() {
    for builtin in Builtin::ALL {
        assert_eq!(builtin.to_string().parse::<Builtin>().unwrap(), builtin);
        let source = Source::Builtin(builtin);
        let first = table(&source).unwrap();
        assert_eq!(first, table(&source).unwrap(), "{builtin} is the same each time");
        let mut reader = yard_data::open(&source, &yard_data::ReadLimits::default()).unwrap();
        let inferred = yard_data::infer(&mut *reader, &yard_data::InferOptions::default()).unwrap();
        assert_eq!(inferred.schema.column("label").unwrap().role, Role::Label);
        assert_eq!(inferred.rows, first.rows as u64);
    }
}
