//! The numbers of burn's tensors on the processor.

use burn::{
    backend::flex::{FlexTensor, Layout},
    tensor::TensorData,
};

/// Why a tensor can always be taken as one of flex.
pub(super) const OTHER_BACKEND: &str = "every tensor of this crate lives on the flex backend";

/// The numbers of a tensor without gaps.
pub(super) fn values(contiguous: &FlexTensor) -> &[f32] {
    let begin = contiguous.layout().start_offset();
    &contiguous.storage::<f32>()[begin..begin + contiguous.layout().num_elements()]
}

/// A tensor of these numbers.
pub(super) fn tensor(values: Vec<f32>, shape: Vec<usize>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// A part of a tensor without gaps as a matrix, without a copy: the `index`-th such matrix.
pub(super) fn matrix(contiguous: &FlexTensor, index: usize, rows: usize, columns: usize) -> FlexTensor {
    let begin = contiguous.layout().start_offset() + index * rows * columns;
    let layout = Layout::new(vec![rows, columns].into(), vec![columns as isize, 1], begin);
    contiguous.clone().with_layout(layout)
}
