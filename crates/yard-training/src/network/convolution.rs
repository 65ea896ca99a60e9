//! Convolution, forwards and backwards, as an operation of burn's graph.
//!
//! burn's own goes backwards by more convolutions over rearranged tensors, several times slower. Here each window
//! becomes a column, so that forwards and backwards are matrix products: of one picture at a time, whose columns stay
//! in the cache. Columns are made again on the way back, which costs less than to keep them.

use std::ops::Range;

use burn::{
    backend::{
        Autodiff, Flex,
        autodiff::{
            NodeId,
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        flex::FlexTensor,
        ops::FloatTensorOps,
    },
    tensor::Tensor,
};

use super::{
    Window,
    flex::{OTHER_BACKEND, matrix, tensor, values},
};

/// Applies filters `[filters, channels, height, width]` and their offsets to pictures
/// `[rows, channels, height, width]`.
pub(super) fn convolve(
    pictures: Tensor<4>,
    filters: Tensor<4>,
    offsets: Tensor<1>,
    window: Window,
) -> Tensor<4> {
    let plan = Columns::new(pictures.dims(), filters.dims()[0], window);
    if !filters.is_autodiff() {
        let pictures = pictures.try_into_primitive::<Flex>().expect(OTHER_BACKEND);
        let filters = filters.try_into_primitive::<Flex>().expect(OTHER_BACKEND);
        let offsets = offsets.try_into_primitive::<Flex>().expect(OTHER_BACKEND);
        return Tensor::from_primitive::<Flex>(plan.forwards(&pictures, filters, &offsets));
    }
    let pictures = pictures.try_into_primitive::<Autodiff<Flex>>().expect(OTHER_BACKEND);
    let filters = filters.try_into_primitive::<Autodiff<Flex>>().expect(OTHER_BACKEND);
    let offsets = offsets.try_into_primitive::<Autodiff<Flex>>().expect(OTHER_BACKEND);
    let nodes = [pictures.node(), filters.node(), offsets.node()];
    let output = match Convolution.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(mut preparation) => {
            let state = (preparation.checkpoint(&pictures), preparation.checkpoint(&filters), plan);
            let filters = filters.into_primitive();
            preparation.finish(state, plan.forwards(pictures.primitive(), filters, offsets.primitive()))
        }
        OpsKind::UnTracked(preparation) => {
            let filters = filters.into_primitive();
            preparation.finish(plan.forwards(pictures.primitive(), filters, offsets.primitive()))
        }
    };
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

#[derive(Debug)]
struct Convolution;

impl Backward<Flex, 3> for Convolution {
    type State = (NodeId, NodeId, Columns);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, kept: &mut Checkpointer) {
        let [of_pictures, of_filters, of_offsets] = ops.parents;
        let slope = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let (pictures, filters, plan) = ops.state;
        // Both are fetched also where one is not needed: each was put there to be fetched once.
        let pictures = kept.retrieve_node_output::<FlexTensor>(pictures);
        let filters = kept.retrieve_node_output::<FlexTensor>(filters);
        if let Some(node) = of_pictures {
            gradients.register::<Flex>(node.id, plan.back_to_pictures(filters, &slope));
        }
        if let Some(node) = of_filters {
            gradients.register::<Flex>(node.id, plan.back_to_filters(&pictures, &slope));
        }
        if let Some(node) = of_offsets {
            gradients.register::<Flex>(node.id, plan.back_to_offsets(&slope));
        }
    }
}

/// The sizes of a convolution: pictures, filters, and the columns that windows become.
#[derive(Debug, Clone, Copy)]
struct Columns {
    rows: usize,
    channels: usize,
    height: usize,
    width: usize,
    filters: usize,
    window: Window,
    /// How many places the window has, down and across.
    down: usize,
    across: usize,
}

impl Columns {
    fn new([rows, channels, height, width]: [usize; 4], filters: usize, window: Window) -> Self {
        let [down, across] = window.places([height, width]);
        Self { rows, channels, height, width, filters, window, down, across }
    }

