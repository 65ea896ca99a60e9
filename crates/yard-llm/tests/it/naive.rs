//! The plain definition of each family, in `f64` and one token after the other: what the model layer is compared with.
//! It shares no code with it, and reads no metadata.

use crate::small_model::{BASE, EPSILON, HEADS, INNER, LAYERS, SmallModel, VOCABULARY, WIDTH, WINDOW};

type Row = Vec<f64>;

/// The logits after each token.
pub(crate) fn logits(model: &SmallModel, tokens: &[u32]) -> Vec<Row> {
    let rows = tokens.iter().enumerate().map(|(position, token)| embedding(model, position, *token as usize));
    let mut rows: Vec<Row> = rows.collect();
    for layer in 0..LAYERS {
        attention(model, layer, &mut rows);
        rows.iter_mut().for_each(|row| feed_forward(model, layer, row));
    }
    let head =
        if model.tensors.contains_key("output.weight") { "output.weight" } else { "token_embd.weight" };
    rows.iter().map(|row| product(model, head, VOCABULARY, &norm(model, "output_norm", row))).collect()
}

fn embedding(model: &SmallModel, position: usize, token: usize) -> Row {
    let row = |name: &str, number: usize| -> Row {
        let values = &model.tensors[name][number * WIDTH..(number + 1) * WIDTH];
        values.iter().map(|value| f64::from(*value)).collect()
    };
    let mut values = row("token_embd.weight", token);
    if model.family == "gemma3" {
        values.iter_mut().for_each(|value| *value *= (WIDTH as f64).sqrt());
    }
    if model.family == "gpt2" {
        values.iter_mut().zip(row("position_embd.weight", position)).for_each(|(value, add)| *value += add);
    }
    values
}

