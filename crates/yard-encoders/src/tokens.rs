//! Texts in tokens.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokenizers::{Encoding, PostProcessor as _, Tokenizer, TruncationDirection};
use yard_engine::LoadError;

use crate::{
    EncoderError,
    files::{Found, unusable},
};

/// What tokens that fill up rows are called, where the file does not say.
const PADDING: [&str; 2] = ["[PAD]", "<pad>"];

/// How many bytes of a text are read for each token that the model reads. Words are much shorter; spaces and words without
/// end can be as long as they like.
const BYTES_PER_TOKEN: usize = 256;
/// So many bytes are read at least. Of one-letter words a tokenizer takes some 170 times as much memory as the text.
const LEAST_BYTES: usize = 64 << 10;

/// The tokens of a text or a pair of texts; there is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    pub(crate) ids: Vec<u32>,
    /// Which text of a pair each belongs to.
    pub(crate) types: Vec<u32>,
}

/// The tokens of a query, which were made once for all the documents that stand beside it.
#[derive(Debug, Clone)]
pub struct Query {
    encoding: Encoding,
}

/// A `tokenizer.json`.
#[derive(Debug)]
pub(crate) struct TextTokenizer {
    inner: Tokenizer,
    /// The token that fills up rows.
    pub(crate) padding: u32,
    /// How many tokens a text may have.
    pub(crate) longest: usize,
}

impl Tokens {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.ids.len()
    }

    /// So many tokens: these over and over.
    pub(crate) fn repeated(&self, count: usize) -> Self {
        let filled = |values: &[u32]| values.iter().copied().cycle().take(count).collect();
        Self { ids: filled(&self.ids), types: filled(&self.types) }
    }

    fn of(encoding: &Encoding) -> Result<Self, EncoderError> {
        if encoding.get_ids().is_empty() {
            return Err(EncoderError::Empty);
        }
        Ok(Self { ids: encoding.get_ids().to_vec(), types: encoding.get_type_ids().to_vec() })
    }
}

impl TextTokenizer {
    pub(crate) fn open(found: &Found, longest: usize) -> Result<Self, LoadError> {
        let refused = |reason: String| unusable(&found.path, reason);
        let read = catch_unwind(AssertUnwindSafe(|| Tokenizer::from_bytes(&found.bytes)));
        let mut inner = match read {
            Ok(Ok(tokenizer)) => tokenizer,
            Ok(Err(error)) => return Err(refused(format!("it is no tokenizer: {error}"))),
            Err(_) => return Err(refused("it is no tokenizer".to_owned())),
        };
        let named = || PADDING.iter().find_map(|name| inner.token_to_id(name));
        let padding = inner.get_padding().map(|padding| padding.pad_id).or_else(named).unwrap_or(0);
        // Rows are cut and filled up here, where the lengths of the others are known.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| refused(error.to_string()))?;
        // Texts of control tokens that somebody writes are texts.
        inner.set_encode_special_tokens(true);
        let tokenizer = Self { inner, padding, longest };
        let added = tokenizer.added(true);
        if added + 2 > longest {
            return Err(refused(format!(
                "it adds {added} tokens to a pair of texts, and the model reads at most {longest}"
            )));
        }
        Ok(tokenizer)
    }

    /// The tokens of a text, with those that begin and end it; one that is too long is cut off if `truncate` says so.
    pub(crate) fn text(&self, text: &str, truncate: bool) -> Result<Tokens, EncoderError> {
        guarded(|| {
            let mut encoding = self.encode(self.readable(text, truncate)?)?;
            let added = self.added(false);
            if encoding.len() + added > self.longest {
                if !truncate {
                    return Err(self.too_long(encoding.len() + added));
                }
                cut(&mut encoding, self.longest.saturating_sub(added));
            }
            self.finish(encoding, None)
        })
    }

    /// The tokens of a query, which leaves room for a document beside it. It is never cut off.
    pub(crate) fn query(&self, query: &str) -> Result<Query, EncoderError> {
        guarded(|| {
            let encoding = self.encode(self.readable(query, false)?)?;
            let tokens = encoding.len();
            if tokens + self.added(true) >= self.longest {
                return Err(EncoderError::NoRoom { tokens, longest: self.longest });
            }
            Ok(Query { encoding })
        })
    }

