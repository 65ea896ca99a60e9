//! `POST /v1/rerank`.

use http::StatusCode;
use yard_api::openai::{RerankAnswer, RerankRequest, RerankResult, TextOrTokens};
use yard_encoders::{Purpose, TextEncoder};

use super::{
    embeddings,
    encoders::{Caller, EncoderTarget, about_the_text, size},
    target::TextModel,
};
use crate::{
    dispatch::OwnedCall,
    failure::Failure,
    heavy,
    http::{Answer, Payload, json},
};

pub(crate) async fn rerank(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    let mut request = super::read(payload, RerankRequest::parse).await?;
    let model = TextModel::find(call, &request.model).await?;
    let (scores, read) = match &model {
        TextModel::Encoder(target) if target.facts().purpose == Purpose::Scores => {
            of_pairs(call, target, &request).await?
        }
        _ => of_rows(call, &model, &request).await?,
    };
    let ranked = ranked(&scores, request.top_n);
    let told = if request.return_documents { &ranked[..] } else { &[] };
    let bytes = told.iter().map(|(index, _)| request.documents[*index].len()).sum();
    let id = format!("rerank-{}", call.request_id);
    let write = move || {
        let results = ranked.into_iter().map(|(index, relevance_score)| {
            // Each document is told once at most.
            let document = request.return_documents.then(|| std::mem::take(&mut request.documents[index]));
            RerankResult::new(index, relevance_score, document)
        });
        let results = results.collect();
        json(StatusCode::OK, &RerankAnswer::new(id, request.model, results, read))
    };
    let mut answer = heavy::run(bytes, write).await??;
    model.name_version(&mut answer);
    Ok(answer)
}

/// What a model says that reads the query and a document together.
async fn of_pairs(
    call: &OwnedCall,
    target: &EncoderTarget,
    request: &RerankRequest,
) -> Result<(Vec<f64>, u64), Failure> {
    let RerankRequest { query, documents, truncate, .. } = request.clone();
    // The query is read once, and its tokens put before each document.
    let size = size(documents.iter().map(|document| document.len().saturating_add(query.len())));
    let read = move |encoder: &TextEncoder, caller: &Caller| {
        let query = encoder.query(&query).map_err(|error| about_the_text(error, "query"))?;
        caller.each(&documents, |document| {
            encoder.pair(&query, document, truncate).map_err(|error| about_the_text(error, "documents"))
        })
    };
    let pairs = target.tokens(size, read).await?;
    let (rows, read) = target.rows(call, pairs).await?;
    Ok((rows.iter().map(|row| row.first().map_or(0.0, |score| sigmoid(*score))).collect(), read))
}

/// How near the rows of documents are to that of the query.
async fn of_rows(
    call: &OwnedCall,
    model: &TextModel,
    request: &RerankRequest,
) -> Result<(Vec<f64>, u64), Failure> {
    let texts = std::iter::once(&request.query).chain(&request.documents);
    let texts = texts.map(|text| TextOrTokens::Text(text.clone())).collect();
    let (rows, read) = embeddings::rows(call, model, texts, request.truncate, place_of).await?;
    let scores = match rows.split_first() {
        Some((query, documents)) => documents.iter().map(|document| cosine(query, document)).collect(),
        None => Vec::new(),
    };
    Ok((scores, read))
}

/// Where the request has a text: the query is the first of all.
const fn place_of(text: usize) -> &'static str {
    if text == 0 { "query" } else { "documents" }
}

/// The best of all, best first; of equals the first one comes first.
fn ranked(scores: &[f64], most: Option<u32>) -> Vec<(usize, f64)> {
    let mut order: Vec<(usize, f64)> = scores.iter().copied().enumerate().collect();
    order.sort_by(|(_, left), (_, right)| right.total_cmp(left));
    order.truncate(most.map_or(usize::MAX, |most| most as usize));
    order
}

fn sigmoid(score: f32) -> f64 {
    1.0 / (1.0 + (-f64::from(score)).exp())
}

fn cosine(left: &[f32], right: &[f32]) -> f64 {
    let product = |one: &[f32], other: &[f32]| -> f64 {
        one.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let lengths = (product(left, left) * product(right, right)).sqrt();
    if lengths > 0.0 { product(left, right) / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_equals_in_their_order() {
        let scores = [0.5, 0.9, 0.5, -1.0];
        assert_eq!(ranked(&scores, None), [(1, 0.9), (0, 0.5), (2, 0.5), (3, -1.0)]);
        assert_eq!(ranked(&scores, Some(2)), [(1, 0.9), (0, 0.5)]);
        assert!(ranked(&[], Some(2)).is_empty());
    }

    #[test]
    fn scores_are_between_nothing_and_one() {
        assert_eq!(sigmoid(0.0), 0.5);
        assert_eq!((sigmoid(-2000.0), sigmoid(2000.0)), (0.0, 1.0));
        assert!((sigmoid(1.0) - 0.731_058_578_630).abs() < 1e-9);
    }

    #[test]
    fn cosines_do_not_depend_on_lengths() {
        assert!((cosine(&[2.0, 0.0], &[3.0, 3.0]) - 0.5_f64.sqrt()).abs() < 1e-12);
        assert!((cosine(&[1.0, 2.0], &[-2.0, -4.0]) + 1.0).abs() < 1e-12);
        assert_eq!(cosine(&[0.0], &[1.0]), 0.0);
    }
}
