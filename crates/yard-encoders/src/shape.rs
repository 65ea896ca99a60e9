//! Which models read tokens, and what they answer.

use yard_types::{DataType, Dim, Signature, TensorSpec};

/// What an encoder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A row of numbers for each text.
    Embeddings,
    /// A score for each pair of texts: how well the second answers the first.
    Scores,
}

/// What an input holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The numbers of tokens.
    Ids,
    /// 1 for a token, 0 for padding.
    Mask,
    /// 0 for the first text of a pair, 1 for the second.
    Types,
}

/// What the output that counts holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputKind {
    /// A row for each token of each text: [N, T, W].
    Tokens,
    /// A row for each text: [N, W].
    Sentences,
    /// A number for each text or pair: [N, 1] or [N].
    Scores,
}

/// One input, in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InputSlot {
    pub(crate) role: Role,
    /// Whether it is of 64-bit numbers; else of 32-bit ones.
    pub(crate) wide: bool,
}

/// How tokens go into a model and what comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncoderShape {
    /// In the order of the signature.
    pub(crate) inputs: Vec<InputSlot>,
    /// How many tokens a row must have, if the model says.
    pub(crate) fixed_length: Option<usize>,
    /// Whether a run takes one row and no more.
    pub(crate) single_row: bool,
    /// The place of the output that counts.
    pub(crate) output: usize,
    pub(crate) kind: OutputKind,
    /// Whether the signature leaves room for another kind, so that only an answer of the model tells.
    pub(crate) is_open: bool,
}

const TOKEN_NAMES: [&str; 2] = ["last_hidden_state", "token_embeddings"];
const SENTENCE_NAMES: [&str; 2] = ["sentence_embedding", "sentence_embeddings"];
const SCORE_NAMES: [&str; 3] = ["logits", "score", "scores"];

impl EncoderShape {
    /// `None` for models that are no encoders.
    pub(crate) fn of(signature: &Signature) -> Option<Self> {
        let inputs = signature.inputs.iter().map(input).collect::<Option<Vec<_>>>()?;
        let has = |role| inputs.iter().filter(|input| input.role == role).count() == 1;
        if !has(Role::Ids) || !has(Role::Mask) {
            return None;
        }
        let mut fixed_length = None;
        let mut single_row = false;
        for dims in signature.inputs.iter().filter_map(|spec| spec.shape.as_deref()) {
            match dims.first()? {
                Dim::Fixed(1) => single_row = true,
                Dim::Fixed(_) => return None,
                Dim::Symbol(_) | Dim::Any => {}
            }
            if let Dim::Fixed(length) = dims.get(1)? {
                fixed_length = Some(*length);
            }
        }
        let (output, kind) = output(&signature.outputs)?;
        let is_open = leaves_open(&signature.outputs[output], kind);
        Some(Self { inputs, fixed_length, single_row, output, kind, is_open })
    }

    pub(crate) const fn purpose(&self) -> Purpose {
        match self.kind {
            OutputKind::Tokens | OutputKind::Sentences => Purpose::Embeddings,
            OutputKind::Scores => Purpose::Scores,
        }
    }
}

fn input(spec: &TensorSpec) -> Option<InputSlot> {
    let role = match spec.name.as_str() {
        "input_ids" => Role::Ids,
        "attention_mask" => Role::Mask,
        "token_type_ids" => Role::Types,
        _ => return None,
    };
    let wide = match spec.data_type {
        DataType::Int64 => true,
        DataType::Int32 => false,
        _ => return None,
    };
    let has_two_dimensions = spec.shape.as_ref().is_none_or(|dims| dims.len() == 2);
    has_two_dimensions.then_some(InputSlot { role, wide })
}

/// The output that counts: rows of whole texts before rows of tokens, since the graph has pooled those as it should be.
fn output(outputs: &[TensorSpec]) -> Option<(usize, OutputKind)> {
    let named = |names: &[&str], kind| {
        let place = outputs
            .iter()
            .position(|spec| names.contains(&spec.name.as_str()) && is_float(spec) && fits(spec, kind));
        place.map(|place| (place, kind))
    };
    named(&SENTENCE_NAMES, OutputKind::Sentences)
        .or_else(|| named(&TOKEN_NAMES, OutputKind::Tokens))
        .or_else(|| named(&SCORE_NAMES, OutputKind::Scores))
        .or_else(|| only(outputs))
}

/// A single output by another name, if its shape leaves no doubt. Logits of tokens are what they are: those of a model that
/// writes, or that names the parts of a text.
fn only(outputs: &[TensorSpec]) -> Option<(usize, OutputKind)> {
    let [spec] = outputs else { return None };
    let is_logits = SCORE_NAMES.contains(&spec.name.as_str());
    let is_tokens = !is_logits && is_float(spec) && spec.shape.as_ref().is_some_and(|dims| dims.len() == 3);
    is_tokens.then_some((0, OutputKind::Tokens))
}

