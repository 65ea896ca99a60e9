//! `POST /v1/embeddings`: what is asked.

use super::{
    chat::take_model, completions::TextOrTokens, error::ApiError, fields::Fields, parameters::EMBEDDINGS,
};

/// Most texts of a request.
const MAX_INPUTS: usize = 2048;
/// Most numbers that can be asked for: more than any model has.
const MAX_DIMENSIONS: u32 = 65_536;

/// How the numbers of an embedding are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EncodingFormat {
    /// As a list.
    #[default]
    Float,
    /// As the base64 text of their bytes: 32-bit floats, little-endian.
    Base64,
}

/// Texts whose embeddings are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingRequest {
    /// The name of the model; not empty.
    pub model: String,
    /// The texts: 1 to 2,048.
    pub inputs: Vec<TextOrTokens>,
    /// How the numbers are written.
    pub encoding_format: EncodingFormat,
    /// How many numbers are wanted, if not as many as the model has: 1 to 65,536.
    pub dimensions: Option<u32>,
    /// Whether texts that are too long for the model are cut off; if not, they are an error.
    pub truncate: bool,
}

impl EmbeddingRequest {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// It is not JSON, or a field is missing, unknown, refused or has a value that it cannot have.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::of_body(body, EMBEDDINGS)?;
        let model = take_model(&mut fields)?;
        let inputs = TextOrTokens::take_all(&mut fields, "input", MAX_INPUTS)?;
        let encoding_format = match fields.text("encoding_format")?.as_deref() {
            None | Some("float") => EncodingFormat::Float,
            Some("base64") => EncodingFormat::Base64,
            Some(_) => return Err(fields.invalid("encoding_format")),
        };
        Ok(Self {
            model,
            inputs,
            encoding_format,
            dimensions: fields.count("dimensions", 1..=MAX_DIMENSIONS)?,
            truncate: fields.bool("truncate")?.unwrap_or(false),
        })
    }
}
