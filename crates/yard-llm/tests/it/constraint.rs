//! Answers that keep to grammars: whatever is chosen under the masks is valid in the eyes of others.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use yard_gguf::{Gguf, Metadata, ReadLimits};
use yard_llm::{
    AllowedTokens, Constraint, ConstraintError, ConstraintVocabulary, ControlText, Grammar, TokenId,
    Tokenizer,
};

use crate::tokenizer::vocabularies::{BYTE_PAIRS, SENTENCE_PIECES, metadata};

mod hostile;
mod judge;
mod regexes;
mod schemas;

/// A vocabulary with its tokenizer.
struct Words {
    tokenizer: Arc<Tokenizer>,
    vocabulary: ConstraintVocabulary,
    /// How well a token closes what is open: strings, lists, objects and answers (2), or words of digits (1).
    closing: Vec<u8>,
}

impl Words {
    fn of(tokenizer: Tokenizer) -> Self {
        let tokenizer = Arc::new(tokenizer);
        let vocabulary = ConstraintVocabulary::new(&tokenizer).unwrap();
        let closes = |token| {
            let bytes = tokenizer.token_bytes(token).unwrap();
            let all_of = |set: &[u8]| bytes.iter().all(|byte| set.contains(byte));
            let ends = tokenizer.special_tokens().ends_generation(token);
            if ends || all_of(b"\"}]") { 2 } else { u8::from(all_of(b",:0123456789")) }
        };
        let closing = (0..tokenizer.vocabulary_size() as u32).map(closes).collect();
        Self { tokenizer, vocabulary, closing }
    }

    fn constraint(&self, grammar: &Grammar) -> Result<Constraint, ConstraintError> {
        Constraint::new(&self.vocabulary, grammar)
    }

    fn ends(&self) -> Vec<TokenId> {
        self.tokenizer.special_tokens().ends_of_generation.iter().copied().collect()
    }

    fn tokens(&self, text: &str) -> Vec<TokenId> {
        let options = yard_llm::EncodeOptions { add_special: false, parse_special: false };
        self.tokenizer.encode(text, options)
    }
}

/// The vocabulary of SmolLM2: 49,152 tokens.
fn smollm2() -> &'static Words {
    static WORDS: OnceLock<Words> = OnceLock::new();
    WORDS.get_or_init(|| {
        let path = yard_fixtures::language_model("smollm2-135m-q4_1");
        let file = Gguf::open(&path, &ReadLimits::default()).unwrap();
        Words::of(Tokenizer::from_metadata(file.metadata()).unwrap())
    })
}

fn byte_pairs() -> &'static Words {
    static WORDS: OnceLock<Words> = OnceLock::new();
    WORDS.get_or_init(|| Words::of(Tokenizer::from_metadata(&metadata(BYTE_PAIRS)).unwrap()))
}

fn sentence_pieces() -> &'static Words {
    static WORDS: OnceLock<Words> = OnceLock::new();
    WORDS.get_or_init(|| Words::of(Tokenizer::from_metadata(&metadata(SENTENCE_PIECES)).unwrap()))
}

/// Numbers that look random and are the same in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }
}

fn allowed(mask: AllowedTokens<'_>) -> Vec<TokenId> {
    (0..mask.0.len() as u32 * 32).filter(|token| mask.contains(*token)).collect()
}

/// An answer of random tokens under the masks; none if it did not come to an end. The longer it gets the more it is
/// drawn to what closes strings, lists and objects, as models are.
fn random_answer(words: &Words, constraint: &mut Constraint, chance: &mut Chance) -> Option<String> {
    const LONGEST: usize = 400;
    let ends = words.ends();
    let mut answer = Vec::new();
    for step in 0..LONGEST {
        let possible = allowed(constraint.mask().unwrap());
        assert!(!possible.is_empty());
        let rank = |token: &TokenId| words.closing[*token as usize];
        let best = possible.iter().map(rank).max().unwrap();
        let closing: Vec<TokenId> =
            possible.iter().copied().filter(|token| best > 0 && rank(token) == best).collect();
        let choices = if !closing.is_empty() && chance.next(60) < step + 12 { &closing } else { &possible };
        let ending = choices.iter().copied().find(|token| ends.contains(token));
        let token = match ending {
            Some(end) if chance.next(3) == 0 => end,
            _ => choices[chance.next(choices.len())],
        };
        if ends.contains(&token) {
            assert!(constraint.may_end());
        }
        constraint.accept(token).unwrap();
        if constraint.has_ended() {
            return Some(words.tokenizer.decode(&answer, ControlText::Shown));
        }
        answer.push(token);
    }
    None
}

