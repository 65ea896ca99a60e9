//! How text is split into words before bytes are joined: by the name that a file gives.

use super::TokenizerError;
use super::error::shown;

mod pattern;

use pattern::{Contractions, Letters, Numbers, Pattern, SymbolTail};

/// A way of splitting, and what goes with it in the models that use it. To add one, add a row to `PRE_TOKENIZERS`; the
/// reference for each is the expression in its model's own `tokenizer.json`.
pub(super) struct PreTokenizer {
    /// The names that files give it.
    names: &'static [&'static str],
    pub(super) pattern: Pattern,
    /// Characters are composed (Unicode's form C) first.
    pub(super) composes: bool,
    /// A word that is a token is that token, whatever the merges say.
    pub(super) whole_words_first: bool,
    /// Texts begin with the beginning token unless the file says otherwise.
    pub(super) begins_by_default: bool,
}

/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
const GPT_2: Pattern = Pattern {
    digits_apart: false,
    contractions: Contractions::Small,
    letters: Letters::BehindSpace,
    numbers: Numbers::BehindSpace,
    marks_are_letters: false,
    symbol_tail: SymbolTail::Nothing,
    newlines_end_words: false,
};

/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
const LLAMA_3: Pattern = Pattern {
    digits_apart: false,
    contractions: Contractions::AnyCase,
    letters: Letters::BehindAnything,
    numbers: Numbers::UpTo(3),
    marks_are_letters: false,
    symbol_tail: SymbolTail::Newlines,
    newlines_end_words: true,
};

/// `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|`
/// `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|`
/// `\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
const TEKKEN: Pattern = Pattern {
    digits_apart: false,
    contractions: Contractions::None,
    letters: Letters::CamelCase { contractions: false },
    numbers: Numbers::UpTo(1),
    marks_are_letters: false,
    symbol_tail: SymbolTail::NewlinesAndSlashes,
    newlines_end_words: true,
};

static PRE_TOKENIZERS: [PreTokenizer; 8] = [
    PreTokenizer {
        names: &["gpt-2", "phi-2"],
        pattern: GPT_2,
        composes: false,
        whole_words_first: false,
        begins_by_default: false,
    },
    PreTokenizer {
        names: &["smollm", "starcoder", "refact", "command-r"],
        pattern: Pattern { digits_apart: true, ..GPT_2 },
        composes: false,
        whole_words_first: false,
        begins_by_default: false,
    },
    PreTokenizer {
        names: &["llama-bpe", "llama3", "llama-v3"],
        pattern: LLAMA_3,
        composes: false,
        whole_words_first: true,
        begins_by_default: true,
    },
    PreTokenizer {
        names: &["qwen2", "qwen3"],
        pattern: Pattern { numbers: Numbers::UpTo(1), ..LLAMA_3 },
        composes: true,
        whole_words_first: false,
        begins_by_default: false,
    },
    PreTokenizer {
        names: &["deepseek-r1-qwen"],
        pattern: Pattern { numbers: Numbers::UpTo(1), ..LLAMA_3 },
        composes: false,
        whole_words_first: false,
        begins_by_default: false,
    },
    PreTokenizer {
        names: &["qwen35"],
        pattern: Pattern { numbers: Numbers::UpTo(1), marks_are_letters: true, ..LLAMA_3 },
        composes: true,
        whole_words_first: false,
        begins_by_default: false,
    },
    PreTokenizer {
        names: &["tekken"],
        pattern: TEKKEN,
        composes: false,
        whole_words_first: true,
        begins_by_default: true,
    },
    PreTokenizer {
        names: &["gpt-4o", "llama4"],
        pattern: Pattern {
            letters: Letters::CamelCase { contractions: true },
            numbers: Numbers::UpTo(3),
            ..TEKKEN
        },
        composes: false,
        whole_words_first: false,
        begins_by_default: false,
    },
];

impl PreTokenizer {
    pub(super) fn named(name: &str) -> Result<&'static Self, TokenizerError> {
        PRE_TOKENIZERS.iter().find(|known| known.names.contains(&name)).ok_or_else(|| {
            let known: Vec<&str> = PRE_TOKENIZERS.iter().flat_map(|known| known.names).copied().collect();
            TokenizerError::UnknownPreTokenizer { name: shown(name), known: known.join(", ") }
        })
    }
}
