//! What a model has learned: named blocks of numbers, with their gradients beside them.

use burn::tensor::{Device, Gradients, Tensor, TensorData};

/// A block of numbers that belongs to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Unique within the model, `layers.2.weight` for example.
    pub name: String,
    /// Its shape; the values stand row by row.
    pub shape: Vec<usize>,
    /// What training does with it.
    pub role: Role,
    /// The numbers.
    pub values: Vec<f32>,
}

/// What training does with a block of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Learned, pulled towards zero by weight decay, held within the limit of `clip_weights`.
    Weight,
    /// Learned and otherwise left alone: offsets and the scales of norms.
    Offset,
    /// Not learned by gradients: the running mean and variance of a batch norm.
    Statistic,
}

impl Parameter {
    /// A block of this many zeros.
    pub fn zeros(name: impl Into<String>, shape: impl Into<Vec<usize>>, role: Role) -> Self {
        Self::filled(name, shape, role, 0.0)
    }

    /// A block of one number.
    pub fn filled(name: impl Into<String>, shape: impl Into<Vec<usize>>, role: Role, value: f32) -> Self {
        let shape = shape.into();
        let values = vec![value; shape.iter().product()];
        Self { name: name.into(), shape, role, values }
    }
}

/// The parameters of a model as tensors of one pass.
///
/// Each is one flat leaf of the graph; a layer asks for it in the shape it needs.
#[derive(Debug)]
pub struct Leaves {
    tensors: Vec<Tensor<1>>,
    shapes: Vec<Vec<usize>>,
}

impl Leaves {
    /// Tensors whose gradients are wanted.
    pub(crate) fn trained(parameters: &[Parameter]) -> Self {
        Self::new(parameters, &Device::flex().autodiff(), true)
    }

    /// Tensors for predictions.
    pub(crate) fn fixed(parameters: &[Parameter]) -> Self {
        Self::new(parameters, &Device::flex(), false)
    }

    fn new(parameters: &[Parameter], device: &Device, gradients: bool) -> Self {
        let tensor = |parameter: &Parameter| {
            let data = TensorData::new(parameter.values.clone(), [parameter.values.len()]);
            let tensor = Tensor::<1>::from_data(data, device);
            if gradients && parameter.role != Role::Statistic { tensor.require_grad() } else { tensor }
        };
        Self {
            tensors: parameters.iter().map(tensor).collect(),
            shapes: parameters.iter().map(|parameter| parameter.shape.clone()).collect(),
        }
    }

    /// A parameter in its own shape.
    ///
    /// # Panics
    ///
    /// When there is no such parameter or its shape has another number of dimensions: a mistake in a layer.
    pub fn get<const D: usize>(&self, index: usize) -> Tensor<D> {
        self.shaped(index, std::array::from_fn(|dimension| self.shapes[index][dimension]))
    }

    /// A parameter in another shape of as many numbers.
    pub fn shaped<const D: usize>(&self, index: usize, shape: [usize; D]) -> Tensor<D> {
        self.tensors[index].clone().reshape(shape)
    }

    /// The gradient of each parameter; nothing where a parameter has none.
    pub(crate) fn gradients(&self, gradients: &mut Gradients) -> Vec<Vec<f32>> {
        let values = |tensor: &Tensor<1>| match tensor.grad_remove(gradients) {
            Some(gradient) => numbers(gradient),
            None => Vec::new(),
        };
        self.tensors.iter().map(values).collect()
    }
}

/// The numbers of a tensor, row by row.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec::<f32>().expect("every float tensor of this crate is made as f32")
}
