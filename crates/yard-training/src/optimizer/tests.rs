use super::*;

const START: [f32; 3] = [0.5, -0.25, 1.5];
const ADAM: Rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: false };
const NONE: Limits = Limits { weight_decay: 0.0, clip_value: None, clip_norm: None, clip_weights: None };

/// The gradient of sum(0.5 c (w - t)^2), as in the reference.
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

/// The weights after four steps, from `reference/optimizers.py`.
fn check(rule: Rule, limits: Limits, expected: [f64; 3]) {
    let actual = weights_after(rule, limits, 4);
    for (actual, expected) in actual.iter().zip(expected) {
        assert!(
            (f64::from(*actual) - expected).abs() < 2e-6,
            "{rule:?} {limits:?}: {actual}, not {expected}"
        );
    }
}

#[test]
fn each_rule_steps_as_the_reference_does() {
    let decay = Limits { weight_decay: 0.1, ..NONE };
    check(Rule::Descent, NONE, [0.671_95, 0.402_8, 1.162_907_617]);
    check(Rule::Descent, decay, [0.652_418_105, 0.398_402_397, 1.111_027_145]);
    let momentum = |nesterov| Rule::Momentum { momentum: 0.9, nesterov };
    check(momentum(false), NONE, [0.886_6, 1.107_5, 0.738_100_586]);
    check(momentum(true), decay, [0.895_533_877, 0.736_515_075, 0.373_864_694]);
    let rms_prop = Rule::RmsProp { decay: 0.99, epsilon: 1e-8 };
    check(rms_prop, NONE, [0.972_111_481, 0.494_871_512, -0.801_186_487]);
    check(ADAM, NONE, [0.887_084_598, 0.143_769_403, 1.100_762_024]);
    check(ADAM, decay, [0.880_687_33, 0.143_595_868, 1.100_940_152]);
    let adam_w = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: true };
    check(adam_w, decay, [0.862_859_291, 0.147_506_745, 1.047_739_691]);
}

#[test]
fn gradients_are_clipped_as_the_reference_does() {
    check(Rule::Descent, Limits { clip_value: Some(0.3), ..NONE }, [0.62, -0.13, 1.38]);
    check(
        Rule::Descent,
        Limits { clip_norm: Some(0.5), ..NONE },
        [0.533_819_817, -0.062_401_552, 1.439_648_149],
    );
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
