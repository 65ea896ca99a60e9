//! A model's tokens as grammars see them.

use std::fmt;
use std::sync::Arc;

use llguidance::ParserFactory;
use llguidance::earley::SlicedBiasComputer;
use llguidance::panic_utils::catch_unwind;
use llguidance::toktrie::{InferenceCapabilities, SimpleVob, TokEnv, TokRxInfo, TokTrie, TokenizerEnv};

use super::{ConstraintError, compile, error};
use crate::{TokenId, TokenKind, Tokenizer};

/// Longer tokens are never allowed: the tree of tokens has a bounded depth.
const LONGEST_TOKEN: usize = 512;
/// The tree counts the nodes below a node with 22 bits.
const MOST_BYTES: usize = 4_000_000;
/// The tree numbers tokens with 24 bits.
const MOST_TOKENS: usize = 1 << 23;

/// A model's vocabulary, made ready for grammars: once for a model, shared by all its answers.
#[derive(Clone)]
pub struct ConstraintVocabulary(Arc<Shared>);

struct Shared {
    factory: ParserFactory,
    ends: SimpleVob,
    size: usize,
}

impl ConstraintVocabulary {
    /// Of this tokenizer. Takes a fraction of a second: every token is looked at.
    ///
    /// # Errors
    ///
    /// No token ends an answer, or the vocabulary is too large.
    pub fn new(tokenizer: &Arc<Tokenizer>) -> Result<Self, ConstraintError> {
        let wrong = |problem| ConstraintError::Vocabulary { problem };
        let ends: Vec<TokenId> = tokenizer.special_tokens().ends_of_generation.iter().copied().collect();
        let first_end = *ends.first().ok_or(wrong("no token ends an answer"))?;
        let size = tokenizer.vocabulary_size();
        if size > MOST_TOKENS {
            return Err(wrong("it has too many tokens"));
        }
        let texts: Vec<Vec<u8>> =
            (0..).take(size).map(|token| as_seen_by_grammars(tokenizer, token)).collect();
        if texts.iter().map(Vec::len).sum::<usize>() > MOST_BYTES {
            return Err(wrong("its tokens are too long"));
        }
        let factory = catch_unwind(|| {
            let information = TokRxInfo::new(size as u32, first_end);
            let tree = TokTrie::from(&information, &texts).with_eos_tokens(&ends);
            let tokens: TokEnv = Arc::new(Tokens { tokenizer: Arc::clone(tokenizer), tree });
            let slices = SlicedBiasComputer::general_slices();
            let mut factory = ParserFactory::new(&tokens, InferenceCapabilities::default(), &slices)?;
            *factory.limits_mut() = compile::limits();
            factory.quiet();
            Ok(factory)
        })
        .map_err(|problem| ConstraintError::Internal { problem: error::cut(&problem.to_string()) })?;
        let ends = factory.tok_env().tok_trie().eos_token_set();
        Ok(Self(Arc::new(Shared { factory, ends, size })))
    }

    pub(super) fn factory(&self) -> &ParserFactory {
        &self.0.factory
    }

    /// The mask of the tokens that end an answer.
    pub(super) fn ends(&self) -> SimpleVob {
        self.0.ends.clone()
    }

    pub(super) fn is_end(&self, token: TokenId) -> bool {
        self.is_token(token) && self.0.ends.is_allowed(token)
    }

    pub(super) fn is_token(&self, token: TokenId) -> bool {
        (token as usize) < self.0.size
    }
}

impl fmt::Debug for ConstraintVocabulary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ConstraintVocabulary").field("tokens", &self.0.size).finish_non_exhaustive()
    }
}

/// What a token writes; nothing if it may never be written. Tokens that write no text have their names behind a mark
/// that is in no text, so that a grammar can ask for them by name alone.
fn as_seen_by_grammars(tokenizer: &Tokenizer, token: TokenId) -> Vec<u8> {
    let bytes = tokenizer.token_bytes(token).unwrap_or_default();
    let ends = tokenizer.special_tokens().ends_generation(token);
    let bytes = match tokenizer.token_kind(token) {
        Some(TokenKind::Control | TokenKind::Unknown) => named(bytes),
        Some(_) if ends => named(bytes),
        None | Some(TokenKind::Unused) => Vec::new(),
        // No text has this byte.
        Some(_) if bytes.first() == Some(&TokTrie::SPECIAL_TOKEN_MARKER) => Vec::new(),
        Some(TokenKind::Normal | TokenKind::UserDefined | TokenKind::Byte) => bytes.to_vec(),
    };
    if bytes.len() > LONGEST_TOKEN { Vec::new() } else { bytes }
}

fn named(name: &[u8]) -> Vec<u8> {
    [&[TokTrie::SPECIAL_TOKEN_MARKER], name].concat()
}

/// The tokenizer as the library asks for it, to cut texts that a grammar forces.
struct Tokens {
    tokenizer: Arc<Tokenizer>,
    tree: TokTrie,
}

impl TokenizerEnv for Tokens {
    fn tok_trie(&self) -> &TokTrie {
        &self.tree
    }

    fn tokenize_bytes(&self, text: &[u8]) -> Vec<TokenId> {
        self.tree.tokenize_with_greedy_fallback(text, |text| {
            let tokens = self.tokenizer.encode_continuation(text);
            // Some tokenizers change texts, by composing characters for instance. A grammar wants them as they are.
            let written = tokens.iter().flat_map(|token| self.tree.token(*token));
            if written.eq(text.as_bytes()) { tokens } else { self.tree.greedy_tokenize(text.as_bytes()) }
        })
    }
}
