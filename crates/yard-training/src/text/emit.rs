//! A trained text classifier as ONNX nodes of opset 18.

use yard_onnx::{GraphBuilder, attribute};
use yard_types::TensorData;

use super::{
    forward::{NOT_THERE, scale},
    network::{EPSILON, TextNetwork},
    tokenizer::PADDING,
};
use crate::{
    emit::Emitter,
    model::{Head, Model as _},
};

/// Appends a text classifier to a graph: from the value `ids`, numbers of words `[batch, words]` filled up with padding,
/// of which there is at least one place, to the value of `[batch, classes]` probabilities whose name comes back.
pub fn emit_text(network: &TextNetwork, graph: GraphBuilder, ids: &str) -> (GraphBuilder, String) {
    let mut text = TextEmitter { network, emitter: Emitter::new(graph) };
    let probabilities = text.all(ids);
    (text.emitter.into_graph(), probabilities)
}

struct TextEmitter<'a> {
    network: &'a TextNetwork,
    emitter: Emitter,
}

impl TextEmitter<'_> {
    fn all(&mut self, ids: &str) -> String {
        let padding = self.ints(&[i64::from(PADDING)]);
        let is_word = self.node("Greater", &[ids, &padding]);
        let is_word = self.emitter.node("Cast", &[&is_word], vec![attribute::int("to", 1)]);
        let masked = self.masked(&is_word);
        let mut value = self.words(ids);
        for block in 0..self.network.plan().blocks {
            let places = TextNetwork::block(block);
            let normal = self.layer_norm(&value, places.first_norm);
            let found = self.attention(&normal, block, &masked);
            value = self.node("Add", &[&value, &found]);
            let normal = self.layer_norm(&value, places.second_norm);
            let wide = self.dense(&normal, places.widened);
            let wide = self.emitter.gelu(&wide);
            let narrow = self.dense(&wide, places.narrowed);
            value = self.node("Add", &[&value, &narrow]);
        }
        let end = self.network.end();
        let value = self.layer_norm(&value, end);
        let mean = self.mean(&value, &is_word);
        let logits = self.dense(&mean, end + 2);
        self.emitter.head(Head::Softmax, &logits)
    }

    /// 0 where there is a word, far below every score where there is none: `[batch, 1, 1, words]`.
    fn masked(&mut self, is_word: &str) -> String {
        let one = self.emitter.number(1.0);
        let depth = self.emitter.number(-NOT_THERE);
        let axes = self.ints(&[1, 2]);
        let there = self.node("Sub", &[is_word, &one]);
        let there = self.node("Mul", &[&there, &depth]);
        self.node("Unsqueeze", &[&there, &axes])
    }

    /// What stands for each word at its place.
    fn words(&mut self, ids: &str) -> String {
        let words = self.parameter(0);
        let words = self.emitter.node("Gather", &[&words, ids], vec![attribute::int("axis", 0)]);
        let places = self.parameter(1);
        let bounds = vec![attribute::int("start", 1), attribute::int("end", 2)];
        let longest = self.emitter.node("Shape", &[ids], bounds);
        let first = self.ints(&[0]);
        let places = self.node("Slice", &[&places, &first, &longest, &first]);
        self.node("Add", &[&words, &places])
    }

    fn attention(&mut self, value: &str, block: usize, masked: &str) -> String {
        let plan = *self.network.plan();
        let each = plan.width / plan.heads;
        let places = TextNetwork::block(block);
        let all = self.dense(value, places.attention);
        let split_shape = self.ints(&[0, 0, plan.heads as i64, each as i64]);
        let joined_shape = self.ints(&[0, 0, plan.width as i64]);
        let axis = self.ints(&[2]);
        let mut part = |number: usize, order: &[i64]| {
            let bound = |number: usize| (number * plan.width) as i64;
            let (begin, end) = (self.ints(&[bound(number)]), self.ints(&[bound(number + 1)]));
            let part = self.node("Slice", &[&all, &begin, &end, &axis]);
            let part = self.node("Reshape", &[&part, &split_shape]);
            self.emitter.node("Transpose", &[&part], vec![attribute::ints("perm", order)])
        };
        let queries = part(0, &[0, 2, 1, 3]);
        let keys = part(1, &[0, 2, 3, 1]);
        let values = part(2, &[0, 2, 1, 3]);
        let scale = self.emitter.number(scale(each));
        let queries = self.node("Mul", &[&queries, &scale]);
        let scores = self.node("MatMul", &[&queries, &keys]);
        let scores = self.node("Add", &[&scores, masked]);
        let shares = self.emitter.node("Softmax", &[&scores], vec![attribute::int("axis", 3)]);
        let found = self.node("MatMul", &[&shares, &values]);
        let order = vec![attribute::ints("perm", &[0, 2, 1, 3])];
        let found = self.emitter.node("Transpose", &[&found], order);
        let found = self.node("Reshape", &[&found, &joined_shape]);
        self.dense(&found, places.joined)
    }

    /// The mean over the words of each text; zeros where there are none.
    fn mean(&mut self, value: &str, is_word: &str) -> String {
        let (axis_of_words, axis_of_numbers) = (self.ints(&[1]), self.ints(&[2]));
        let one = self.emitter.number(1.0);
        let weights = self.node("Unsqueeze", &[is_word, &axis_of_numbers]);
        let weighted = self.node("Mul", &[value, &weights]);
        let keep = |keep: i64| vec![attribute::int("keepdims", keep)];
        let sum = self.emitter.node("ReduceSum", &[&weighted, &axis_of_words], keep(0));
        let count = self.emitter.node("ReduceSum", &[is_word, &axis_of_words], keep(1));
        let count = self.node("Max", &[&count, &one]);
        self.node("Div", &[&sum, &count])
    }

    fn dense(&mut self, value: &str, place: usize) -> String {
        let (weight, offset) = (self.parameter(place), self.parameter(place + 1));
        let product = self.node("MatMul", &[value, &weight]);
        self.node("Add", &[&product, &offset])
    }

    fn layer_norm(&mut self, value: &str, place: usize) -> String {
        let (scale, offset) = (self.parameter(place), self.parameter(place + 1));
        let attributes = vec![attribute::int("axis", -1), attribute::float("epsilon", EPSILON)];
        self.emitter.node("LayerNormalization", &[value, &scale, &offset], attributes)
    }

    fn node(&mut self, operator: &str, inputs: &[&str]) -> String {
        self.emitter.node(operator, inputs, Vec::new())
    }

    fn parameter(&mut self, place: usize) -> String {
        self.emitter.parameter(&self.network.parameters()[place])
    }

    fn ints(&mut self, values: &[i64]) -> String {
        self.emitter.constant(vec![values.len()], TensorData::Int64(values.to_vec()))
    }
}