/// This many answers for a grammar, each checked.
fn check_answers(words: &Words, grammar: &Grammar, count: usize, check: impl Fn(&str)) {
    let mut chance = Chance(7);
    let mut answers = 0;
    for _ in 0..count * 2 {
        let mut constraint = words.constraint(grammar).unwrap();
        if let Some(answer) = random_answer(words, &mut constraint, &mut chance) {
            check(&answer);
            answers += 1;
            if answers == count {
                return;
            }
        }
    }
    panic!("only {answers} of {} answers to {grammar:?} came to an end", count * 2);
}

#[test]
fn when_a_grammar_is_complete_only_the_end_may_follow() {
    for words in [smollm2(), byte_pairs(), sentence_pieces()] {
        let mut constraint = words.constraint(&Grammar::Regex("yes|no".to_owned())).unwrap();
        assert!(!constraint.may_end() && !constraint.is_complete());
        for token in bytes_as_tokens(words, b"no") {
            constraint.accept(token).unwrap();
        }
        assert!(constraint.may_end() && constraint.is_complete() && !constraint.has_ended());
        assert_eq!(allowed(constraint.mask().unwrap()), words.ends());
        assert!(constraint.forced().unwrap().is_empty());
        let refused = constraint.accept(bytes_as_tokens(words, b"n")[0]).unwrap_err();
        assert!(matches!(refused, ConstraintError::Forbidden { .. }));
        constraint.accept(words.ends()[0]).unwrap();
        assert!(constraint.has_ended());
        assert!(constraint.accept(words.ends()[0]).is_err());
    }
}

/// One token for each byte.
fn bytes_as_tokens(words: &Words, bytes: &[u8]) -> Vec<TokenId> {
    let size = words.tokenizer.vocabulary_size() as u32;
    bytes
        .iter()
        .map(|byte| (0..size).find(|token| words.tokenizer.token_bytes(*token) == Some(&[*byte])).unwrap())
        .collect()
}

#[test]
fn a_token_that_is_not_allowed_changes_nothing() {
    let words = smollm2();
    let mut constraint = words.constraint(&Grammar::JsonObject).unwrap();
    let before = allowed(constraint.mask().unwrap());
    for token in [words.tokens("x")[0], words.ends()[0], u32::MAX, words.tokenizer.vocabulary_size() as u32] {
        assert_eq!(constraint.accept(token), Err(ConstraintError::Forbidden { token }));
    }
    assert_eq!(allowed(constraint.mask().unwrap()), before);
    constraint.accept(words.tokens("{")[0]).unwrap();
    constraint.accept(words.tokens("}")[0]).unwrap();
    assert!(constraint.may_end());
}

#[test]
fn control_tokens_are_never_text() {
    let words = byte_pairs();
    let mut constraint = words.constraint(&Grammar::Regex("(.|\n)*".to_owned())).unwrap();
    let possible = allowed(constraint.mask().unwrap());
    assert!(possible.len() > 300);
    let ends = words.ends();
    for token in possible {
        let kind = words.tokenizer.token_kind(token);
        assert!(kind != Some(yard_llm::TokenKind::Control) || ends.contains(&token), "{token} is allowed");
    }
    // Unless a grammar asks for one by its name.
    let mut constraint = words.constraint(&Grammar::Lark("start: <|im_start|> \"a\"".to_owned())).unwrap();
    let possible = allowed(constraint.mask().unwrap());
    assert_eq!(possible.len(), 1);
    assert_eq!(words.tokenizer.token_bytes(possible[0]), Some(&b"<|im_start|>"[..]));
}

