//! An encoder: from texts to the inputs of a model, and from its outputs to rows and scores.

mod trial;

use yard_engine::{LoadError, LoadedModel, ModelPackage};
use yard_types::{Tensor, TensorData};

use crate::{
    EncoderError, Occasion, Purpose, Query, Tokens, batch,
    files::{self, unusable},
    pooling::{normalize, pool},
    settings::TextSettings,
    shape::{EncoderShape, OutputKind, Role},
    tokens::TextTokenizer,
};

/// What is known of an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncoderFacts {
    /// What it is for.
    pub purpose: Purpose,
    /// How many tokens a text may have, those that begin and end it included.
    pub longest: usize,
    /// How many numbers the row of a text has; 1 for scores.
    pub width: usize,
}

/// A model that reads texts. Threads share it.
#[derive(Debug)]
pub struct TextEncoder {
    facts: EncoderFacts,
    shape: EncoderShape,
    settings: TextSettings,
    tokenizer: TextTokenizer,
}

impl TextEncoder {
    /// The encoder that a loaded model is; `None` for one without a tokenizer or with other inputs and outputs.
    ///
    /// The model is run, on a word, and at its proof on as much as a run may have: what its tokenizer and its settings do not
    /// fit is found out here.
    pub(crate) fn open(
        package: &ModelPackage,
        model: &dyn LoadedModel,
        occasion: Occasion,
    ) -> Result<Option<Self>, LoadError> {
        let Some(shape) = EncoderShape::of(model.signature()) else { return Ok(None) };
        let Some(found) = files::tokenizer(package)? else { return Ok(None) };
        let mut settings = TextSettings::read(package, shape.kind)?;
        if let Some(fixed) = shape.fixed_length {
            settings.longest = settings.longest.min(fixed);
        }
        let tokenizer = TextTokenizer::open(&found, settings.longest)?;
        let facts = EncoderFacts { purpose: shape.purpose(), longest: settings.longest, width: 1 };
        let mut encoder = Self { facts, shape, settings, tokenizer };
        match encoder.try_out(model, occasion) {
            Ok(width) => encoder.facts.width = width,
            // What the signature left open the answer has told: a classifier, or whatever it is.
            Err(_) if encoder.shape.is_open => return Ok(None),
            Err(reason) => return Err(unusable(&found.path, reason)),
        }
        Ok(Some(encoder))
    }

    /// What is known of it.
    pub const fn facts(&self) -> &EncoderFacts {
        &self.facts
    }

    /// The tokens of a text; one that is too long is cut off if `truncate` says so, and else an error.
    pub fn text(&self, text: &str, truncate: bool) -> Result<Tokens, EncoderError> {
        self.tokenizer.text(text, truncate)
    }

    /// The tokens of a query, for any number of documents. One that leaves no room beside it is an error.
    pub fn query(&self, query: &str) -> Result<Query, EncoderError> {
        self.tokenizer.query(query)
    }

    /// The tokens of a query with a document beside it; of these the document is cut off.
    pub fn pair(&self, query: &Query, document: &str, truncate: bool) -> Result<Tokens, EncoderError> {
        self.tokenizer.pair(query, document, truncate)
    }

    /// Tokens by their numbers, taken as they are.
    pub fn numbers(&self, ids: Vec<u32>, truncate: bool) -> Result<Tokens, EncoderError> {
        self.tokenizer.numbers(ids, truncate)
    }

    /// Which texts are to run together, by their places. `joined` says whether a row of the model's answer depends on no
    /// other row; else each text runs alone.
    pub fn plan(&self, texts: &[Tokens], joined: bool) -> Vec<Vec<usize>> {
        let lengths: Vec<usize> = texts.iter().map(|text| self.padded(text.count())).collect();
        batch::plan(&lengths, self.max_rows(joined), batch::MAX_TOKENS)
    }

    const fn max_rows(&self, joined: bool) -> usize {
        if joined && !self.shape.single_row { batch::MAX_ROWS } else { 1 }
    }

