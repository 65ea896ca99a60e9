//! Bad input, each with a message that can be acted on.

use std::error::Error;

use yard_data::Column;
use yard_spec::TrainingSpec;
use yard_training::{Event, TrainingData, TrainingError, Verifier, train};
use yard_types::{NamedTensor, Tensor, TensorData};

use crate::served::{Engines, InMemory, categories, data_of, numbers, spec, trained_on};

const LOGISTIC: &str = "name = 'm'\n[data]\nbuiltin = 'iris'\n[model]\nkind = 'logistic'\n";
const LINEAR: &str = "name = 'm'\n[data]\nbuiltin = 'iris'\n[model]\nkind = 'linear'\n";

fn x() -> Column {
    numbers("x", &(0..40).map(f64::from).collect::<Vec<_>>())
}

fn two_classes() -> Column {
    categories("label", &["a", "b"], &(0..40).map(|row| row % 2).collect::<Vec<_>>())
}

#[track_caller]
fn check(text: &str, columns: Vec<Column>, message: &str) {
    let error = trained_on(text, columns, &mut InMemory::default()).unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[test]
fn a_label_that_is_not_there() {
    check(LOGISTIC, vec![x()], "there is no column `label`; there are: `x`");
}

#[test]
fn a_label_with_one_class_only() {
    let label = categories("label", &["a", "b"], &[0; 40]);
    let message = "the label `label` has one class only in the training rows, `a`: at least two are needed to tell apart";
    check(LOGISTIC, vec![x(), label], message);
}

#[test]
fn a_missing_label_and_an_infinite_one() {
    let mut values: Vec<f64> = (0..40).map(f64::from).collect();
    values[16] = f64::NAN;
    let message =
        "row 17: the label `label` is missing or not a number (NaN); give it a value or remove the row";
    check(LINEAR, vec![x(), numbers("label", &values)], message);
    values[16] = f64::INFINITY;
    let message = "row 17, column `label`: the value is infinite or too large for a 32-bit number; replace it by a \
                   number that fits or leave it empty (missing)";
    check(LINEAR, vec![x(), numbers("label", &values)], message);
}

#[test]
fn an_infinite_number() {
    let mut values: Vec<f64> = (0..40).map(f64::from).collect();
    values[3] = f64::INFINITY;
    let message = "row 4, column `x`: the value is infinite or too large for a 32-bit number; replace it by a number \
                   that fits or leave it empty (missing)";
    check(LOGISTIC, vec![numbers("x", &values), two_classes()], message);
}

#[test]
fn a_constant_column_is_remarked_and_does_no_harm() {
    let mut run = InMemory::default();
    trained_on(LOGISTIC, vec![x(), numbers("c", &[3.0; 40]), two_classes()], &mut run).unwrap();
    let message = "column `c` is 3 in all 28 training rows and adds nothing: it may be left out (data.ignore = [\"c\"])";
    assert!(run.events.contains(&Event::Log(message.to_owned())), "{:?}", run.events);
}

#[test]
fn a_column_of_a_hundred_thousand_categories() {
    let levels: Vec<String> = (0..2000).map(|number| format!("{number:04}")).collect();
    let levels: Vec<&str> = levels.iter().map(String::as_str).collect();
    let users = categories("user", &levels, &(0..2000).collect::<Vec<_>>());
    let label = categories("label", &["a", "b"], &(0..2000).map(|row| row % 2).collect::<Vec<_>>());
    let message = "column `user` has 1400 different categories in the training rows, more than \
                   features.max_categories = 1000: leave it out (data.ignore = [\"user\"]), read it as text \
                   ([data.columns.user] type = \"text\"), or raise features.max_categories";
    check(LOGISTIC, vec![users, label], message);
}

#[test]
fn a_network_that_ends_in_another_number_of_classes() {
    let text = "name = 'm'\n[data]\nbuiltin = 'iris'\n[model]\nkind = 'network'\n\
                layers = [{ type = 'dense', units = 10, activation = 'softmax' }]\n";
    let message = "layer 1 (dense) gives 10 numbers, but the label has 2 classes: units = 2 with softmax, or units = 1 \
                   with sigmoid";
    check(text, vec![x(), two_classes()], message);
}

#[test]
fn a_checkpoint_from_another_specification() {
    for model in ["kind = 'logistic'", "kind = 'boosted_trees'\nmin_rows_per_leaf = 2"] {
        let text =
            |seed: u32| format!("name = 'm'\nseed = {seed}\n[data]\nbuiltin = 'iris'\n[model]\n{model}\n");
        let columns = || vec![x(), two_classes()];
        let mut run = InMemory::default();
        trained_on(&text(1), columns(), &mut run).unwrap();
        let error = trained_on(&text(2), columns(), &mut run).unwrap_err();
        let cause = error.source().unwrap().to_string();
        assert!(cause.starts_with("it is from another specification"), "{cause}");
    }
}

#[test]
fn a_full_disk_in_mid_run() {
    for model in ["kind = 'logistic'", "kind = 'boosted_trees'\nmin_rows_per_leaf = 2"] {
        let text = format!("name = 'm'\n[data]\nbuiltin = 'iris'\n[model]\n{model}\n");
        let mut run = InMemory { disk_is_full: true, ..InMemory::default() };
        let error = trained_on(&text, vec![x(), two_classes()], &mut run).unwrap_err();
        assert_eq!(error.to_string(), "cannot save a checkpoint");
        assert_eq!(error.source().unwrap().to_string(), "no storage space");
    }
}

/// An engine that is wrong in one row.
struct Wrong;

impl Verifier for Wrong {
    fn predict(
        &self,
        model: &[u8],
        inputs: Vec<NamedTensor>,
    ) -> Result<Vec<NamedTensor>, Box<dyn Error + Send + Sync>> {
        let mut outputs = Engines.predict(model, inputs)?;
        let output = outputs.remove(0);
        let (shape, data) = output.tensor.into_parts();
        let TensorData::Fp32(mut values) = data else { return Err("no numbers".into()) };
        values[4] += 0.001;
        let tensor = Tensor::new(shape, TensorData::Fp32(values))?;
        Ok(vec![NamedTensor { name: output.name, tensor }])
    }
}

#[test]
fn an_engine_that_says_something_else_fails_the_run_with_the_row() {
    let spec: TrainingSpec = spec(LOGISTIC);
    let data: TrainingData = data_of(&spec);
    let error = train(&spec, &data, &Wrong, &mut InMemory::default()).unwrap_err();
    assert!(matches!(error, TrainingError::ServedDiffers { split: "train", place: 1, .. }), "{error}");
    assert!(error.to_string().contains("of the train rows gives"), "{error}");
}
