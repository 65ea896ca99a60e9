//! Which operators are followed, and how.

use super::{
    by_axis, elementwise, shapes,
    value::{Size, Value},
};
use crate::{
    model::normal_domain,
    proto::{AttributeProto, NodeProto},
    tensors::integers,
};

/// What is known of a node's outputs, or why its rows may mix.
pub(super) type Outcome = Result<Vec<Value>, String>;

/// One use of an operator.
pub(super) struct Call<'a> {
    pub(super) node: &'a NodeProto,
    /// `None` for inputs that are left out.
    pub(super) inputs: Vec<Option<&'a Value>>,
    /// The version of the operator's set.
    pub(super) opset: i64,
}

/// Operators whose answer is drawn by lot.
const RANDOM: [&str; 6] =
    ["RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"];

/// Follows one node.
pub(super) fn follow(call: &Call<'_>) -> Outcome {
    let operator = call.node.op_type.as_str();
    if RANDOM.contains(&operator) {
        return Err("gives another answer each time".to_owned());
    }
    let outcome = match normal_domain(&call.node.domain) {
        "" => default_domain(call, operator),
        "ai.onnx.ml" => learned(call, operator),
        "com.microsoft" => contributed(call, operator),
        _ => unknown(),
    };
    // Where nothing depends on the rows, neither does the result, whatever the operator does.
    let all_shared = call.inputs.iter().flatten().all(|input| input.is_shared());
    match outcome {
        Err(_) if all_shared && !call.inputs.is_empty() => {
            Ok(call.node.output.iter().map(|_| Value::same_for_all()).collect())
        }
        outcome => outcome,
    }
}

fn unknown() -> Outcome {
    Err("is not known to keep rows apart".to_owned())
}

fn default_domain(call: &Call<'_>, operator: &str) -> Outcome {
    match operator {
        "Abs" | "Acos" | "Acosh" | "Asin" | "Asinh" | "Atan" | "Atanh" | "BitwiseNot" | "Ceil" | "Celu"
        | "Clip" | "Cos" | "Cosh" | "Elu" | "Erf" | "Exp" | "Floor" | "Gelu" | "HardSigmoid"
        | "HardSwish" | "IsInf" | "IsNaN" | "LeakyRelu" | "Log" | "Mish" | "Neg" | "Not" | "Reciprocal"
        | "Relu" | "Round" | "Selu" | "Shrink" | "Sigmoid" | "Sign" | "Sin" | "Sinh" | "Softplus"
        | "Softsign" | "Sqrt" | "Swish" | "Tan" | "Tanh" | "ThresholdedRelu" => elementwise::unary(call),
        "Identity" => elementwise::passing(call),
        "Cast" => elementwise::cast(call),
        "CastLike" => elementwise::cast_like(call),
        "Dropout" => elementwise::dropout(call),
        "Add" | "And" | "BitShift" | "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" | "Div" | "Equal"
        | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Max" | "Mean" | "Min" | "Mod" | "Mul"
        | "Or" | "PRelu" | "Pow" | "StringConcat" | "Sub" | "Sum" | "Where" | "Xor" => {
            elementwise::broadcast(call)
        }
        "QuantizeLinear" | "DequantizeLinear" => elementwise::linear_quantization(call),
        "DynamicQuantizeLinear" => Err("scales over the whole tensor, all rows together".to_owned()),
        "Constant" => constant(call),
        "Shape" => shapes::shape(call),
        "Reshape" => shapes::reshape(call),
        "Flatten" => shapes::flatten(call),
        "Squeeze" => shapes::squeeze(call),
        "Unsqueeze" => shapes::unsqueeze(call),
        "Transpose" => shapes::transpose(call),
        "Expand" => shapes::expand(call),
        "Tile" => shapes::tile(call),
        "ConstantOfShape" => shapes::constant_of_shape(call),
        "Range" => shapes::range(call),
        "Gather" => by_axis::gather(call),
        "GatherElements" => by_axis::gather_elements(call),
        "Concat" => by_axis::concat(call),
        "Slice" => by_axis::slice(call),
        "Split" => by_axis::split(call),
        "Pad" => by_axis::pad(call),
        "OneHot" => by_axis::one_hot(call),
        "CumSum" => by_axis::cumulative(call),
        "TopK" => by_axis::top_k(call),
        "ArgMax" | "ArgMin" => by_axis::arg(call),
        "Softmax" | "LogSoftmax" | "Hardmax" => by_axis::softmax(call),
        "LayerNormalization" | "RMSNormalization" | "SimplifiedLayerNormalization" => {
            by_axis::layer_norm(call)
        }
        "LpNormalization" => by_axis::lp_normalization(call),
        "ReduceL1" | "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceMax" | "ReduceMean"
        | "ReduceMin" | "ReduceProd" | "ReduceSum" | "ReduceSumSquare" => by_axis::reduce(call),
        "MatMul" => shapes::mat_mul(call, 1, &[]),
        "MatMulInteger" => shapes::mat_mul(call, 1, &[2]),
        "QLinearMatMul" => shapes::mat_mul(call, 3, &[1, 2]),
        "Gemm" => shapes::gemm(call),
        "Conv"
        | "ConvInteger"
        | "ConvTranspose"
        | "QLinearConv"
        | "AveragePool"
        | "MaxPool"
        | "LpPool"
        | "GlobalAveragePool"
        | "GlobalMaxPool"
        | "GlobalLpPool"
        | "InstanceNormalization"
        | "GroupNormalization"
        | "LRN"
        | "DepthToSpace"
        | "SpaceToDepth" => image(call, operator),
        "BatchNormalization" if call.int("training_mode", 0) == 0 && call.node.output.len() == 1 => {
            image(call, operator)
        }
        "Resize" | "Upsample" => by_axis::resize(call),
        "Trilu" => by_axis::trilu(call),
        "LSTM" | "GRU" | "RNN" => by_axis::recurrent(call),
        _ => unknown(),
    }
}