    /// The model's inputs for some of the texts, filled up to the longest of them.
    pub fn inputs(&self, texts: &[Tokens], places: &[usize]) -> Result<Vec<Tensor>, EncoderError> {
        let length = self.run_length(texts, places);
        let filled = |values: fn(&Tokens) -> &[u32], filler: u32| {
            let mut numbers = Vec::with_capacity(places.len().saturating_mul(length));
            for place in places {
                let values = values(&texts[*place]);
                numbers.extend_from_slice(values);
                numbers.resize(numbers.len() + length - values.len(), filler);
            }
            numbers
        };
        let mut inputs = Vec::with_capacity(self.shape.inputs.len());
        for input in &self.shape.inputs {
            let numbers = match input.role {
                Role::Ids => filled(|text| &text.ids, self.tokenizer.padding),
                Role::Types => filled(|text| &text.types, 0),
                Role::Mask => places
                    .iter()
                    .flat_map(|place| {
                        let count = texts[*place].count();
                        (0..length).map(move |at| u32::from(at < count))
                    })
                    .collect(),
            };
            let data = if input.wide {
                TensorData::Int64(numbers.into_iter().map(i64::from).collect())
            } else {
                // Numbers of tokens are far below.
                TensorData::Int32(numbers.into_iter().map(|number| number.cast_signed()).collect())
            };
            let tensor = Tensor::new(vec![places.len(), length], data);
            inputs.push(tensor.map_err(|error| EncoderError::Unreadable(error.to_string()))?);
        }
        Ok(inputs)
    }

    /// The rows of these texts, out of what the model answered to their inputs.
    pub fn rows(
        &self,
        texts: &[Tokens],
        places: &[usize],
        outputs: &[Tensor],
    ) -> Result<Vec<Vec<f32>>, EncoderError> {
        let output = outputs.get(self.shape.output).ok_or_else(|| bad("an output is missing"))?;
        let values = floats(output)?;
        let length = self.run_length(texts, places);
        let mut rows: Vec<Vec<f32>> = match (self.shape.kind, output.shape()) {
            (OutputKind::Tokens, &[rows, tokens, width])
                if rows == places.len() && tokens == length && width > 0 =>
            {
                let of_text = values.chunks_exact(tokens * width).zip(places);
                let pooled = of_text.map(|(values, place)| {
                    pool(&values[..texts[*place].count() * width], width, self.settings.pooling)
                });
                pooled.collect()
            }
            (OutputKind::Sentences, &[rows, width]) if rows == places.len() && width > 0 => {
                values.chunks_exact(width).map(<[f32]>::to_vec).collect()
            }
            (OutputKind::Scores, &[rows] | &[rows, 1]) if rows == places.len() => {
                values.iter().map(|score| vec![*score]).collect()
            }
            (_, other) => {
                return Err(bad(format!(
                    "its shape is {other:?} for {} rows of {length} tokens",
                    places.len()
                )));
            }
        };
        if rows.iter().flatten().any(|value| !value.is_finite()) {
            return Err(bad("it holds what is no number"));
        }
        if self.settings.normalize && self.shape.kind != OutputKind::Scores {
            rows.iter_mut().for_each(|row| normalize(row));
        }
        Ok(rows)
    }

    fn padded(&self, tokens: usize) -> usize {
        self.shape.fixed_length.unwrap_or(tokens)
    }

    fn run_length(&self, texts: &[Tokens], places: &[usize]) -> usize {
        let longest = places.iter().map(|place| texts[*place].count()).max().unwrap_or(0);
        self.padded(longest)
    }
}

fn bad(reason: impl Into<String>) -> EncoderError {
    EncoderError::BadOutput(reason.into())
}

fn floats(tensor: &Tensor) -> Result<Vec<f32>, EncoderError> {
    match tensor.data() {
        TensorData::Fp32(values) => Ok(values.clone()),
        TensorData::Fp16(values) => Ok(values.iter().map(|value| value.to_f32()).collect()),
        other => Err(bad(format!("its element type is {}", other.data_type()))),
    }
}

#[cfg(test)]
mod tests;