fn attention(model: &SmallModel, layer: usize, rows: &mut [Row]) {
    let named = |name: &str| format!("blk.{layer}.{name}");
    let size = model.head_size;
    let (query_width, key_width) = (HEADS * size, model.key_heads * size);
    // Every sixth layer of Gemma sees all and turns by another base.
    let sees_all = (layer + 1).is_multiple_of(6);
    let windowed = model.family == "gemma3" && !sees_all;
    let base = if windowed { 10_000.0 } else { f64::from(BASE) };
    let (mut queries, mut keys, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (position, row) in rows.iter().enumerate() {
        let row = norm(model, &named("attn_norm"), row);
        let (mut query, mut key, value) = if model.tensors.contains_key(&named("attn_qkv.weight")) {
            let all = product(model, &named("attn_qkv.weight"), query_width + 2 * key_width, &row);
            let (query, rest) = all.split_at(query_width);
            let (key, value) = rest.split_at(key_width);
            (query.to_vec(), key.to_vec(), value.to_vec())
        } else {
            (
                product(model, &named("attn_q.weight"), query_width, &row),
                product(model, &named("attn_k.weight"), key_width, &row),
                product(model, &named("attn_v.weight"), key_width, &row),
            )
        };
        for (heads, name) in [(&mut query, "attn_q_norm"), (&mut key, "attn_k_norm")] {
            for head in heads.chunks_exact_mut(size) {
                if model.tensors.contains_key(&format!("{}.weight", named(name))) {
                    head.copy_from_slice(&norm(model, &named(name), head));
                }
                if model.family != "gpt2" {
                    turn(head, position, base, model.family == "llama");
                }
            }
        }
        queries.push(query);
        keys.push(key);
        values.push(value);
    }
    for (position, row) in rows.iter_mut().enumerate() {
        let first = if windowed { (position + 1).saturating_sub(WINDOW) } else { 0 };
        let mut joined = vec![0.0; query_width];
        for head in 0..HEADS {
            let shared = head / (HEADS / model.key_heads) * size;
            let query = &queries[position][head * size..(head + 1) * size];
            let scores: Row = (first..=position)
                .map(|other| dot(query, &keys[other][shared..shared + size]) / (size as f64).sqrt())
                .collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Row = scores.iter().map(|score| (score - largest).exp()).collect();
            let sum: f64 = weights.iter().sum();
            for (weight, other) in weights.iter().zip(first..) {
                for column in 0..size {
                    joined[head * size + column] += weight / sum * values[other][shared + column];
                }
            }
        }
        let mut result = product(model, &named("attn_output.weight"), WIDTH, &joined);
        if model.family == "gemma3" {
            result = norm(model, &named("post_attention_norm"), &result);
        }
        row.iter_mut().zip(result).for_each(|(value, add)| *value += add);
    }
}

fn feed_forward(model: &SmallModel, layer: usize, row: &mut Row) {
    let named = |name: &str| format!("blk.{layer}.{name}");
    let normed = norm(model, &named("ffn_norm"), row);
    let inner: Row = match model.family {
        "gpt2" => product(model, &named("ffn_up.weight"), INNER, &normed).into_iter().map(gelu).collect(),
        "phi3" => {
            let both = product(model, &named("ffn_up.weight"), 2 * INNER, &normed);
            (0..INNER).map(|column| silu(both[column]) * both[INNER + column]).collect()
        }
        family => {
            let gate = product(model, &named("ffn_gate.weight"), INNER, &normed);
            let up = product(model, &named("ffn_up.weight"), INNER, &normed);
            let activation = if family == "gemma3" { gelu } else { silu };
            gate.into_iter().zip(up).map(|(gate, up)| activation(gate) * up).collect()
        }
    };
    let mut result = product(model, &named("ffn_down.weight"), WIDTH, &inner);
    if model.family == "gemma3" {
        result = norm(model, &named("post_ffw_norm"), &result);
    }
    row.iter_mut().zip(result).for_each(|(value, add)| *value += add);
}

/// The product with a matrix, and its bias if there is one.
fn product(model: &SmallModel, name: &str, rows: usize, input: &[f64]) -> Row {
    let weights = &model.tensors[name];
    let bias = model.tensors.get(&name.replace(".weight", ".bias"));
    (0..rows)
        .map(|row| {
            let weights = &weights[row * input.len()..(row + 1) * input.len()];
            let sum: f64 = weights.iter().zip(input).map(|(weight, value)| f64::from(*weight) * value).sum();
            sum + bias.map_or(0.0, |bias| f64::from(bias[row]))
        })
        .collect()
}

fn norm(model: &SmallModel, name: &str, row: &[f64]) -> Row {
    let weight = &model.tensors[&format!("{name}.weight")];
    let count = row.len() as f64;
    let is_layer_norm = model.family == "gpt2";
    let mean = if is_layer_norm { row.iter().sum::<f64>() / count } else { 0.0 };
    let square = row.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
    let factor = 1.0 / (square + f64::from(EPSILON)).sqrt();
    let bias = model.tensors.get(&format!("{name}.bias"));
    row.iter()
        .enumerate()
        .map(|(column, value)| {
            let bias = bias.map_or(0.0, |bias| f64::from(bias[column]));
            (value - mean) * factor * f64::from(weight[column]) + bias
        })
        .collect()
}

fn turn(head: &mut [f64], position: usize, base: f64, neighbours: bool) {
    let pairs = head.len() / 2;
    for pair in 0..pairs {
        let angle = position as f64 * base.powf(-(pair as f64) / pairs as f64);
        let (one, other) = if neighbours { (2 * pair, 2 * pair + 1) } else { (pair, pair + pairs) };
        let (x, y) = (head[one], head[other]);
        head[one] = x * angle.cos() - y * angle.sin();
        head[other] = x * angle.sin() + y * angle.cos();
    }
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

fn silu(value: f64) -> f64 {
    value / (1.0 + (-value).exp())
}

fn gelu(value: f64) -> f64 {
    let inner = (2.0 / std::f64::consts::PI).sqrt() * (value + 0.044715 * value.powi(3));
    value / 2.0 * (1.0 + inner.tanh())
}
