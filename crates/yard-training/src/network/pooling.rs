//! The highest number of each window, forwards and backwards, as an operation of burn's graph.
//!
//! burn's own walks over three dimensions and keeps wide indices: a quarter of the time of a small network went there.

use std::{ops::Range, sync::Arc};

use burn::{
    backend::{
        Autodiff, Flex,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        flex::FlexTensor,
    },
    tensor::Tensor,
};

use super::{
    Window,
    flex::{OTHER_BACKEND, tensor, values},
};

/// The highest number of each window over pictures `[rows, channels, height, width]`; padding never wins.
pub(super) fn max_pool(pictures: Tensor<4>, window: Window) -> Tensor<4> {
    let pool = Pool::new(pictures.dims(), window);
    if !pictures.is_autodiff() {
        let pictures = pictures.try_into_primitive::<Flex>().expect(OTHER_BACKEND);
        let (highest, _) = pool.forwards(&pictures);
        return Tensor::from_primitive::<Flex>(highest);
    }
    let pictures = pictures.try_into_primitive::<Autodiff<Flex>>().expect(OTHER_BACKEND);
    let node = pictures.node();
    let (highest, places) = pool.forwards(pictures.primitive());
    let output = match MaxPool.prepare::<NoCheckpointing>([node]).compute_bound().stateful() {
        OpsKind::Tracked(preparation) => preparation.finish((pool, Arc::new(places)), highest),
        OpsKind::UnTracked(preparation) => preparation.finish(highest),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

#[derive(Debug)]
struct MaxPool;

impl Backward<Flex, 1> for MaxPool {
    /// Where in its plane each of the highest stood.
    type State = (Pool, Arc<Vec<u32>>);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _kept: &mut Checkpointer) {
        let slope = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let (pool, places) = ops.state;
        if let [Some(node)] = ops.parents {
            gradients.register::<Flex>(node.id, pool.backwards(&slope, &places));
        }
    }
}

/// A line of results, and room for what is compared with it.
struct Raised<'a> {
    highest: &'a mut [f32],
    places: &'a mut [u32],
    candidates: &'a mut [f32],
}

#[derive(Debug, Clone, Copy)]
struct Pool {
    /// Rows, channels, height, width.
    pictures: [usize; 4],
    window: Window,
    down: usize,
    across: usize,
}

impl Pool {
    fn new(pictures: [usize; 4], window: Window) -> Self {
        let [down, across] = window.places([pictures[2], pictures[3]]);
        Self { pictures, window, down, across }
    }

    fn forwards(&self, pictures: &FlexTensor) -> (FlexTensor, Vec<u32>) {
        let pictures = pictures.to_contiguous();
        let [rows, channels, height, width] = self.pictures;
        let count = rows * channels * self.down * self.across;
        let mut highest = vec![f32::NEG_INFINITY; count];
        let mut places = vec![0_u32; count];
        let [[size_down, size_across], [step_down, _], [pad_down, _]] =
            [self.window.size, self.window.stride, self.window.padding];
        let lines = highest.chunks_exact_mut(self.across).zip(places.chunks_exact_mut(self.across));
        let mut candidates = vec![0.0; self.across];
        let insides: Vec<Range<usize>> =
            (0..size_across).map(|beside| self.window.places_inside(beside, width, self.across)).collect();
        for (index, (highest, places)) in lines.enumerate() {
            let (plane, down) = (index / self.down, index % self.down);
            let plane = &values(&pictures)[plane * height * width..][..height * width];
            for below in 0..size_down {
                let line = (down * step_down + below).wrapping_sub(pad_down);
                if line < height {
                    for (beside, inside) in insides.iter().enumerate() {
                        let raised = Raised { highest, places, candidates: &mut candidates };
                        self.raise(raised, plane, line * width, beside, inside.clone());
                    }
                }
            }
        }
        let shape = vec![rows, channels, self.down, self.across];
        (tensor(highest, shape), places)
    }

    /// Raises a line of results by one number of each window; `line` is where the picture's line begins.
    fn raise(&self, raised: Raised<'_>, plane: &[f32], line: usize, beside: usize, inside: Range<usize>) {
        if inside.is_empty() {
            return;
        }
        let step = self.window.stride[1];
        let begin = line + inside.start * step + beside - self.window.padding[1];
        // Side by side first: then the processor can compare several at once.
        let candidates = &mut raised.candidates[..inside.len()];
        for (candidate, value) in candidates.iter_mut().zip(plane[begin..].iter().step_by(step)) {
            *candidate = *value;
        }
        let results = raised.highest[inside.clone()].iter_mut().zip(&mut raised.places[inside]);
        let (begin, step) = (begin as u32, step as u32);
        for (index, ((highest, place), candidate)) in (0..).zip(results.zip(candidates)) {
            // A number that is none wins, so that it is noticed in the loss. Masks instead of a choice: which one wins
            // cannot be foreseen, and a branch that is guessed wrong costs more than all the rest (measured: 3 times).
            let wins = (u32::from(*candidate > *highest) | u32::from(candidate.is_nan())).wrapping_neg();
            *highest = f32::from_bits((candidate.to_bits() & wins) | (highest.to_bits() & !wins));
            *place = ((begin + index * step) & wins) | (*place & !wins);
        }
    }

    fn backwards(&self, slope: &FlexTensor, places: &[u32]) -> FlexTensor {
        let [rows, channels, height, width] = self.pictures;
        let mut gradient = vec![0.0; rows * channels * height * width];
        let results = self.down * self.across;
        let slopes = values(slope).chunks_exact(results).zip(places.chunks_exact(results));
        for (plane, (slopes, places)) in gradient.chunks_exact_mut(height * width).zip(slopes) {
            for (slope, place) in slopes.iter().zip(places) {
                plane[*place as usize] += slope;
            }
        }
        tensor(gradient, vec![rows, channels, height, width])
    }
}