/// Operators that ONNX Runtime's own quantization and optimization tools put into files.
fn contributed(call: &Call<'_>, operator: &str) -> Outcome {
    match operator {
        "Gelu" | "FastGelu" | "QuickGelu" | "BiasGelu" => elementwise::broadcast(call),
        "QuantizeLinear" | "DequantizeLinear" => elementwise::linear_quantization(call),
        "FusedMatMul" if call.int("transA", 0) == 0 && call.int("transB", 0) == 0 => {
            shapes::mat_mul(call, 1, &[])
        }
        "DynamicQuantizeMatMul" | "DynamicQuantizeLSTM" => {
            Err("scales over the whole tensor, all rows together".to_owned())
        }
        _ => unknown(),
    }
}

/// Classical models: tables of numbers with one row for each of ours.
fn learned(call: &Call<'_>, operator: &str) -> Outcome {
    let two_dimensional = || {
        let input = call.rows(0)?;
        match (input.row_axis(), input.rank()) {
            (Some(0), Some(2)) => Ok(input),
            _ => Err("is only followed over tables with the rows first".to_owned()),
        }
    };
    match operator {
        "Binarizer" | "LabelEncoder" | "CategoryMapper" => elementwise::unary(call),
        "Imputer" | "Scaler" | "Normalizer" => Ok(vec![two_dimensional()?.clone()]),
        "LinearClassifier" | "SVMClassifier" | "TreeEnsembleClassifier" => {
            two_dimensional()?;
            let scores = Value::rows(0, vec![Size::Rows, Size::Other]);
            Ok(vec![Value::rows(0, vec![Size::Rows]), scores])
        }
        "LinearRegressor" | "SVMRegressor" | "TreeEnsembleRegressor" | "TreeEnsemble" => {
            two_dimensional()?;
            Ok(vec![Value::rows(0, vec![Size::Rows, Size::Other])])
        }
        "OneHotEncoder" => {
            let input = call.rows(0)?;
            let (Some(axis), Some(shape)) = (input.row_axis(), input.shape()) else { return unknown() };
            let categories = call.count("cats_int64s") + call.count("cats_strings");
            Ok(vec![Value::rows(axis, [shape, &[length(categories)]].concat())])
        }
        "ArrayFeatureExtractor" => by_axis::array_feature(call),
        "FeatureVectorizer" => {
            let first = two_dimensional()?;
            for place in 1..call.inputs.len() {
                let other = call.rows(place)?;
                if other.row_axis() != Some(0) || other.rank() != Some(2) {
                    return Err("is only followed over tables with the rows first".to_owned());
                }
            }
            Ok(vec![first.reshaped(vec![Size::Rows, Size::Other])])
        }
        _ => unknown(),
    }
}

/// Operators over images, whose first axis is the image; parameters must be the same for all.
fn image(call: &Call<'_>, operator: &str) -> Outcome {
    let input = call.rows(0)?;
    if input.row_axis() != Some(0) {
        return Err("has the rows along another axis than that of the images".to_owned());
    }
    call.rest_shared(1)?;
    let rank = call.rank(input)?;
    if rank < 2 {
        return Err("has an input that is no batch of images".to_owned());
    }
    if operator == "MaxPool" && call.node.output.len() > 1 {
        return Err("answers positions that count through all rows".to_owned());
    }
    let keeps_shape =
        matches!(operator, "BatchNormalization" | "InstanceNormalization" | "GroupNormalization" | "LRN");
    if keeps_shape {
        return Ok(vec![input.clone()]);
    }
    let weights = if operator == "QLinearConv" { 3 } else { 1 };
    let channels = match operator {
        "Conv" | "ConvInteger" | "QLinearConv" => {
            call.input(weights).and_then(Value::shape).and_then(|shape| shape.first().copied())
        }
        "AveragePool" | "MaxPool" | "LpPool" | "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => {
            input.shape().map(|shape| shape[1])
        }
        _ => None,
    };
    let area = if operator.starts_with("Global") { Size::Known(1) } else { Size::Other };
    let mut shape = vec![Size::Rows, channels.unwrap_or(Size::Other)];
    shape.resize(rank, area);
    Ok(vec![Value::rows(0, shape)])
}

