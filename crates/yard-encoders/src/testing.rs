//! A small tokenizer and a model that counts.

use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use yard_engine::{
    Engine, EngineInfo, LoadError, LoadOptions, LoadedModel, ModelPackage, PredictError, RowJoining,
    RunControl,
};
use yard_types::{DataType, Dim, Signature, Tensor, TensorData, TensorSpec};

use crate::{files::Found, tokens::TextTokenizer};

/// Eleven tokens, lower case, in the form of BERT. It is told to cut at 4 and fill up to 8, which must not happen.
pub(crate) const TOKENIZER_FILE: &str = r###"{
  "version": "1.0",
  "truncation": {"max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
  "padding": {"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
  "added_tokens": [
    {"id": 0, "content": "[PAD]", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
    {"id": 1, "content": "[UNK]", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
    {"id": 2, "content": "[CLS]", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
    {"id": 3, "content": "[SEP]", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}
  ],
  "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
  "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
    "pair": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
             {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}],
    "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}, "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}
  },
  "decoder": null,
  "model": {
    "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
    "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "the": 4, "cat": 5, "sit": 6, "##s": 7, "dog": 8, "!": 9, "a": 10}
  }
}"###;

pub(crate) fn tokenizer(longest: usize) -> TextTokenizer {
    let found = Found { path: "tokenizer.json".to_owned(), bytes: TOKENIZER_FILE.into() };
    TextTokenizer::open(&found, longest).unwrap()
}

pub(crate) fn spec(name: &str, data_type: DataType, dims: &[Dim]) -> TensorSpec {
    TensorSpec { name: name.to_owned(), data_type, shape: Some(dims.to_vec()), labels: None }
}

/// A package with these files; it lasts as long as the folder.
pub(crate) fn package(files: &[(&str, &str)]) -> (TempDir, ModelPackage) {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let package = ModelPackage::new(folder.path(), "model.onnx".parse().unwrap());
    (folder, package)
}

/// Loads models that answer for each token its number and 1 in a text, 100 and 100 in padding; or for each row the sum of
/// the numbers of its tokens.
#[derive(Debug, Clone)]
pub(crate) struct CountingEngine {
    signature: Signature,
    /// What the models answer for a row instead: zeros in this shape.
    zeros: Option<Vec<usize>>,
    /// How many tokens a row may have.
    most_tokens: usize,
    /// The shapes of what was run.
    seen: Arc<Mutex<Vec<Vec<usize>>>>,
}

impl CountingEngine {
    pub(crate) fn tokens() -> Self {
        Self::of("last_hidden_state", &[Dim::Any, Dim::Any, Dim::Fixed(2)], DataType::Int64)
    }

    pub(crate) fn scores() -> Self {
        Self::of("logits", &[Dim::Any, Dim::Fixed(1)], DataType::Int32)
    }

    /// An output of this name, which is said to have these dimensions, and has zeros in this shape for each row.
    pub(crate) fn answering(name: &str, dims: Option<&[Dim]>, of_row: &[usize]) -> Self {
        let mut engine = Self::of(name, dims.unwrap_or_default(), DataType::Int64);
        if dims.is_none() {
            engine.signature.outputs[0].shape = None;
        }
        engine.zeros = Some(of_row.to_vec());
        engine
    }

    /// Rows of more tokens are refused.
    pub(crate) fn limit(&mut self, most_tokens: usize) {
        self.most_tokens = most_tokens;
    }

    /// The shapes of what was run so far.
    pub(crate) fn seen(&self) -> Vec<Vec<usize>> {
        self.seen.lock().unwrap().clone()
    }

    /// The output gets another name, and the dimensions that go with it; the answers stay what they are.
    pub(crate) fn rename_output(&mut self, name: &str) {
        self.signature.outputs = vec![spec(name, DataType::Fp32, &[Dim::Any, Dim::Any])];
    }

    fn of(output: &str, dims: &[Dim], data_type: DataType) -> Self {
        let rows = [Dim::Any, Dim::Any];
        let inputs = ["attention_mask", "input_ids"].map(|name| spec(name, data_type, &rows));
        let outputs = vec![spec(output, DataType::Fp32, dims)];
        let signature = Signature { inputs: inputs.into(), outputs };
        Self { signature, zeros: None, most_tokens: usize::MAX, seen: Arc::default() }
    }
}

impl Engine for CountingEngine {
    fn info(&self) -> EngineInfo {
        EngineInfo { name: "counting", version: "1".to_owned() }
    }

    fn load(&self, _: &ModelPackage, _: &LoadOptions) -> Result<Arc<dyn LoadedModel>, LoadError> {
        Ok(Arc::new(self.clone()))
    }
}

impl LoadedModel for CountingEngine {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn row_joining(&self) -> RowJoining {
        RowJoining::Plausible
    }

    fn predict(&self, inputs: &[Tensor], _: &RunControl) -> Result<Vec<Tensor>, PredictError> {
        let [mask, ids] = inputs else { return Err(PredictError::BadInput("two inputs".to_owned())) };
        let shape = ids.shape().to_vec();
        self.seen.lock().unwrap().push(shape.clone());
        if shape[1] > self.most_tokens {
            return Err(PredictError::BadInput(format!("{} tokens", shape[1])));
        }
        let (mask, ids) = (numbers(mask), numbers(ids));
        let output = if let Some(of_row) = &self.zeros {
            let shape = [&shape[..1], &of_row[..]].concat();
            let count = shape.iter().product();
            Tensor::new(shape, TensorData::Fp32(vec![0.0; count]))
        } else if self.signature.outputs[0].name == "logits" {
            let of_row =
                |(row, mask): (&[f32], &[f32])| row.iter().zip(mask).map(|(id, real)| id * real).sum();
            let sums = ids.chunks(shape[1]).zip(mask.chunks(shape[1])).map(of_row).collect();
            Tensor::new(vec![shape[0], 1], TensorData::Fp32(sums))
        } else {
            let of_token = |(id, real): (&f32, &f32)| if *real == 1.0 { [*id, 1.0] } else { [100.0; 2] };
            let values = ids.iter().zip(&mask).flat_map(of_token).collect();
            Tensor::new(vec![shape[0], shape[1], 2], TensorData::Fp32(values))
        };
        Ok(vec![output.unwrap()])
    }
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    match tensor.data() {
        TensorData::Int64(values) => values.iter().map(|value| *value as f32).collect(),
        TensorData::Int32(values) => values.iter().map(|value| *value as f32).collect(),
        other => panic!("{}", other.data_type()),
    }
}