    /// Numbers in one picture.
    fn picture(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Places of the window in one picture.
    fn places(&self) -> usize {
        self.down * self.across
    }

    /// Numbers under the window, over all channels.
    fn under_window(&self) -> usize {
        self.channels * self.window.size[0] * self.window.size[1]
    }

    fn forwards(&self, pictures: &FlexTensor, filters: FlexTensor, offsets: &FlexTensor) -> FlexTensor {
        let pictures = pictures.to_contiguous();
        let offsets = offsets.to_contiguous();
        let filters = matrix(&filters.to_contiguous(), 0, self.filters, self.under_window());
        let mut output = Vec::with_capacity(self.rows * self.filters * self.places());
        for picture in values(&pictures).chunks_exact(self.picture()) {
            let product = Flex::float_matmul(filters.clone(), self.columns(picture));
            for (line, offset) in values(&product).chunks_exact(self.places()).zip(values(&offsets)) {
                output.extend(line.iter().map(|value| value + offset));
            }
        }
        tensor(output, vec![self.rows, self.filters, self.down, self.across])
    }

    fn back_to_pictures(&self, filters: FlexTensor, slope: &FlexTensor) -> FlexTensor {
        let filters = matrix(&filters.to_contiguous(), 0, self.filters, self.under_window());
        let filters = Flex::float_swap_dims(filters, 0, 1);
        let mut gradient = vec![0.0; self.rows * self.picture()];
        for (row, picture) in gradient.chunks_exact_mut(self.picture()).enumerate() {
            let slope = matrix(slope, row, self.filters, self.places());
            let columns = Flex::float_matmul(filters.clone(), slope);
            self.add_columns(values(&columns), picture);
        }
        tensor(gradient, vec![self.rows, self.channels, self.height, self.width])
    }

    fn back_to_filters(&self, pictures: &FlexTensor, slope: &FlexTensor) -> FlexTensor {
        let pictures = pictures.to_contiguous();
        let mut gradient = vec![0.0; self.filters * self.under_window()];
        for (row, picture) in values(&pictures).chunks_exact(self.picture()).enumerate() {
            let slope = matrix(slope, row, self.filters, self.places());
            let columns = Flex::float_swap_dims(self.columns(picture), 0, 1);
            let product = Flex::float_matmul(slope, columns);
            gradient.iter_mut().zip(values(&product)).for_each(|(sum, value)| *sum += value);
        }
        let [height, width] = self.window.size;
        tensor(gradient, vec![self.filters, self.channels, height, width])
    }

    fn back_to_offsets(&self, slope: &FlexTensor) -> FlexTensor {
        let mut gradient = vec![0.0; self.filters];
        for picture in values(slope).chunks_exact(self.filters * self.places()) {
            for (sum, line) in gradient.iter_mut().zip(picture.chunks_exact(self.places())) {
                *sum += line.iter().sum::<f32>();
            }
        }
        tensor(gradient, vec![self.filters])
    }

    /// The matrix `[under the window, places]` of a picture.
    fn columns(&self, picture: &[f32]) -> FlexTensor {
        let mut columns = vec![0.0; self.under_window() * self.places()];
        let step = self.window.stride[1];
        self.each_stretch(|in_columns, in_picture| {
            let target = &mut columns[in_columns];
            let source = &picture[in_picture..];
            if step == 1 {
                target.copy_from_slice(&source[..target.len()]);
            } else {
                target
                    .iter_mut()
                    .zip(source.iter().step_by(step))
                    .for_each(|(target, value)| *target = *value);
            }
        });
        tensor(columns, vec![self.under_window(), self.places()])
    }

    /// Adds each number of columns to the place of the picture that it came from.
    fn add_columns(&self, columns: &[f32], picture: &mut [f32]) {
        let step = self.window.stride[1];
        self.each_stretch(|in_columns, in_picture| {
            let source = &columns[in_columns];
            let target = &mut picture[in_picture..];
            if step == 1 {
                target.iter_mut().zip(source).for_each(|(sum, value)| *sum += value);
            } else {
                target.iter_mut().step_by(step).zip(source).for_each(|(sum, value)| *sum += value);
            }
        });
    }

    /// Calls for each stretch of columns that lies within one line of the picture, with where it stands in the columns
    /// and where its first number stands in the picture. What lies in the padding is left out.
    fn each_stretch(&self, mut call: impl FnMut(Range<usize>, usize)) {
        let [[size_down, size_across], [step_down, step_across], [pad_down, pad_across]] =
            [self.window.size, self.window.stride, self.window.padding];
        let mut begin = 0;
        for channel in 0..self.channels {
            for (below, beside) in
                (0..size_down).flat_map(|down| (0..size_across).map(move |across| (down, across)))
            {
                let inside = self.window.places_inside(beside, self.width, self.across);
                for down in 0..self.down {
                    let line = (down * step_down + below).wrapping_sub(pad_down);
                    if line < self.height && !inside.is_empty() {
                        let column = inside.start * step_across + beside - pad_across;
                        let place = (channel * self.height + line) * self.width + column;
                        call(begin + inside.start..begin + inside.end, place);
                    }
                    begin += self.across;
                }
            }
        }
    }
}