fn constant(call: &Call<'_>) -> Outcome {
    let value = call.node.attribute.iter().find_map(|attribute| match attribute.name.as_str() {
        "value" => attribute.t.as_ref().map(Value::constant),
        "value_int" => Some(Value::sizes(vec![Size::Known(attribute.i)], true)),
        "value_ints" => Some(Value::sizes(attribute.ints.iter().copied().map(Size::Known).collect(), false)),
        "value_float" | "value_string" => Some(Value::shared(Vec::new())),
        "value_floats" => Some(Value::shared(vec![length(attribute.floats.len())])),
        "value_strings" => Some(Value::shared(vec![length(attribute.strings.len())])),
        _ => None,
    });
    Ok(vec![value.unwrap_or_else(Value::same_for_all)])
}

fn length(count: usize) -> Size {
    Size::Known(i64::try_from(count).unwrap_or(i64::MAX))
}

// === impl Call ===

impl<'a> Call<'a> {
    pub(super) fn input(&self, place: usize) -> Option<&'a Value> {
        self.inputs.get(place).copied().flatten()
    }

    /// An input that must be there.
    pub(super) fn required(&self, place: usize) -> Result<&'a Value, String> {
        self.input(place).ok_or_else(|| format!("lacks its input {place}"))
    }

    /// An input that must be there and have rows.
    pub(super) fn rows(&self, place: usize) -> Result<&'a Value, String> {
        let input = self.required(place)?;
        if input.is_count() {
            return Err("computes with the number of rows".to_owned());
        }
        if input.is_shared() {
            return Err(
                "combines what is the same for all rows with what is not in an unknown way".to_owned()
            );
        }
        Ok(input)
    }

    /// Checks that this input and all after it are left out or the same for all rows.
    pub(super) fn rest_shared(&self, from: usize) -> Result<(), String> {
        let rest = self.inputs.iter().skip(from).flatten();
        if rest.clone().all(|input| input.is_shared()) {
            return Ok(());
        }
        Err("has parameters that depend on the rows".to_owned())
    }

    pub(super) fn rank(&self, value: &Value) -> Result<usize, String> {
        value.rank().ok_or_else(|| "has an input of unknown shape".to_owned())
    }

    fn attribute(&self, name: &str) -> Option<&'a AttributeProto> {
        self.node.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.i)
    }

    pub(super) fn ints(&self, name: &str) -> Option<Vec<i64>> {
        self.attribute(name).map(|attribute| attribute.ints.clone())
    }

    /// How many whole numbers or texts an attribute holds.
    fn count(&self, name: &str) -> usize {
        self.attribute(name).map_or(0, |attribute| attribute.ints.len() + attribute.strings.len())
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a [u8]> {
        self.attribute(name).map(|attribute| attribute.s.as_ref())
    }

    pub(super) fn floats(&self, name: &str) -> Option<&'a [f32]> {
        self.attribute(name).map(|attribute| attribute.floats.as_slice())
    }

    /// Whole numbers that are an attribute in older versions of an operator and an input in newer ones. `Ok(None)` where
    /// neither is given.
    pub(super) fn list(&self, attribute: &str, input: usize) -> Result<Option<Vec<i64>>, String> {
        if let Some(values) = self.ints(attribute) {
            return Ok(Some(values));
        }
        match self.input(input) {
            None => Ok(None),
            Some(value) => match value.numbers() {
                Some(numbers) => Ok(Some(numbers)),
                None => Err(format!("computes its {attribute} at run time")),
            },
        }
    }

    /// Whether an attribute holds a single number that is a tensor, or whole numbers that are one.
    pub(super) fn tensor_ints(&self, name: &str) -> Option<Vec<i64>> {
        self.attribute(name).and_then(|attribute| attribute.t.as_ref()).and_then(integers)
    }
}

/// An axis counted from the front.
pub(super) fn axis_of(axis: i64, rank: usize) -> Result<usize, String> {
    let rank_signed = i64::try_from(rank).unwrap_or(i64::MAX);
    let axis_from_front = if axis < 0 { axis + rank_signed } else { axis };
    match usize::try_from(axis_from_front) {
        Ok(found) if found < rank => Ok(found),
        _ => Err(format!("works along the axis {axis}, which is not there")),
    }
}