    /// The tokens of a query with a document beside it; of these the document is cut off.
    pub(crate) fn pair(&self, query: &Query, document: &str, truncate: bool) -> Result<Tokens, EncoderError> {
        guarded(|| {
            let query = query.encoding.clone();
            let mut document = self.encode(self.readable(document, truncate)?)?;
            let before = query.len() + self.added(true);
            if before + document.len() > self.longest {
                if !truncate {
                    return Err(self.too_long(before + document.len()));
                }
                cut(&mut document, self.longest.saturating_sub(before));
            }
            self.finish(query, Some(document))
        })
    }

    /// Tokens that the caller has made.
    pub(crate) fn numbers(&self, mut ids: Vec<u32>, truncate: bool) -> Result<Tokens, EncoderError> {
        if ids.is_empty() {
            return Err(EncoderError::Empty);
        }
        if ids.len() > self.longest {
            if !truncate {
                return Err(self.too_long(ids.len()));
            }
            ids.truncate(self.longest);
        }
        if let Some(token) = ids.iter().find(|id| self.inner.id_to_token(**id).is_none()) {
            return Err(EncoderError::UnknownToken { token: *token });
        }
        let types = vec![0; ids.len()];
        Ok(Tokens { ids, types })
    }

    /// How many tokens begin and end a text or a pair.
    fn added(&self, is_pair: bool) -> usize {
        self.inner.get_post_processor().map_or(0, |processor| processor.added_tokens(is_pair))
    }

    /// As much of a text as is read: all of it, or its beginning if `truncate` says so. Making tokens takes many times the
    /// memory of the text, and how many there are is not known before.
    fn readable<'text>(&self, text: &'text str, truncate: bool) -> Result<&'text str, EncoderError> {
        let most = self.longest.saturating_mul(BYTES_PER_TOKEN).max(LEAST_BYTES);
        if text.len() <= most {
            return Ok(text);
        }
        if !truncate {
            return Err(EncoderError::TooManyBytes { bytes: text.len(), most });
        }
        Ok(&text[..text.floor_char_boundary(most)])
    }

    fn encode(&self, text: &str) -> Result<Encoding, EncoderError> {
        self.inner.encode(text, false).map_err(unreadable)
    }

    fn finish(&self, first: Encoding, second: Option<Encoding>) -> Result<Tokens, EncoderError> {
        Tokens::of(&self.inner.post_process(first, second, true).map_err(unreadable)?)
    }

    const fn too_long(&self, tokens: usize) -> EncoderError {
        EncoderError::TooLong { tokens, longest: self.longest }
    }
}

/// Keeps the first tokens, at least one.
fn cut(encoding: &mut Encoding, most: usize) {
    encoding.truncate(most.max(1), 0, TruncationDirection::Right);
    // What was cut off is kept there, and nobody wants it.
    drop(encoding.take_overflowing());
}

/// A file may hold what its reader never expected.
fn guarded<T>(read: impl FnOnce() -> Result<T, EncoderError>) -> Result<T, EncoderError> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(EncoderError::Unreadable("the tokenizer broke down".to_owned())))
}

