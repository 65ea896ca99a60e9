//! `predict`: a file in, predictions out.

mod render;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use yard_client::{InferAnswer, TensorForm};
use yard_types::{NamedTensor, Tensor};

use super::Session;
use crate::{
    exit::UsageError,
    input::{self, Format, Header, ReadOptions},
    model_ref::ModelRef,
};

/// Have a model predict the rows of a file
///
/// Prints one line for each row: the values of all outputs, separated by commas, after a line that names them. Elements
/// are converted to the data type that the model takes where nothing but the last bits of a float is lost. Images are
/// not resized: their size must be what the model takes.
#[derive(Debug, clap::Args)]
pub(crate) struct PredictArgs {
    /// The model, as NAME (what unversioned requests get), NAME@alias or NAME:version
    name: ModelRef,

    /// The file; `-` is standard input. Several are taken for images, one row each
    #[arg(long, short, value_name = "FILE", required = true, num_args = 1..)]
    input: Vec<PathBuf>,

    /// Form of the file [default: told by its extension]
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// CSV: whether the first line names the columns
    #[arg(long, value_enum, default_value_t = Header::Auto)]
    header: Header,

    /// CSV: a column to leave out, by its name or its number from 1; may be given several times
    #[arg(long, value_name = "COLUMN")]
    ignore: Vec<String>,

    /// Images: multiply each sample (0 to 255, or to 65535 with 16 bits) by this number or fraction, such as 1/255
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = read_factor)]
    scale: f64,

    /// Send at most this many rows in one request [default: all]
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    rows_per_request: Option<u32>,
}

fn read_factor(text: &str) -> Result<f64, String> {
    let number = |part: &str| part.trim().parse::<f64>().map_err(|error| error.to_string());
    let factor = match text.split_once('/') {
        Some((above, below)) => number(above)? / number(below)?,
        None => number(text)?,
    };
    if factor.is_finite() { Ok(factor) } else { Err("it is not finite".to_owned()) }
}

pub(crate) async fn run(args: &PredictArgs, session: &Session) -> Result<()> {
    let Session { client, output } = session;
    let model = &args.name.model;
    let metadata = client.model_metadata(model, &args.name.selector).await?;
    let options = ReadOptions {
        format: args.format,
        header: args.header,
        ignore: args.ignore.clone(),
        scale: args.scale,
    };
    let inputs = input::read(&args.input, &options, &metadata.signature)
        .with_context(|| format!("cannot make an input for '{}'", args.name))?;

    let mut answers = Vec::new();
    for inputs in cut(inputs, args.rows_per_request)? {
        answers.push(client.infer(model, &args.name.selector, &inputs, TensorForm::Binary).await?);
    }
    let Some(answer) = join(answers)? else { bail!("the input has no rows") };

    output.talk(format!("{} version {}", answer.model, answer.version));
    let outputs: Vec<_> = answer.outputs.iter().map(render::as_json).collect();
    // A number, as all other commands print it; the protocol writes it as text.
    let version: u32 =
        answer.version.parse().context("the server answered with a version that is no number")?;
    let report = json!({"model": answer.model, "version": version, "outputs": outputs});
    output.data(&report, || render::as_lines(&answer.outputs))
}

/// The inputs in requests of at most so many rows.
fn cut(inputs: Vec<NamedTensor>, most: Option<u32>) -> Result<Vec<Vec<NamedTensor>>> {
    let Some(most) = most else { return Ok(vec![inputs]) };
    let most = usize::try_from(most)?;
    let mut rows = inputs.iter().map(|input| input.tensor.rows());
    let Some(Some(first)) = rows.next() else { return Ok(vec![inputs]) };
    if rows.any(|rows| rows != Some(first)) {
        return Err(UsageError(
            "the inputs differ in their number of rows: leave out --rows-per-request".to_owned(),
        )
        .into());
    }
    let counts: Vec<usize> = (0..first).step_by(most).map(|start| most.min(first - start)).collect();
    let mut requests: Vec<Vec<NamedTensor>> =
        counts.iter().map(|_| Vec::with_capacity(inputs.len())).collect();
    for input in &inputs {
        for (request, tensor) in requests.iter_mut().zip(input.tensor.split_rows(&counts)?) {
            request.push(NamedTensor { name: input.name.clone(), tensor });
        }
    }
    Ok(requests)
}

/// The answers under one another; `None` when there are none.
fn join(answers: Vec<InferAnswer>) -> Result<Option<InferAnswer>> {
    let mut answers = answers.into_iter();
    let Some(mut joined) = answers.next() else { return Ok(None) };
    let rest: Vec<InferAnswer> = answers.collect();
    if rest.iter().any(|answer| answer.version != joined.version) {
        bail!("the model's version changed in the middle; run it again, or name a version");
    }
    for (place, output) in joined.outputs.iter_mut().enumerate() {
        let others = rest.iter().filter_map(|answer| answer.outputs.get(place)).map(|output| &output.tensor);
        let parts: Vec<&Tensor> = std::iter::once(&output.tensor).chain(others).collect();
        if parts.len() > 1 {
            output.tensor = Tensor::concat_rows(&parts).with_context(|| {
                format!("output '{}' has no rows: leave out --rows-per-request", output.name)
            })?;
        }
    }
    Ok(Some(joined))
}

#[cfg(test)]
mod tests {
    use yard_types::TensorData;

    use super::*;

    fn rows(count: usize) -> NamedTensor {
        let values = (0..count * 2).map(|value| value as i32).collect();
        NamedTensor {
            name: "x".into(),
            tensor: Tensor::new(vec![count, 2], TensorData::Int32(values)).unwrap(),
        }
    }

    fn answer(output: NamedTensor, version: &str) -> InferAnswer {
        InferAnswer { model: "m".into(), version: version.into(), outputs: vec![output] }
    }

    #[test]
    fn rows_cut_into_requests_and_joined_again_are_the_same() {
        for most in [1, 2, 3, 5, 7] {
            let requests = cut(vec![rows(5)], Some(most)).unwrap();
            assert_eq!(requests.len(), 5_usize.div_ceil(most as usize));
            let answers = requests.into_iter().map(|mut inputs| answer(inputs.remove(0), "1")).collect();
            assert_eq!(join(answers).unwrap().unwrap().outputs, [rows(5)]);
        }
    }

    #[test]
    fn answers_of_two_versions_are_not_joined() {
        let error = join(vec![answer(rows(1), "1"), answer(rows(1), "2")]).unwrap_err();
        assert!(error.to_string().contains("version changed"), "{error}");
    }

    #[test]
    fn inputs_of_different_length_are_not_cut() {
        assert!(cut(vec![rows(2), rows(3)], Some(1)).is_err());
    }

    #[test]
    fn a_factor_may_be_a_fraction() {
        assert_eq!(read_factor("16/255"), Ok(16.0 / 255.0));
        assert_eq!(read_factor("0.5"), Ok(0.5));
        for text in ["", "x", "1/0", "1/x", "nan"] {
            assert!(read_factor(text).is_err(), "{text}");
        }
    }
}
