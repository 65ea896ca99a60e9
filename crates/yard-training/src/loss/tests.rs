use super::*;

/// The gradient by central differences must be the one that was stated.
fn check_gradient(loss: &Loss, outputs: &[f32], width: usize, targets: Targets<'_>) {
    let judged = loss.judge(outputs, width, targets);
    for index in 0..outputs.len() {
        let step = 1.0 / 512.0;
        let value = |change: f32| {
            let mut moved = outputs.to_vec();
            moved[index] += change;
            loss.judge(&moved, width, targets).value
        };
        let expected = (value(step) - value(-step)) / (2.0 * f64::from(step));
        let stated = f64::from(judged.gradient[index]);
        assert!((expected - stated).abs() < 1e-5, "{loss:?} output {index}: {stated}, not {expected}");
    }
}

fn weighted() -> Classes {
    Classes { label_smoothing: 0.1, weights: vec![0.5, 2.0, 1.5] }
}

#[test]
fn gradients_agree_with_finite_differences() {
    let outputs = [0.5, -1.25, 2.0, 0.75, -0.5, 3.5];
    let numbers = Targets::Numbers(&[0.0, -1.0, -1.5, 0.8, 0.25, 3.0]);
    let huber = Loss::Huber { delta: 1.0 };
    for loss in [Loss::MeanSquaredError, Loss::MeanAbsoluteError, huber] {
        check_gradient(&loss, &outputs, 1, numbers);
        check_gradient(&loss, &outputs, 2, numbers);
    }
    let two = Targets::Classes(&[0, 1, 1, 0, 1, 0]);
    for classes in [Classes::default(), weighted()] {
        check_gradient(&Loss::BinaryCrossEntropy(classes.clone()), &outputs, 1, two);
        let three = Targets::Classes(&[2, 0]);
        check_gradient(&Loss::CategoricalCrossEntropy(classes), &outputs, 3, three);
    }
}

#[test]
fn extreme_logits_give_finite_losses() {
    for logit in [1e4_f32, -1e4] {
        let binary = Loss::BinaryCrossEntropy(Classes::default());
        let judged = binary.judge(&[logit], 1, Targets::Classes(&[1]));
        assert!(judged.value.is_finite() && judged.gradient[0].is_finite());
        let categorical = Loss::CategoricalCrossEntropy(Classes::default());
        let judged = categorical.judge(&[logit, 0.0], 2, Targets::Classes(&[1]));
        assert!(judged.value.is_finite() && judged.gradient.iter().all(|slope| slope.is_finite()));
    }
}

#[test]
fn means_of_parts_add_up_by_their_weights() {
    let loss = Loss::CategoricalCrossEntropy(weighted());
    let outputs = [0.5, -1.25, 2.0, 0.75, -0.5, 3.5];
    let whole = loss.judge(&outputs, 3, Targets::Classes(&[2, 0]));
    let first = loss.judge(&outputs[..3], 3, Targets::Classes(&[2]));
    let second = loss.judge(&outputs[3..], 3, Targets::Classes(&[0]));
    let sum = first.value * first.weight + second.value * second.weight;
    assert!((sum / (first.weight + second.weight) - whole.value).abs() < 1e-12);
}
