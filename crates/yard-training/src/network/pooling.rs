//! The highest number of each window, forwards and backwards, as an operation of burn's graph.
//!
//! burn's own walks over three dimensions and keeps wide indices: a quarter of the time of a small network went there.

use std::sync::Arc;

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
        for (index, (highest, places)) in lines.enumerate() {
            let (plane, down) = (index / self.down, index % self.down);
            let plane = &values(&pictures)[plane * height * width..][..height * width];
            for below in 0..size_down {
                let line = (down * step_down + below).wrapping_sub(pad_down);
                if line < height {
                    for beside in 0..size_across {
                        self.raise(highest, places, plane, line * width, beside);
                    }
                }
            }
        }
        let shape = vec![rows, channels, self.down, self.across];
        (tensor(highest, shape), places)
    }

    /// Raises a line of results by one number of each window.
    fn raise(&self, highest: &mut [f32], places: &mut [u32], plane: &[f32], line: usize, beside: usize) {
        let inside = self.window.places_inside(beside, self.pictures[3], self.across);
        if inside.is_empty() {
            return;
        }
        let step = self.window.stride[1];
        let begin = line + inside.start * step + beside - self.window.padding[1];
        let results = highest[inside.clone()].iter_mut().zip(&mut places[inside]);
        let candidates = plane[begin..].iter().step_by(step);
        for (index, ((highest, place), candidate)) in results.zip(candidates).enumerate() {
            // A number that is none wins, so that it is noticed in the loss.
            if *candidate > *highest || candidate.is_nan() {
                *highest = *candidate;
                *place = (begin + index * step) as u32;
            }
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