#[test]
fn forced_texts_are_cut_as_the_tokenizer_would() {
    let text = "The quick brown fox jumps over the lazy dog.";
    for words in [smollm2(), byte_pairs()] {
        let mut constraint = words.constraint(&Grammar::Lark(format!("start: \"{text}\""))).unwrap();
        let mut answer = Vec::new();
        while !constraint.is_complete() {
            let forced = constraint.forced().unwrap();
            let next = match forced.first() {
                Some(_) => forced,
                None => allowed(constraint.mask().unwrap())[..1].to_vec(),
            };
            for token in next {
                assert!(constraint.mask().unwrap().contains(token));
                constraint.accept(token).unwrap();
                answer.push(token);
            }
        }
        assert_eq!(words.tokenizer.decode(&answer, ControlText::Shown), text);
        let expected = words.tokens(text);
        // How the last word is cut is left open: something might have followed.
        assert_eq!(answer[..expected.len() - 2], expected[..expected.len() - 2]);
    }
}

#[test]
fn masks_are_computed_on_any_thread() {
    let words = smollm2();
    let mut constraint = words.constraint(&Grammar::JsonObject).unwrap();
    let here = allowed(constraint.mask().unwrap());
    let mut other = words.constraint(&Grammar::JsonObject).unwrap();
    let mut other = std::thread::spawn(move || {
        other.mask().unwrap();
        other
    })
    .join()
    .unwrap();
    assert_eq!(allowed(other.mask().unwrap()), here);
}

#[test]
fn a_vocabulary_without_an_end_is_refused() {
    let mut changed = Metadata::default();
    for (key, value) in metadata(BYTE_PAIRS).iter() {
        if !key.ends_with("_token_id") {
            changed.set(key, value.clone()).unwrap();
        }
    }
    // No token is more than text: none is known to end an answer.
    let kinds: Vec<i32> =
        changed.required::<&[i32]>("tokenizer.ggml.token_type").unwrap().iter().map(|_| 1).collect();
    changed.set("tokenizer.ggml.token_type", kinds).unwrap();
    let tokenizer = Arc::new(Tokenizer::from_metadata(&changed).unwrap());
    let refused = ConstraintVocabulary::new(&tokenizer).unwrap_err();
    assert!(matches!(refused, ConstraintError::Vocabulary { .. }), "{refused}");
}

/// The median of what a mask takes, and the longest.
fn mask_times(words: &Words, grammar: &Grammar, answers: usize) -> (Duration, Duration) {
    let mut chance = Chance(3);
    let mut times = Vec::new();
    for _ in 0..answers {
        let mut constraint = words.constraint(grammar).unwrap();
        for _ in 0..60 {
            let started = Instant::now();
            let possible = allowed_after(&mut constraint, started, &mut times);
            let token = possible[chance.next(possible.len())];
            constraint.accept(token).unwrap();
            if constraint.has_ended() {
                break;
            }
        }
    }
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() - 1])
}

fn allowed_after(constraint: &mut Constraint, started: Instant, times: &mut Vec<Duration>) -> Vec<TokenId> {
    let mask = constraint.mask().unwrap();
    times.push(started.elapsed());
    allowed(mask)
}

#[test]
fn a_mask_over_a_real_vocabulary_takes_less_than_a_step_of_a_model() {
    for (name, schema) in schemas::SCHEMAS {
        let started = Instant::now();
        smollm2().constraint(&Grammar::JsonSchema(schema.to_owned())).unwrap();
        let first = started.elapsed();
        let (median, longest) = mask_times(smollm2(), &Grammar::JsonSchema(schema.to_owned()), 2);
        eprintln!("{name}: ready after {first:?}, mask {median:?}, longest {longest:?}");
        assert!(median < Duration::from_millis(20), "{name}: {median:?}");
    }
}
