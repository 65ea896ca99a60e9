use super::*;

const START: [f32; 3] = [0.5, -0.25, 1.5];
const ADAM: Rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: false };
const NONE: Limits = Limits { weight_decay: 0.0, clip_value: None, clip_norm: None, clip_weights: None };

/// The gradient of sum(0.5 c (w - t)^2).
fn gradient(weights: &[f32]) -> Vec<f32> {
    let (curve, target) = ([1.0, 4.0, 0.25], [1.0, 0.5, -2.0]);
    weights.iter().zip(curve).zip(target).map(|((weight, curve), target)| curve * (weight - target)).collect()
}

fn weights_after(rule: Rule, limits: Limits, steps: usize) -> Vec<f32> {
    let mut parameters = vec![Parameter {
        name: "weight".to_owned(),
        shape: vec![3],
        role: Role::Weight,
        values: START.to_vec(),
    }];
    let mut optimizer = Optimizer::new(rule, limits, &parameters);
    for _ in 0..steps {
        let mut gradients = vec![gradient(&parameters[0].values)];
        optimizer.step(&mut parameters, &mut gradients, 0.1);
    }
    parameters.swap_remove(0).values
}

#[test]
fn weights_stay_within_their_limit() {
    let limits = Limits { clip_weights: Some(0.4), ..NONE };
    assert!(weights_after(ADAM, limits, 30).iter().all(|weight| weight.abs() <= 0.4));
}

#[test]
fn offsets_neither_decay_nor_are_held_and_statistics_never_move() {
    let parameter = |role| Parameter::filled("p", vec![2], role, 3.0);
    let mut parameters = vec![parameter(Role::Offset), parameter(Role::Statistic)];
    let limits = Limits { weight_decay: 0.5, clip_weights: Some(1.0), ..NONE };
    let mut optimizer = Optimizer::new(Rule::Descent, limits, &parameters);
    optimizer.step(&mut parameters, &mut [vec![0.0, 1.0], Vec::new()], 0.5);
    assert_eq!(parameters[0].values, [3.0, 2.5]);
    assert_eq!(parameters[1].values, [3.0, 3.0]);
}

#[test]
fn memory_of_another_model_is_refused() {
    let small = vec![Parameter::zeros("a", vec![2], Role::Weight)];
    let large = vec![Parameter::zeros("a", vec![3], Role::Weight)];
    let memory = Optimizer::new(ADAM, NONE, &large).memory().to_vec();
    assert!(!Optimizer::new(ADAM, NONE, &small).restore(1, memory));
}
