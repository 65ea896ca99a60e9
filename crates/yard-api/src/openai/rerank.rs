//! `POST /v1/rerank`: what is asked. OpenAI has no such route; the fields are those that clients of Jina and Cohere send.

use serde_json::Value;

use super::{chat::take_model, error::ApiError, fields::Fields, parameters::RERANK};

/// Most documents of a request.
const MAX_DOCUMENTS: usize = 2048;

/// Documents that are to be put in the order in which they answer a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RerankRequest {
    /// The name of the model; not empty.
    pub model: String,
    /// What is looked for; not empty.
    pub query: String,
    /// The texts: 1 to 2,048, none of them empty.
    pub documents: Vec<String>,
    /// How many are wanted at most: at least 1.
    pub top_n: Option<u32>,
    /// Whether the answer repeats the documents.
    pub return_documents: bool,
    /// Whether texts that are too long for the model are cut off; if not, they are an error.
    pub truncate: bool,
}

impl RerankRequest {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// It is not JSON, or a field is missing, unknown, refused or has a value that it cannot have.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::of_body(body, RERANK)?;
        let model = take_model(&mut fields)?;
        let query = fields.filled_text("query")?;
        let query = fields.needed("query", query)?;
        let values = fields.list("documents", MAX_DOCUMENTS)?;
        let values = fields.needed("documents", values)?;
        let documents: Option<Vec<String>> = values.into_iter().map(document).collect();
        let documents = documents.filter(|documents| !documents.is_empty());
        Ok(Self {
            model,
            query,
            documents: documents.ok_or_else(|| fields.invalid("documents"))?,
            top_n: fields.count("top_n", 1..=u32::MAX)?,
            return_documents: fields.bool("return_documents")?.unwrap_or(false),
            truncate: fields.bool("truncate")?.unwrap_or(false),
        })
    }
}

/// A text, or an object with nothing but a text.
fn document(value: Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text,
        Value::Object(mut members) if members.len() == 1 => match members.remove("text") {
            Some(Value::String(text)) => text,
            _ => return None,
        },
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}
