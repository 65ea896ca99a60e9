//! A column of texts as numbers of words, in memory and in the model's graph.

use bytes::Bytes;
use serde_json::json;
use yard_data::{Column, Table, Values};
use yard_features::{FeatureError, Matrix, check_input_name};
use yard_onnx::{GraphBuilder, attribute};
use yard_types::{DataType, Dim, NamedTensor, Tensor, TensorData};

use super::{
    characters::pattern,
    tokenizer::{PADDING, Tokenizer, TokenizerOptions, UNKNOWN},
};
use crate::TrainingError;

/// What the columns are stands under this key in the model's metadata, as JSON.
const COLUMNS_KEY: &str = "modelyard.columns";
/// The operator set of ONNX Runtime's own operators, and that of tables.
const OF_THE_ENGINE: &str = "com.microsoft";
const LEARNED: &str = "ai.onnx.ml";
const LEARNED_VERSION: i64 = 3;

/// What is done with a column of texts, as learned from the training rows.
#[derive(Debug, Clone, PartialEq)]
pub struct TextPreparation {
    column: String,
    tokenizer: Tokenizer,
    remarks: Vec<String>,
}

impl TextPreparation {
    /// Learns from these rows of a table that holds one column of texts and nothing else.
    pub fn fit(table: &Table, train: &[usize], options: &TokenizerOptions) -> Result<Self, TrainingError> {
        let column = the_column(table)?;
        check_input_name(&column.name)?;
        let texts = || train.iter().map(|row| text(column, *row));
        let tokenizer = Tokenizer::learn(texts(), options);
        if tokenizer.words().is_empty() {
            return Err(TrainingError::Mismatch(format!(
                "no word stands {} times in column `{}` of the {} training rows: lower model.min_count, or choose \
                 another column",
                options.min_count,
                column.name,
                train.len()
            )));
        }
        let mut remarks = Vec::new();
        let mut remark = |what: &str, count: usize| {
            if count > 0 {
                remarks.push(format!("{count} of {} training texts {what}", train.len()));
            }
        };
        let cut = texts().filter(|text| tokenizer.is_cut(text)).count();
        let most = options.max_tokens;
        remark(&format!("have more than {most} words; the rest is cut off (model.max_tokens)"), cut);
        let empty = texts().filter(|text| tokenizer.ids(text).is_empty()).count();
        remark("have no words", empty);
        Ok(Self { column: column.name.clone(), tokenizer, remarks })
    }

    /// Rows of a table as numbers of words, filled up with padding.
    pub fn apply(&self, table: &Table, rows: &[usize]) -> Result<Matrix, FeatureError> {
        let column = self.find(table)?;
        let width = self.tokenizer.max_tokens();
        let mut values = vec![PADDING as f32; rows.len() * width];
        for (row, places) in rows.iter().zip(values.chunks_exact_mut(width)) {
            for (place, id) in places.iter_mut().zip(self.tokenizer.ids(text(column, *row))) {
                *place = id as f32;
            }
        }
        Ok(Matrix { rows: rows.len(), columns: self.columns(), shape: vec![width], values })
    }

    /// The input of the model for some rows of a table, raw as a request brings it.
    pub fn raw_inputs(&self, table: &Table, rows: &[usize]) -> Result<Vec<NamedTensor>, FeatureError> {
        let column = self.find(table)?;
        let texts = rows.iter().map(|row| Bytes::copy_from_slice(text(column, *row).as_bytes())).collect();
        let tensor = Tensor::new(vec![rows.len(), 1], TensorData::Bytes(texts));
        let tensor = tensor.expect("there is a text for each row");
        Ok(vec![NamedTensor { name: self.column.clone(), tensor }])
    }