const fn is_float(spec: &TensorSpec) -> bool {
    matches!(spec.data_type, DataType::Fp32 | DataType::Fp16)
}

fn fits(spec: &TensorSpec, kind: OutputKind) -> bool {
    let Some(dims) = spec.shape.as_deref() else { return true };
    match kind {
        OutputKind::Tokens => dims.len() == 3,
        OutputKind::Sentences => dims.len() == 2,
        // More than one number for a pair is a classification.
        OutputKind::Scores => match dims {
            [_] => true,
            [_, last] => !matches!(last, Dim::Fixed(count) if *count != 1),
            _ => false,
        },
    }
}

/// Whether an output that may be of this kind may as well be of another.
fn leaves_open(spec: &TensorSpec, kind: OutputKind) -> bool {
    let Some(dims) = spec.shape.as_deref() else { return true };
    match kind {
        OutputKind::Tokens => !TOKEN_NAMES.contains(&spec.name.as_str()),
        OutputKind::Sentences => false,
        // A classifier may have any number of classes.
        OutputKind::Scores => matches!(dims, [_, Dim::Symbol(_) | Dim::Any]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::spec;

    const ANY: Dim = Dim::Any;

    fn signature(inputs: &[&str], outputs: &[(&str, &[Dim])]) -> Signature {
        Signature {
            inputs: inputs.iter().map(|name| spec(name, DataType::Int64, &[ANY, ANY])).collect(),
            outputs: outputs.iter().map(|(name, dims)| spec(name, DataType::Fp32, dims)).collect(),
        }
    }

    #[test]
    fn encoders_are_known_by_their_inputs_and_outputs() {
        let both = ["input_ids", "attention_mask"];
        let kind = |inputs: &[&str], outputs: &[(&str, &[Dim])]| {
            EncoderShape::of(&signature(inputs, outputs)).map(|shape| (shape.output, shape.kind))
        };
        let tokens: &[Dim] = &[ANY, ANY, Dim::Fixed(8)];
        let sentences: &[Dim] = &[ANY, Dim::Fixed(8)];
        assert_eq!(kind(&both, &[("last_hidden_state", tokens)]), Some((0, OutputKind::Tokens)));
        assert_eq!(
            kind(&both, &[("token_embeddings", tokens), ("sentence_embedding", sentences)]),
            Some((1, OutputKind::Sentences))
        );
        assert_eq!(
            kind(&["token_type_ids", "attention_mask", "input_ids"], &[("logits", &[ANY, Dim::Fixed(1)])]),
            Some((0, OutputKind::Scores))
        );
        assert_eq!(kind(&both, &[("output_0", tokens)]), Some((0, OutputKind::Tokens)));
        assert_eq!(kind(&both, &[("logits", sentences)]), None, "a classifier");
        assert_eq!(kind(&both, &[("logits", tokens)]), None, "a model that writes");
        assert_eq!(kind(&["input_ids"], &[("last_hidden_state", tokens)]), None, "padding could not be told");
        assert_eq!(kind(&["input_ids", "attention_mask", "past"], &[("logits", tokens)]), None);
    }

    #[test]
    fn what_could_be_of_another_kind_is_open() {
        let both = ["input_ids", "attention_mask"];
        let is_open =
            |name: &str, dims: &[Dim]| EncoderShape::of(&signature(&both, &[(name, dims)])).unwrap().is_open;
        assert!(!is_open("logits", &[ANY, Dim::Fixed(1)]) && !is_open("scores", &[ANY]));
        assert!(
            is_open("logits", &[ANY, ANY]) && is_open("logits", &[ANY, Dim::Symbol("classes".to_owned())])
        );
        assert!(!is_open("last_hidden_state", &[ANY, ANY, ANY]) && is_open("output_0", &[ANY, ANY, ANY]));
        assert!(!is_open("sentence_embedding", &[ANY, ANY]));
        let mut unknown = signature(&both, &[("last_hidden_state", &[])]);
        unknown.outputs[0].shape = None;
        assert!(EncoderShape::of(&unknown).unwrap().is_open);
    }

    #[test]
    fn sizes_that_the_model_fixes_are_kept() {
        let mut signature =
            signature(&["input_ids", "attention_mask"], &[("last_hidden_state", &[ANY, ANY, ANY])]);
        for input in &mut signature.inputs {
            input.shape = Some(vec![Dim::Fixed(1), Dim::Fixed(128)]);
        }
        let shape = EncoderShape::of(&signature).unwrap();
        assert_eq!((shape.fixed_length, shape.single_row), (Some(128), true));
        signature.inputs[0].shape = Some(vec![Dim::Fixed(4), ANY]);
        assert_eq!(EncoderShape::of(&signature), None, "a run of exactly four rows");
    }
}
