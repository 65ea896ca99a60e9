use super::*;
use crate::{
    model::Head,
    network::{LayerPlan, Network, NetworkPlan},
    optimizer::{Limits, Rule},
};

const SPEC: [u8; 32] = [3; 32];
const RULE: Rule = Rule::Momentum { momentum: 0.9, nesterov: false };

fn network(units: usize) -> Network {
    let dense = |units| LayerPlan::Dense { units, activation: None };
    let layers = vec![dense(units), dense(2)];
    Network::new(&NetworkPlan { input: vec![3], layers, head: Head::Softmax }, 1).unwrap()
}

fn sample() -> (Network, Optimizer, State, Vec<u8>) {
    let mut model = network(4);
    let mut optimizer = Optimizer::new(RULE, Limits::default(), model.parameters());
    let lengths: Vec<usize> = model.parameters().iter().map(|parameter| parameter.values.len()).collect();
    let mut gradients: Vec<Vec<f32>> = lengths.iter().map(|length| vec![0.5; *length]).collect();
    optimizer.step(model.parameters_mut(), &mut gradients, 0.1);
    let record = EpochRecord {
        epoch: 1,
        train_loss: 0.5,
        train_score: 0.75,
        validation_loss: Some(0.25),
        validation_score: None,
    };
    let best =
        Best { epoch: 1, loss: 0.25, parameters: lengths.iter().map(|length| vec![1.5; *length]).collect() };
    let state = State {
        step: 12,
        tally: Tally { loss: 1.0, weight: 2.0, ..Tally::default() },
        first_loss: Some(2.5),
        ended: false,
        history: vec![record],
        best: Some(best),
    };
    let bytes = write(&SPEC, &model, &optimizer, &state);
    (model, optimizer, state, bytes)
}

#[test]
fn what_was_written_is_read_again() {
    let (model, optimizer, state, bytes) = sample();
    let mut other = network(4);
    let mut fresh = Optimizer::new(RULE, Limits::default(), other.parameters());
    assert_eq!(read(&bytes, &SPEC, &mut other, &mut fresh), Ok(state));
    assert_eq!(other.parameters(), model.parameters());
    assert_eq!(fresh, optimizer);
}

#[test]
fn checkpoints_of_something_else_are_refused_and_change_nothing() {
    let (_, _, _, bytes) = sample();
    let check = |bytes: &[u8], spec: &[u8; 32], units: usize, expected: CheckpointError| {
        let mut model = network(units);
        let mut optimizer = Optimizer::new(RULE, Limits::default(), model.parameters());
        assert_eq!(read(bytes, spec, &mut model, &mut optimizer), Err(expected));
        assert_eq!(model.parameters(), network(units).parameters());
        assert_eq!(optimizer.steps(), 0);
    };
    check(&bytes, &[4; 32], 4, CheckpointError::OtherSpecification);
    check(&bytes, &SPEC, 5, CheckpointError::OtherModel);
    check(b"PK", &SPEC, 4, CheckpointError::NotACheckpoint);
    let mut later = bytes.clone();
    later[8] = 2;
    check(&later, &SPEC, 4, CheckpointError::Version { found: 2 });
}

#[test]
fn a_checkpoint_that_was_cut_or_changed_is_found_out() {
    let (_, _, _, bytes) = sample();
    let mut model = network(4);
    let mut optimizer = Optimizer::new(RULE, Limits::default(), model.parameters());
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length], &SPEC, &mut model, &mut optimizer).is_err(), "{length} bytes");
    }
    for place in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[place] ^= 0x10;
        assert!(read(&changed, &SPEC, &mut model, &mut optimizer).is_err(), "byte {place}");
    }
}
