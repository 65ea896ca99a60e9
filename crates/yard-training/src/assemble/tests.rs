use yard_spec::{Task, TrainingSpec};

use super::*;
use crate::{Activation, Head, LayerPlan, NetworkPlan};

fn spec(model: &str) -> TrainingSpec {
    let text = format!("name = 'm'\n[data]\nbuiltin = 'iris'\n[model]\n{model}");
    TrainingSpec::from_toml(&text).unwrap()
}

fn plan(model: &str, task: Task, row: &[usize], classes: usize) -> Result<NetworkPlan, String> {
    network_plan(&spec(model), task, row, classes).map_err(|error| error.to_string())
}

#[track_caller]
fn check_head(model: &str, task: Task, classes: usize, head: Head, last: &LayerPlan) {
    let plan = plan(model, task, &[4], classes).unwrap();
    assert_eq!((plan.head, plan.layers.last()), (head, Some(last)), "{model}");
}

#[track_caller]
fn check_refusal(model: &str, task: Task, classes: usize, message: &str) {
    assert_eq!(plan(model, task, &[4], classes).unwrap_err(), message, "{model}");
}

const fn dense(units: usize) -> LayerPlan {
    LayerPlan::Dense { units, activation: None }
}

#[test]
fn the_head_follows_from_the_task_the_classes_and_the_last_layer() {
    use Task::{Classification, Regression};
    check_head("kind = 'linear'", Regression, 0, Head::Numbers, &dense(1));
    check_head("kind = 'logistic'", Classification, 2, Head::Sigmoid, &dense(1));
    check_head("kind = 'logistic'", Classification, 3, Head::Softmax, &dense(3));
    let layers = |last: &str| format!("kind = 'network'\nlayers = [{last}]");
    let softmax = layers("{ type = 'dense', units = 3, activation = 'softmax' }");
    check_head(&softmax, Classification, 3, Head::Softmax, &dense(3));
    let bare = layers("{ type = 'dense', units = 3 }");
    check_head(&bare, Classification, 3, Head::Softmax, &dense(3));
    let sigmoid = layers("{ type = 'dense', units = 1 }, { type = 'activation', function = 'sigmoid' }");
    check_head(&sigmoid, Classification, 2, Head::Sigmoid, &dense(1));
    let bounded = LayerPlan::Activation(Activation::Sigmoid);
    check_head(&sigmoid, Regression, 0, Head::Numbers, &bounded);
}

#[test]
fn networks_that_do_not_fit_the_label_are_refused_with_the_layer() {
    let ten = "kind = 'network'\nlayers = [{ type = 'dense', units = 8 }, { type = 'dense', units = 10 }]";
    let message = "layer 2 (dense) gives 10 numbers, but the label has 3 classes: units = 3 with softmax";
    check_refusal(ten, Task::Classification, 3, message);
    let message = "layer 2 (dense) gives 10 numbers, but the label has 2 classes: units = 2 with softmax, or units = 1 \
                   with sigmoid";
    check_refusal(ten, Task::Classification, 2, message);
    check_refusal(
        ten,
        Task::Regression,
        0,
        "layer 2 (dense) gives 10 numbers, but one is foretold: units = 1",
    );
    let wide =
        "kind = 'network'\ninput = [1, 8, 8]\nlayers = [{ type = 'flatten' }, { type = 'dense', units = 3 }]";
    let message = "model.input is [1, 8, 8], which is 64 numbers a row, but the prepared data have 4: [4]";
    check_refusal(wide, Task::Classification, 3, message);
}

#[test]
fn the_task_is_said_by_the_specification_the_model_the_loss_or_the_label() {
    let numbers = Column { name: "y".to_owned(), values: Values::Numbers(vec![1.0]) };
    let codes = Values::Categories { codes: vec![0], levels: vec!["a".to_owned()] };
    let categories = Column { name: "y".to_owned(), values: codes };
    let trees = spec("kind = 'boosted_trees'");
    assert_eq!(task(&trees, &numbers), Task::Regression);
    assert_eq!(task(&trees, &categories), Task::Classification);
    assert_eq!(task(&spec("kind = 'logistic'"), &numbers), Task::Classification);
    assert_eq!(task(&spec("kind = 'linear'"), &categories), Task::Regression);
    let softmax = "kind = 'network'\nlayers = [{ type = 'dense', units = 3, activation = 'softmax' }]";
    assert_eq!(task(&spec(softmax), &numbers), Task::Classification);
    assert_eq!(task(&TrainingSpec { task: Task::Classification, ..trees }, &numbers), Task::Classification);
}

#[test]
fn class_weights_are_even_inverse_or_by_name() {
    let classes = ["a".to_owned(), "b".to_owned()];
    let weights = |weights: ClassWeights| class_weights(&weights, &classes, &[0, 0, 0, 1]);
    assert_eq!(weights(ClassWeights::None).unwrap(), [] as [f32; 0]);
    assert_eq!(weights(ClassWeights::Balanced).unwrap(), [4.0 / 6.0, 2.0]);
    let by_label = |label: &str| ClassWeights::ByLabel([(label.to_owned(), 3.0)].into());
    assert_eq!(weights(by_label("b")).unwrap(), [1.0, 3.0]);
    let message =
        "training.class_weights names the class `c`, which the training rows do not have; they have a, b";
    assert_eq!(weights(by_label("c")).unwrap_err().to_string(), message);
}