fn unreadable(error: Box<dyn std::error::Error + Send + Sync>) -> EncoderError {
    EncoderError::Unreadable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TOKENIZER_FILE, tokenizer};

    #[test]
    fn a_text_gets_the_tokens_that_begin_and_end_it() {
        let tokens = tokenizer(16).text("The CAT sits!", false).unwrap();
        assert_eq!(tokens.ids, [2, 4, 5, 6, 7, 9, 3]);
        assert_eq!(tokens.types, [0; 7]);
        assert_eq!(tokenizer(16).text("unheard", false).unwrap().ids, [2, 1, 3]);
        assert_eq!(tokenizer(16).text("", false).unwrap().ids, [2, 3]);
    }

    #[test]
    fn the_second_of_a_pair_is_told_from_the_first() {
        let tokenizer = tokenizer(16);
        let query = tokenizer.query("the cat").unwrap();
        let tokens = tokenizer.pair(&query, "a dog", false).unwrap();
        assert_eq!(tokens.ids, [2, 4, 5, 3, 10, 8, 3]);
        assert_eq!(tokens.types, [0, 0, 0, 0, 1, 1, 1]);
        let again = tokenizer.pair(&query, "dog", false).unwrap();
        assert_eq!(again.ids, [2, 4, 5, 3, 8, 3], "the query serves all documents");
    }

    #[test]
    fn control_tokens_in_texts_are_texts() {
        let tokens = tokenizer(16).text("cat [SEP] dog", false).unwrap();
        assert_eq!(tokens.ids.iter().filter(|id| **id == 3).count(), 1, "{tokens:?}");
    }

    #[test]
    fn a_text_that_is_too_long_is_refused_with_both_lengths_or_cut() {
        let small = tokenizer(6);
        let text = "the cat the cat the dog";
        let error = small.text(text, false).unwrap_err();
        assert_eq!(error, EncoderError::TooLong { tokens: 8, longest: 6 });
        assert_eq!(small.text(text, true).unwrap().ids, [2, 4, 5, 4, 5, 3]);
        let query = small.query("the").unwrap();
        assert_eq!(small.pair(&query, "cat dog cat", true).unwrap().ids, [2, 4, 3, 5, 8, 3]);
        let no_room = small.query("the cat the").unwrap_err();
        assert_eq!(no_room, EncoderError::NoRoom { tokens: 3, longest: 6 });
    }

    #[test]
    fn of_a_text_without_end_only_the_beginning_is_read() {
        let small = tokenizer(6);
        let refused = |bytes: usize| -> Result<Tokens, EncoderError> {
            Err(EncoderError::TooManyBytes { bytes, most: LEAST_BYTES })
        };
        // An odd number of bytes before letters of two, so that the limit falls into one.
        let endless = format!("!{}", "é".repeat(LEAST_BYTES));
        assert_eq!(small.text(&endless, false), refused(endless.len()));
        assert_eq!(small.text(&endless, true).unwrap().ids, [2, 9, 1, 3]);
        let query = small.query("the").unwrap();
        assert_eq!(small.pair(&query, &endless, false), refused(endless.len()));
        assert_eq!(small.pair(&query, &endless, true).unwrap().ids, [2, 4, 3, 9, 1, 3]);
        assert_eq!(small.query(&endless).map(drop), refused(endless.len()).map(drop));
        assert_eq!(small.text(&" ".repeat(LEAST_BYTES), false).unwrap().ids, [2, 3], "as many as are read");
        let long = tokenizer(512);
        let most = 512 * BYTES_PER_TOKEN;
        let longer = " ".repeat(most + 1);
        assert!(long.text(&longer[..most], false).is_ok());
        assert_eq!(long.text(&longer, false), Err(EncoderError::TooManyBytes { bytes: most + 1, most }));
    }

    #[test]
    fn tokens_can_be_repeated() {
        let tokens = Tokens { ids: vec![2, 4, 3], types: vec![0, 0, 1] };
        let expected = Tokens { ids: vec![2, 4, 3, 2, 4], types: vec![0, 0, 1, 0, 0] };
        assert_eq!(tokens.repeated(5), expected);
    }

    #[test]
    fn numbers_must_be_those_of_tokens() {
        let small = tokenizer(6);
        assert_eq!(small.numbers(vec![2, 4, 3], false).unwrap().ids, [2, 4, 3]);
        assert_eq!(small.numbers(vec![99], false), Err(EncoderError::UnknownToken { token: 99 }));
        assert_eq!(small.numbers(vec![4; 9], true).unwrap().count(), 6);
        assert_eq!(small.numbers(vec![4; 9], false), Err(EncoderError::TooLong { tokens: 9, longest: 6 }));
    }

    #[test]
    fn a_broken_file_is_refused_with_its_name() {
        for bytes in [&b"{"[..], b"{}", b"[]", b"\xff", &TOKENIZER_FILE.as_bytes()[..200]] {
            let found = Found { path: "tokenizer.json".to_owned(), bytes: bytes.to_vec() };
            let error = TextTokenizer::open(&found, 16).unwrap_err().to_string();
            assert!(error.contains("'tokenizer.json' cannot be used"), "{error}");
        }
        let found = Found { path: "tokenizer.json".to_owned(), bytes: TOKENIZER_FILE.into() };
        assert!(TextTokenizer::open(&found, 4).unwrap_err().to_string().contains("at most 4"));
    }
}
