//! The scale of a label that is a number.
//!
//! What is learned by gradients begins near 0 and moves by about the learning rate at a step: a label of a million would
//! take it as many steps. So it is learned with mean 0 and deviation 1, and the way back is a part of the graph.

use yard_features::Targets;
use yard_onnx::GraphBuilder;
use yard_spec::{LabelPreparation, TrainingSpec};
use yard_types::{Tensor, TensorData};

use crate::{
    model::Head,
    network::{LayerPlan, NetworkPlan},
};

/// How what is learned becomes the label: times the deviation, and the mean on top.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LabelScale {
    mean: f32,
    deviation: f32,
}

impl LabelScale {
    /// What is learned is the label.
    pub(crate) const NONE: Self = Self { mean: 0.0, deviation: 1.0 };

    /// The scale for a network that learns these targets.
    pub(crate) fn of(spec: &TrainingSpec, plan: &NetworkPlan, targets: &Targets) -> Self {
        match targets {
            Targets::Numbers(targets)
                if spec.features.label == LabelPreparation::Standardize
                    && plan.head == Head::Numbers
                    && reaches_every_number(plan) =>
            {
                Self::fit(targets)
            }
            _ => Self::NONE,
        }
    }

    fn fit(targets: &[f32]) -> Self {
        let count = targets.len().max(1) as f64;
        let mean = targets.iter().map(|target| f64::from(*target)).sum::<f64>() / count;
        let squares = targets.iter().map(|target| (f64::from(*target) - mean).powi(2)).sum::<f64>();
        let deviation = (squares / count).sqrt() as f32;
        // A constant is learned by its mean alone, and below the least normal number there is nothing to divide by.
        Self { mean: mean as f32, deviation: if deviation.is_normal() { deviation } else { 1.0 } }
    }

    pub(crate) fn deviation(self) -> f32 {
        self.deviation
    }

    /// The targets as they are learned.
    pub(crate) fn standardize(self, targets: Targets) -> Targets {
        match targets {
            Targets::Numbers(targets) if self != Self::NONE => {
                let (mean, deviation) = (f64::from(self.mean), f64::from(self.deviation));
                let standard = |target: f32| ((f64::from(target) - mean) / deviation) as f32;
                Targets::Numbers(targets.into_iter().map(standard).collect())
            }
            targets => targets,
        }
    }

    /// What was learned, in the unit of the label.
    pub(crate) fn restore(self, mut learned: Vec<f32>) -> Vec<f32> {
        if self != Self::NONE {
            // In the order and precision of the graph.
            learned.iter_mut().for_each(|value| *value = *value * self.deviation + self.mean);
        }
        learned
    }

    /// The same as nodes of a graph.
    pub(crate) fn emit(self, graph: GraphBuilder, value: &str) -> (GraphBuilder, String) {
        if self == Self::NONE {
            return (graph, value.to_owned());
        }
        let number = |number: f32| {
            Tensor::new(Vec::new(), TensorData::Fp32(vec![number])).expect("one number has the shape of one")
        };
        let graph = graph
            .initializer("label.deviation", &number(self.deviation))
            .initializer("label.mean", &number(self.mean))
            .node("Mul", &[value, "label.deviation"], &["label.scaled"], vec![])
            .node("Add", &["label.scaled", "label.mean"], &["label.restored"], vec![]);
        (graph, "label.restored".to_owned())
    }
}

/// Whether a network ends without an activation, which would bound what it can give: then its range is meant to be
/// that of the label.
fn reaches_every_number(plan: &NetworkPlan) -> bool {
    // A pool gives nothing that did not come in.
    let passes_on = |layer: &&LayerPlan| {
        matches!(
            layer,
            LayerPlan::Flatten
                | LayerPlan::Dropout { .. }
                | LayerPlan::MaxPool(_)
                | LayerPlan::AveragePool(_)
        )
    };
    let last = plan.layers.iter().rev().find(|layer| !passes_on(layer));
    last.and_then(LayerPlan::activation).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Activation;

    #[test]
    fn a_label_of_any_size_is_learned_with_mean_0_and_deviation_1_and_comes_back() {
        for (size, distance) in [(1e6_f32, 3e5), (1e-6, 2e-7), (-4e30, 1e30), (5.0, 2.0)] {
            let targets: Vec<f32> = (0..9).map(|row| size + distance * (row as f32 - 4.0)).collect();
            let scale = LabelScale::fit(&targets);
            let Targets::Numbers(standard) = scale.standardize(Targets::Numbers(targets.clone())) else {
                panic!()
            };
            let mean = standard.iter().sum::<f32>() / 9.0;
            let squares = standard.iter().map(|value| value * value).sum::<f32>() / 9.0;
            assert!(mean.abs() < 1e-5 && (squares - 1.0).abs() < 1e-5, "{mean} {squares}");
            for (restored, target) in scale.restore(standard).iter().zip(&targets) {
                assert!(
                    (restored - target).abs() <= 1e-6 * target.abs().max(distance),
                    "{restored} {target}"
                );
            }
        }
    }

    #[test]
    fn a_constant_label_is_its_mean() {
        assert_eq!(LabelScale::fit(&[7.5; 4]), LabelScale { mean: 7.5, deviation: 1.0 });
        assert_eq!(LabelScale::fit(&[0.0; 4]), LabelScale::NONE);
        let targets = Targets::Numbers(vec![7.5]);
        assert_eq!(LabelScale::fit(&[7.5; 4]).standardize(targets), Targets::Numbers(vec![0.0]));
    }

    #[test]
    fn a_network_that_ends_in_an_activation_has_the_range_of_its_label() {
        let dense = |activation| LayerPlan::Dense { units: 1, activation };
        let check = |layers: Vec<LayerPlan>, expected: bool| {
            let plan = NetworkPlan { input: vec![3], layers, head: Head::Numbers };
            assert_eq!(reaches_every_number(&plan), expected, "{plan:?}");
        };
        check(Vec::new(), true);
        check(vec![dense(Some(Activation::Relu)), dense(None)], true);
        check(vec![dense(None), LayerPlan::Dropout { rate: 0.0 }], true);
        check(vec![dense(Some(Activation::Relu))], false);
        check(vec![dense(None), LayerPlan::Activation(Activation::Sigmoid)], false);
        check(vec![dense(Some(Activation::Tanh)), LayerPlan::Flatten], false);
    }
}
