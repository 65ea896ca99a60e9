//! `POST /v1/embeddings`.

use futures_util::{StreamExt, TryStreamExt, stream};
use http::StatusCode;
use yard_api::openai::{EmbeddingList, EmbeddingObject, EmbeddingRequest, TextOrTokens};
use yard_encoders::{Purpose, TextEncoder};
use yard_language::messages::{EmbedRequest, Pooling};

use super::{
    asked::{check_length, terms},
    completions::tokens,
    encoders::{Caller, EncoderTarget, about_the_text, size},
    spending::Spending,
    target::{Target, TextModel},
};
use crate::{
    dispatch::OwnedCall,
    failure::Failure,
    heavy,
    http::{Answer, Payload, json},
};

/// Texts of one request that are computed at once.
const AT_ONCE: usize = 32;

pub(crate) async fn embed(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    let request = super::read(payload, EmbeddingRequest::parse).await?;
    let model = TextModel::find(call, &request.model).await?;
    let width = width(&model)?;
    if let Some(asked) = request.dimensions.filter(|asked| u64::from(*asked) != width) {
        let message =
            format!("the embeddings of this model have {width} dimensions, and cannot be cut to {asked}");
        return Err(Failure::invalid(message).with_param("dimensions"));
    }
    let (embeddings, read) = rows(call, &model, request.inputs, request.truncate, |_| "input").await?;
    let size = embeddings.iter().map(|values| size_of_val(&values[..])).sum();
    let write = move || {
        let objects = embeddings
            .into_iter()
            .zip(0..)
            .map(|(values, index)| EmbeddingObject::new(index, values, request.encoding_format));
        json(StatusCode::OK, &EmbeddingList::new(request.model, objects.collect(), read))
    };
    let mut answer = heavy::run(size, write).await??;
    model.name_version(&mut answer);
    Ok(answer)
}

/// How many numbers a text's row has.
fn width(model: &TextModel) -> Result<u64, Failure> {
    match model {
        TextModel::Language(target) => Ok(target.model.facts().width),
        TextModel::Encoder(target) if target.facts().purpose == Purpose::Embeddings => {
            Ok(target.facts().width as u64)
        }
        TextModel::Encoder(_) => {
            let message = "the model scores pairs of texts and has no embeddings: ask it under /v1/rerank";
            Err(Failure::invalid(message).with_param("model"))
        }
    }
}

/// The rows of texts, and how many tokens they took. `param` says where the request has a text, by its place.
pub(super) async fn rows(
    call: &OwnedCall,
    model: &TextModel,
    inputs: Vec<TextOrTokens>,
    truncate: bool,
    param: fn(usize) -> &'static str,
) -> Result<(Vec<Vec<f32>>, u64), Failure> {
    match model {
        TextModel::Language(target) => of_language_model(call, target, inputs, truncate, param).await,
        TextModel::Encoder(target) => of_encoder(call, target, inputs, truncate, param).await,
    }
}

async fn of_language_model(
    call: &OwnedCall,
    target: &Target,
    inputs: Vec<TextOrTokens>,
    truncate: bool,
    param: fn(usize) -> &'static str,
) -> Result<(Vec<Vec<f32>>, u64), Failure> {
    let prompts = stream::iter(inputs.into_iter().enumerate())
        .map(|(place, input)| prompt(target, input, truncate, param(place)))
        .buffered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    let read = prompts.iter().map(|prompt| prompt.len() as u64).sum();
    let spending = Spending::reserve(call, target, read, 0)?;
    let rows = stream::iter(prompts)
        .map(|prompt| one(call, target, prompt, &spending))
        .buffered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    Ok((rows, read))
}

async fn of_encoder(
    call: &OwnedCall,
    target: &EncoderTarget,
    inputs: Vec<TextOrTokens>,
    truncate: bool,
    param: fn(usize) -> &'static str,
) -> Result<(Vec<Vec<f32>>, u64), Failure> {
    let size = size(inputs.iter().map(|input| match input {
        TextOrTokens::Text(text) => text.len(),
        TextOrTokens::Tokens(tokens) => tokens.len(),
    }));
    let read = move |encoder: &TextEncoder, caller: &Caller| {
        caller.each(inputs.into_iter().enumerate(), |(place, input)| {
            let tokens = match input {
                TextOrTokens::Text(text) => encoder.text(&text, truncate),
                TextOrTokens::Tokens(tokens) => encoder.numbers(tokens, truncate),
            };
            tokens.map_err(|error| about_the_text(error, param(place)))
        })
    };
    let texts = target.tokens(size, read).await?;
    target.rows(call, texts).await
}

/// A text in tokens, which have room in the model.
async fn prompt(
    target: &Target,
    input: TextOrTokens,
    truncate: bool,
    param: &'static str,
) -> Result<Vec<u32>, Failure> {
    let mut prompt = tokens(target, input, param).await?;
    let longest = target.model.facts().longest;
    if truncate {
        prompt.truncate(usize::try_from(longest.saturating_sub(1)).unwrap_or(usize::MAX));
    }
    check_length(prompt.len() as u64, None, longest, param)?;
    Ok(prompt)
}

/// A text's row, of length 1 as a vector.
async fn one(
    call: &OwnedCall,
    target: &Target,
    prompt: Vec<u32>,
    spending: &Spending,
) -> Result<Vec<f32>, Failure> {
    // From here on the model may read it, whoever waits for that.
    spending.reads(prompt.len() as u64);
    let request =
        EmbedRequest { prompt, pooling: Pooling::Unspecified.into(), terms: Some(terms(call, target)) };
    Ok(normalized(target.model.embed(&request).await?.values))
}

fn normalized(mut values: Vec<f32>) -> Vec<f32> {
    let length = values.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>().sqrt();
    if length > 0.0 {
        for value in &mut values {
            *value = (f64::from(*value) / length) as f32;
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_the_length_of_one() {
        assert_eq!(normalized(vec![3.0, -4.0]), [0.6, -0.8]);
        assert_eq!(normalized(vec![0.0, 0.0]), [0.0, 0.0]);
        let large = normalized(vec![3e38, 3e38]);
        assert!((large[0] - 0.5_f32.sqrt()).abs() < 1e-6, "{large:?}");
    }
}
