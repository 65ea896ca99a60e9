//! Models whose own work outweighs the serving: how much of ONNX Runtime's speed is left behind a server.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::one_row::SMALL_MODEL;
use super::{Bench, neighbour};
use crate::bench::contestants::{Modelyard, SMALL};
use crate::bench::figures::{EngineBound, Neighbour, Sample, median};
use crate::bench::question::{Question, Sample as ModelSample};
use crate::bench::running;
use crate::bench::tools::Door;
use crate::process;

/// The sentence encoder's input: a paragraph.
const TOKENS: usize = 128;

/// A heavy model and what it is asked.
struct Heavy {
    model: &'static str,
    input: String,
    sample: ModelSample,
}

/// A question and the place where it is asked.
pub(super) struct Asked {
    pub(super) door: Door,
    pub(super) question: Question,
    /// Enough to keep the server's threads busy.
    pub(super) connections: usize,
}

/// One server with both heavy models, and the small one that has to live beside the sentence encoder.
pub(super) fn measure(bench: &Bench<'_>) -> Result<(Vec<EngineBound>, Vec<Neighbour>)> {
    let modelyard = Modelyard::start(bench.environment, &bench.scratch.join("engine-bound"))?;
    modelyard.push(SMALL, &bench.model(SMALL_MODEL))?;
    let (ocr, _) = one(bench, &modelyard, ocr(bench)?)?;
    let (encoder, asked) = one(bench, &modelyard, encoder(bench)?)?;
    let neighbours = neighbour::measure(bench, &modelyard, &asked)?;
    running::show_warnings(&modelyard.log);
    Ok((vec![ocr, encoder], neighbours))
}

fn ocr(bench: &Bench<'_>) -> Result<Heavy> {
    let model = "ppocr-rec";
    let sample = ModelSample::first_of(&bench.model_folder(model))?;
    Ok(Heavy { model, input: format!("image, {}", shape_of(&sample.inputs[0])), sample })
}

fn encoder(bench: &Bench<'_>) -> Result<Heavy> {
    let model = "minilm-int8";
    let short = ModelSample::first_of(&bench.model_folder(model))?;
    let mut inputs = short.inputs;
    for input in inputs.as_array_mut().context("the sample's inputs are no list")? {
        lengthen(input, TOKENS)?;
    }
    let sample = bench.answered_by_reference(&bench.model(model), inputs)?;
    Ok(Heavy { model, input: format!("{TOKENS} tokens"), sample })
}

fn one(bench: &Bench<'_>, modelyard: &Modelyard, heavy: Heavy) -> Result<(EngineBound, Asked)> {
    let Heavy { model, input, sample } = heavy;
    let threads = bench.environment.compute_threads;
    let connections = 2 * threads;
    let file = bench.inputs_file(model, &sample.inputs)?;
    modelyard.push(model, &bench.model(model))?;
    let question = sample.binary(bench.scratch.join(format!("{model}.body")))?;
    let door = modelyard.door(model)?;
    bench.environment.tools.check(&door, &question)?;

    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..bench.plan.rounds {
        let mut command = bench.reference("run", &bench.model(model), &file);
        command.args([threads.to_string(), bench.plan.seconds.to_string()]);
        let told: Value = serde_json::from_str(&process::capture(&mut command)?)?;
        let per_second = told["per_second"].as_f64().context("the reference tells its speed")?;
        bench.tell(round, &format!("{model}, no server"), threads, per_second);
        without.push(per_second);
        let strength = bench.plan.strength(connections);
        let sample = bench.sample(&modelyard.running, &door, &question, strength)?;
        bench.tell(round, &format!("{model}, Modelyard"), connections, sample.per_second);
        with.push(sample);
    }
    let figures = EngineBound {
        model,
        input,
        threads,
        connections,
        alone_per_second: median(without),
        served: Sample::medians(&with),
    };
    Ok((figures, Asked { door, question, connections }))
}

fn shape_of(input: &Value) -> String {
    let sides = input["shape"].as_array().into_iter().flatten();
    sides.map(Value::to_string).collect::<Vec<_>>().join(" x ")
}

/// Makes a longer text of a tokenized sentence: its first and last tokens stay where they are, those between repeat.
fn lengthen(input: &mut Value, tokens: usize) -> Result<()> {
    let data = input["data"].as_array().context("an input has no data")?;
    let [first, between @ .., last] = data.as_slice() else {
        anyhow::bail!("a sentence has a first and a last token");
    };
    let mut longer = vec![first.clone()];
    longer.extend(between.iter().cycle().take(tokens - 2).cloned());
    longer.push(last.clone());
    input["shape"] = json!([1, longer.len()]);
    input["data"] = Value::from(longer);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_text_keeps_its_ends() {
        let mut input = json!({ "name": "ids", "shape": [1, 4], "data": [101, 7, 8, 102] });
        lengthen(&mut input, 7).unwrap();
        assert_eq!(input, json!({ "name": "ids", "shape": [1, 7], "data": [101, 7, 8, 7, 8, 7, 102] }));
        assert!(lengthen(&mut json!({ "data": [1] }), 7).is_err());
        assert_eq!(shape_of(&json!({ "shape": [1, 3, 48] })), "1 x 3 x 48");
    }
}
