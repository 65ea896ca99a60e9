use serde::Deserialize;

use super::*;

/// What scikit-learn gives, by `python/reference/metrics.py`.
const REFERENCE: &str = include_str!("../../../tests/reference/metrics.json");

#[derive(Deserialize)]
struct Reference {
    regression: Vec<OfNumbers>,
    classification: Vec<OfClasses>,
}

#[derive(Deserialize)]
struct OfNumbers {
    name: String,
    wanted: Vec<f32>,
    predicted: Vec<f32>,
    figures: std::collections::BTreeMap<String, Option<f64>>,
}

#[derive(Deserialize)]
struct OfClasses {
    name: String,
    wanted: Vec<u32>,
    probabilities: Vec<f32>,
    figures: std::collections::BTreeMap<String, Option<f64>>,
    classes: Vec<[f64; 4]>,
    confusion: Vec<Vec<u64>>,
}

fn reference() -> Reference {
    serde_json::from_str(REFERENCE).unwrap()
}

#[track_caller]
fn check(case: &str, what: &str, found: f64, expected: f64) {
    let allowed = 1e-12 * expected.abs().max(1.0);
    assert!((found - expected).abs() <= allowed, "{case}: {what} is {found}, not {expected}");
}

/// Every figure that is given must be one of the reference, and the other way round.
#[track_caller]
fn check_all(
    case: &str,
    found: &Metrics,
    expected: &std::collections::BTreeMap<String, Option<f64>>,
    instead: &[(&str, f64)],
) {
    let names: Vec<&str> = expected
        .iter()
        .filter(|(name, value)| value.is_some() || instead.iter().any(|(known, _)| known == name))
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), names, "{case}");
    for (name, found) in found {
        let given = instead.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
        check(case, name, *found, expected[*name].or(given).unwrap());
    }
}

#[test]
fn figures_of_numbers_are_those_of_scikit_learn() {
    let cases = reference().regression;
    assert!(cases.len() >= 6);
    for OfNumbers { name, wanted, predicted, figures } in cases {
        let measured = measure(&predicted, &Targets::Numbers(wanted));
        assert_eq!(measured.by_class, None);
        // scikit-learn gives R2 no value for one row; here one row is a constant like any other.
        check_all(&name, &measured.metrics, &figures, &[("r2", 0.0)]);
    }
}

#[test]
fn figures_of_classes_are_those_of_scikit_learn() {
    let cases = reference().classification;
    assert!(cases.len() >= 8);
    for case in cases {
        let OfClasses { name, wanted, probabilities, figures, classes, confusion } = case;
        let Measured { metrics, by_class } = measure(&probabilities, &Targets::Classes(wanted));
        check_all(&name, &metrics, &figures, &[]);
        let by_class = by_class.unwrap();
        assert_eq!(by_class.confusion, Some(confusion), "{name}");
        assert_eq!(by_class.classes.len(), classes.len(), "{name}");
        for (class, [precision, recall, f1, rows]) in by_class.classes.iter().zip(classes) {
            check(&name, "precision", class.precision, precision);
            check(&name, "recall", class.recall, recall);
            check(&name, "f1", class.f1, f1);
            assert_eq!(class.rows as f64, rows, "{name}");
        }
    }
}

#[test]
fn equal_numbers_whose_sum_is_not_exact_are_a_constant() {
    // Where the mean of equal numbers is not quite that number, scikit-learn 1.9 gives an R2 far below 0.
    let wanted = vec![0.1_f32; 7];
    let measured = measure(&[0.3; 7], &Targets::Numbers(wanted));
    assert_eq!((measured.metrics["r2"], measured.metrics["explained_variance"]), (0.0, 1.0));
}

#[test]
fn many_classes_have_neither_curves_nor_a_table() {
    let count = 101_usize;
    let wanted: Vec<u32> = (0..count as u32).collect();
    let mut probabilities = vec![0.0; count * count];
    (0..count).for_each(|row| probabilities[row * count + row] = 1.0);
    let Measured { metrics, by_class } = measure(&probabilities, &Targets::Classes(wanted));
    assert_eq!(metrics["f1_macro"], 1.0);
    assert!(!metrics.contains_key("roc_auc"));
    let by_class = by_class.unwrap();
    assert_eq!((by_class.confusion, by_class.classes.len()), (None, count));
}
