use burn::tensor::{Device, Tensor, TensorData};

use super::*;
use crate::{
    Model as _, Pass, outputs,
    parameters::{Leaves, Role, numbers},
};

const PLAN: TextPlan =
    TextPlan { words: 6, max_tokens: 4, width: 4, heads: 2, blocks: 2, hidden: 5, dropout: 0.0, classes: 3 };

/// Three texts: of two words, of all places, of none.
const ROWS: [f32; 12] = [2.0, 3.0, 0.0, 0.0, 5.0, 1.0, 4.0, 2.0, 0.0, 0.0, 0.0, 0.0];
/// How much each output counts.
const SLOPE: [f32; 9] = [0.5, -1.0, 0.25, 1.0, 0.75, -0.5, -0.25, 1.5, 1.0];

/// A network whose parameters are all far from zero.
fn network() -> TextNetwork {
    let mut network = TextNetwork::new(&PLAN, 3).unwrap();
    let mut source = yard_data::draw(4, "test", 0);
    for parameter in network.parameters_mut() {
        parameter.values.iter_mut().for_each(|value| *value += (0.5 * source.normal()) as f32);
    }
    network
}

fn weighted(network: &TextNetwork) -> f64 {
    let outputs = outputs(network, &ROWS, 4);
    outputs.iter().zip(SLOPE).map(|(output, slope)| f64::from(output * slope)).sum()
}

#[test]
fn gradients_are_those_of_small_steps() {
    let mut network = network();
    let leaves = Leaves::trained(network.parameters());
    let rows = Tensor::<2>::from_data(TensorData::new(ROWS.to_vec(), [3, 4]), &Device::flex().autodiff());
    let outcome = network.forward(&leaves, rows, &Pass::Train { seed: 1, batch: 0 });
    let slope = Tensor::<2>::from_data(TensorData::new(SLOPE.to_vec(), [3, 3]), &Device::flex());
    let gradients = leaves.gradients(&mut (outcome.outputs * slope).sum().backward());
    for (place, gradient) in gradients.iter().enumerate() {
        for (number, slope) in gradient.iter().enumerate() {
            let name = network.parameters()[place].name.clone();
            let start = network.parameters()[place].values[number];
            let mut at = |value: f32| {
                network.parameters_mut()[place].values[number] = value;
                weighted(&network)
            };
            let step = 4e-3;
            let measured = (at(start + step) - at(start - step)) / f64::from(2.0 * step);
            at(start);
            let distance = (measured - f64::from(*slope)).abs();
            assert!(distance <= 2e-3 * measured.abs().max(1.0), "{name}[{number}]: {slope}, not {measured}");
        }
    }
    // Padding stands in no sum: what stands for it is never changed.
    assert!(gradients[0][..4].iter().all(|slope| *slope == 0.0), "{:?}", &gradients[0][..4]);
    assert!(gradients[0][8..12].iter().any(|slope| *slope != 0.0));
}

#[test]
fn a_text_gives_the_same_alone_and_beside_longer_ones() {
    let network = network();
    let together = outputs(&network, &ROWS, 4);
    for (row, together) in ROWS.chunks(4).zip(together.chunks(3)) {
        for (alone, together) in outputs(&network, row, 4).iter().zip(together) {
            assert!((alone - together).abs() < 1e-6, "{alone} {together}");
        }
    }
    // Without words only the offsets of the last layer are left.
    let last = network.parameters().last().unwrap();
    assert_eq!((last.name.as_str(), &last.values[..]), ("classes.offset", &together[6..]));
}

#[test]
fn dropout_is_drawn_from_seed_and_batch() {
    let plan = TextPlan { dropout: 0.4, ..PLAN };
    let network = TextNetwork::new(&plan, 3).unwrap();
    let at = |pass: Pass| {
        let leaves = Leaves::fixed(network.parameters());
        let rows = Tensor::<2>::from_data(TensorData::new(ROWS.to_vec(), [3, 4]), &Device::flex());
        numbers(network.forward(&leaves, rows, &pass).outputs)
    };
    let first = Pass::Train { seed: 1, batch: 0 };
    assert_eq!(at(first), at(first));
    assert_ne!(at(first), at(Pass::Train { seed: 1, batch: 1 }));
    assert_ne!(at(first), at(Pass::Train { seed: 2, batch: 0 }));
    assert_eq!(at(Pass::Predict), outputs(&network, &ROWS, 4));
}

#[test]
fn the_parameters_stand_where_the_passes_look_for_them() {
    let network = network();
    let name = |place: usize| network.parameters()[place].name.as_str();
    let block = TextNetwork::block(1);
    assert_eq!(name(block.first_norm), "blocks.1.first_norm.scale");
    assert_eq!(name(block.attention), "blocks.1.attention.weight");
    assert_eq!(name(block.joined), "blocks.1.joined.weight");
    assert_eq!(name(block.second_norm), "blocks.1.second_norm.scale");
    assert_eq!(name(block.widened), "blocks.1.widened.weight");
    assert_eq!(name(block.narrowed), "blocks.1.narrowed.weight");
    assert_eq!((name(network.end()), name(network.end() + 2)), ("norm.scale", "classes.weight"));
    assert!(network.parameters().iter().all(|parameter| parameter.role != Role::Statistic));
}
