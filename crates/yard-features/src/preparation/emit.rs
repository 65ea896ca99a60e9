//! The preparation as operators of a graph.
//!
//! Each operator does to every element what `apply` does to it, one rounding after the other, so that the results are
//! the same to the last bit, but for the sign of zero. Scaling multiplies because engines may turn a division into just
//! that, with another rounding. Nothing is written that would change nothing: a served row pays for every operator.

use serde_json::{Value as Json, json};
use yard_onnx::{GraphBuilder, attribute};
use yard_types::{Tensor, TensorData};

use super::{
    OWN_NAMES, Preparation, Sources,
    category::CategoryColumn,
    number::{NumberColumn, Scale},
};

/// What the columns are stands under this key in the model's metadata, as JSON.
const COLUMNS_KEY: &str = "modelyard.columns";
/// The operator set that knows texts.
const LEARNED: &str = "ai.onnx.ml";
const LEARNED_VERSION: i64 = 3;

impl Preparation {
    /// Adds the model's inputs, what is done with them, and what they are. The name is that of the prepared value: an
    /// input's own where nothing is to be done.
    pub fn emit(&self, mut graph: GraphBuilder) -> (GraphBuilder, String) {
        for spec in self.input_specs() {
            graph = graph.input(&spec.name, spec.data_type, spec.shape.as_deref());
        }
        let mut described = self.described();
        // The order of keys depends on features that other crates may switch on; the graph may not.
        described.sort_all_objects();
        graph = graph.metadata(COLUMNS_KEY, &described.to_string());
        match &self.sources {
            Sources::Image(image) => {
                let input = image.name.clone();
                scaled(graph, input, &[image.scale], &[])
            }
            Sources::Columns { numbers, categories, .. } => {
                let mut parts = Vec::with_capacity(1 + categories.len());
                if !numbers.is_empty() {
                    let inputs = self.input_specs().into_iter().map(|spec| spec.name);
                    let mut inputs: Vec<String> = inputs.collect();
                    inputs.truncate(inputs.len() - categories.len());
                    let (with_numbers, name) = emit_numbers(graph, inputs, numbers);
                    graph = with_numbers;
                    parts.push(name);
                }
                for (place, category) in categories.iter().enumerate() {
                    let (with_category, name) = emit_category(graph, place, category);
                    graph = with_category;
                    parts.push(name);
                }
                joined(graph, parts, "prepared")
            }
        }
    }

    /// Name and type of each column, and the categories that were learned.
    fn described(&self) -> Json {
        match &self.sources {
            Sources::Image(image) => {
                json!([{"name": image.name, "type": "image", "shape": image.shape}])
            }
            Sources::Columns { numbers, categories, .. } => {
                let numbers = numbers.iter().map(|number| json!({"name": number.name, "type": "number"}));
                let categories = categories.iter().map(
                    |category| json!({"name": category.name, "type": "category", "levels": category.levels}),
                );
                Json::Array(numbers.chain(categories).collect())
            }
        }
    }
}

fn own(name: &str) -> String {
    format!("{OWN_NAMES}{name}")
}

fn emit_numbers(
    graph: GraphBuilder,
    inputs: Vec<String>,
    numbers: &[NumberColumn],
) -> (GraphBuilder, String) {
    let (mut graph, mut name) = joined(graph, inputs, "numbers");
    let fills: Option<Vec<f32>> = numbers.iter().map(|number| number.fill).collect();
    if let Some(fills) = fills {
        let (fill, is_missing, filled) = (own("fill"), own("is_missing"), own("filled"));
        graph = graph
            .initializer(&fill, &vector(fills, &[numbers.len()]))
            .node("IsNaN", &[&name], &[&is_missing], vec![])
            .node("Where", &[&is_missing, &fill, &name], &[&filled], vec![]);
        name = filled;
    }
    let scales: Vec<Scale> = numbers.iter().map(|number| number.scale).collect();
    scaled(graph, name, &scales, &[numbers.len()])
}

fn scaled(
    mut graph: GraphBuilder,
    mut name: String,
    scales: &[Scale],
    shape: &[usize],
) -> (GraphBuilder, String) {
    // Taking 0 away and multiplying by 1 change no bit.
    if scales.iter().any(|scale| scale.shift != 0.0) {
        let (shift, shifted) = (own("shift"), own("shifted"));
        let shifts = scales.iter().map(|scale| scale.shift).collect();
        graph = graph.initializer(&shift, &vector(shifts, shape)).node(
            "Sub",
            &[&name, &shift],
            &[&shifted],
            vec![],
        );
        name = shifted;
    }
    if scales.iter().any(|scale| scale.factor != 1.0) {
        let (factor, scaled) = (own("factor"), own("scaled"));
        let factors = scales.iter().map(|scale| scale.factor).collect();
        graph = graph.initializer(&factor, &vector(factors, shape)).node(
            "Mul",
            &[&name, &factor],
            &[&scaled],
            vec![],
        );
        name = scaled;
    }
    (graph, name)
}

fn emit_category(graph: GraphBuilder, place: usize, category: &CategoryColumn) -> (GraphBuilder, String) {
    let (encoded, shape, flat) =
        (own(&format!("encoded_{place}")), own(&format!("shape_{place}")), own(&format!("one_hot_{place}")));
    let levels: Vec<&str> = category.levels.iter().map(String::as_str).collect();
    let attributes = vec![attribute::strings("cats_strings", &levels), attribute::int("zeros", 1)];
    let width = i64::try_from(levels.len()).unwrap_or(i64::MAX);
    // `[batch, 1, levels]` becomes `[batch, levels]`; a 0 keeps the size that is there.
    let flat_shape = Tensor::new(vec![2], TensorData::Int64(vec![0, width]));
    let flat_shape = flat_shape.expect("two numbers are a list of two");
    let graph = graph
        .import(LEARNED, LEARNED_VERSION)
        .node_of(LEARNED, "OneHotEncoder", &[&category.name], &[&encoded], attributes)
        .initializer(&shape, &flat_shape)
        .node("Reshape", &[&encoded, &shape], &[&flat], vec![]);
    (graph, flat)
}

/// Puts parts side by side; a single one is what it is.
fn joined(graph: GraphBuilder, mut parts: Vec<String>, name: &str) -> (GraphBuilder, String) {
    match parts.len() {
        1 => (graph, parts.remove(0)),
        _ => {
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let name = own(name);
            (graph.node("Concat", &parts, &[&name], vec![attribute::int("axis", 1)]), name)
        }
    }
}

fn vector(values: Vec<f32>, shape: &[usize]) -> Tensor {
    Tensor::new(shape.to_vec(), TensorData::Fp32(values)).expect("there is a value for each column")
}