    /// Adds the model's input and what makes numbers of words of it: `[batch, words]`, as many as the longest text has
    /// and at least one, filled up with padding. The name is that of the numbers.
    pub fn emit(&self, graph: GraphBuilder) -> (GraphBuilder, String) {
        let name = |part: &str| format!("modelyard/{part}");
        let column = json!([{"name": self.column, "type": "text"}]);
        let shape = [Dim::Symbol("batch".to_owned()), Dim::Fixed(1)];
        let mut graph = graph
            .import(OF_THE_ENGINE, 1)
            .import(LEARNED, LEARNED_VERSION)
            .input(&self.column, DataType::Bytes, &shape[..])
            .metadata(COLUMNS_KEY, &column.to_string());
        let constants = [
            ("flat", vec![-1]),
            ("begin", vec![0]),
            ("end", vec![self.tokenizer.max_tokens() as i64]),
            ("axis", vec![1]),
            ("one_more", vec![0, 0, 0, 1]),
        ];
        for (constant, values) in constants {
            let tensor = Tensor::new(vec![values.len()], TensorData::Int64(values));
            graph = graph.initializer(&name(constant), &tensor.expect("a list has its own length"));
        }
        let mut texts = name("texts");
        graph = graph.node("Reshape", &[&self.column, &name("flat")], &[&texts], Vec::new());
        if self.tokenizer.lower_case() {
            // No other locale is on every machine; this one makes A to Z small and nothing else.
            let attributes =
                vec![attribute::string("case_change_action", "LOWER"), attribute::string("locale", "C")];
            let lower = name("lower");
            graph = graph.node("StringNormalizer", &[&texts], &[&lower], attributes);
            texts = lower;
        }
        let (words, numbers, padded, ids) = (name("words"), name("numbers"), name("padded"), name("ids"));
        let split = vec![
            attribute::int("mark", 0),
            attribute::int("mincharnum", 1),
            // No word is empty.
            attribute::string("pad_value", ""),
            attribute::string("tokenexp", &pattern()),
        ];
        let graph = graph
            .node_of(OF_THE_ENGINE, "Tokenizer", &[&texts], &[&words], split)
            .node_of(LEARNED, "LabelEncoder", &[&words], &[&numbers], self.table())
            .node("Pad", &[&numbers, &name("one_more")], &[&padded], Vec::new())
            .node("Slice", &[&padded, &name("begin"), &name("end"), &name("axis")], &[&ids], Vec::new());
        (graph, ids)
    }

    /// Which spelling has which number.
    fn table(&self) -> Vec<yard_onnx::proto::AttributeProto> {
        let spellings = self.tokenizer.spellings();
        let keys: Vec<&str> = std::iter::once("").chain(spellings.keys().map(String::as_str)).collect();
        let values = std::iter::once(PADDING).chain(spellings.values().copied());
        let values: Vec<i64> = values.map(i64::from).collect();
        vec![
            attribute::strings("keys_strings", &keys),
            attribute::ints("values_int64s", &values),
            attribute::int("default_int64", i64::from(UNKNOWN)),
        ]
    }

    /// What splits texts and numbers words.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The column's name.
    pub fn columns(&self) -> Vec<String> {
        vec![self.column.clone()]
    }

    /// What whoever trains should know about the data.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    fn find<'a>(&self, table: &'a Table) -> Result<&'a Column, FeatureError> {
        let missing = || FeatureError::ColumnMissing { column: self.column.clone() };
        table.column(&self.column).ok_or_else(missing)
    }
}

/// The one column, which must be of texts; few of them may look like categories.
fn the_column(table: &Table) -> Result<&Column, TrainingError> {
    let is_text = |column: &Column| matches!(column.values, Values::Texts(_) | Values::Categories { .. });
    match table.columns.as_slice() {
        [column] if is_text(column) => Ok(column),
        columns => {
            const SHOWN: usize = 6;
            let names = columns.iter().take(SHOWN).map(|column| format!("`{}`", column.name));
            let more = if columns.len() > SHOWN { " and more" } else { "" };
            Err(TrainingError::Mismatch(format!(
                "a text classifier learns from one column of texts, but the features are {}{more}: name all others in \
                 data.ignore",
                names.collect::<Vec<_>>().join(", ")
            )))
        }
    }
}

/// The text of a row; a missing one is empty.
fn text(column: &Column, row: usize) -> &str {
    match &column.values {
        Values::Texts(texts) => texts[row].as_deref().unwrap_or_default(),
        Values::Categories { codes, levels } => levels.get(codes[row] as usize).map_or("", String::as_str),
        Values::Numbers(_) | Values::Tensors { .. } => "",
    }
}
