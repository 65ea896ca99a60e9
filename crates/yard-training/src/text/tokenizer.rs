//! From a text to numbers of words.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use serde_json::{Map, json};

use super::characters::{Character, kind, pattern};

/// Fills the places after a text's last word.
pub(super) const PADDING: u32 = 0;
/// Every word that is not in the vocabulary.
pub(super) const UNKNOWN: u32 = 1;
/// The number of the most frequent word.
const FIRST_WORD: u32 = 2;

/// The version of the format of `tokenizer.json`.
const FORMAT: u32 = 1;

/// What a tokenizer learns, and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenizerOptions {
    /// Most words that are known; the most frequent are kept.
    pub vocabulary: usize,
    /// How often a word must stand in the texts to be known.
    pub min_count: usize,
    /// Whether capital letters are read as small ones.
    pub lower_case: bool,
    /// Most words of a text; the rest is cut off.
    pub max_tokens: usize,
}

/// Splits texts into words and numbers them.
///
/// A word is a run of letters and digits, or one character that is a word alone. What is done to capital letters of
/// ASCII is a rule; beyond ASCII a table of spellings says which word is meant, because the rule for all of Unicode
/// depends on the machine that serves the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokenizer {
    lower_case: bool,
    max_tokens: usize,
    /// The most frequent first.
    words: Vec<String>,
    /// Each spelling of a known word, capital letters of ASCII made small where the tokenizer does so.
    spellings: BTreeMap<String, u32>,
    numbers: HashMap<String, u32>,
}

impl Tokenizer {
    /// Learns the words of some texts.
    pub fn learn<'text>(texts: impl Iterator<Item = &'text str>, options: &TokenizerOptions) -> Self {
        let lower_case = options.lower_case;
        let mut counts: HashMap<String, u64> = HashMap::new();
        for text in texts {
            for word in words_of(text) {
                let spelling = spelled(word, lower_case);
                match counts.get_mut(&spelling) {
                    Some(count) => *count += 1,
                    None => drop(counts.insert(spelling, 1)),
                }
            }
        }
        // Words as they are meant, with all the spellings that stood in the texts.
        let mut meant: BTreeMap<String, (u64, BTreeSet<String>)> = BTreeMap::new();
        for (spelling, count) in counts {
            let (total, spellings) = meant.entry(folded(&spelling, lower_case)).or_default();
            *total += count;
            spellings.insert(spelling);
        }
        let mut meant: Vec<_> =
            meant.into_iter().filter(|(_, (count, _))| *count >= options.min_count as u64).collect();
        // Stable: equal counts stay in the order of the text.
        meant.sort_by_key(|(_, (count, _))| Reverse(*count));
        meant.truncate(options.vocabulary);

        let mut spellings = BTreeMap::new();
        for (number, (word, (_, found))) in (FIRST_WORD..).zip(&meant) {
            for spelling in found.iter().cloned().chain(likely_spellings(word, lower_case)) {
                spellings.insert(spelling, number);
            }
        }
        let numbers = spellings.iter().map(|(spelling, number)| (spelling.clone(), *number)).collect();
        let words = meant.into_iter().map(|(word, _)| word).collect();
        Self { lower_case, max_tokens: options.max_tokens, words, spellings, numbers }
    }

    /// The numbers of a text's words, none beyond the limit.
    pub fn ids(&self, text: &str) -> Vec<u32> {
        let number = |word: &str| self.numbers.get(&spelled(word, self.lower_case)).copied();
        words_of(text).take(self.max_tokens).map(|word| number(word).unwrap_or(UNKNOWN)).collect()
    }

    /// Whether words are cut off.
    pub fn is_cut(&self, text: &str) -> bool {
        words_of(text).nth(self.max_tokens).is_some()
    }

    /// The known words, the most frequent first.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// How many numbers there are: the known words, the unknown one and padding.
    pub fn size(&self) -> usize {
        self.words.len() + FIRST_WORD as usize
    }

    /// Most words of a text.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    pub(super) fn lower_case(&self) -> bool {
        self.lower_case
    }

    pub(super) fn spellings(&self) -> &BTreeMap<String, u32> {
        &self.spellings
    }

    /// Everything that another program needs to do the same; equal tokenizers give equal texts.
    pub fn to_json(&self) -> String {
        let ids = self.spellings.iter().map(|(spelling, number)| (spelling.clone(), json!(number)));
        let mut json = json!({
            "format": FORMAT,
            "kind": "words",
            "lower_case_ascii": self.lower_case,
            "word_pattern": pattern(),
            "max_tokens": self.max_tokens,
            "padding_id": PADDING,
            "unknown_id": UNKNOWN,
            "ids": ids.collect::<Map<_, _>>(),
        });
        // The order of keys depends on features that other crates may switch on; the file may not.
        json.sort_all_objects();
        format!("{json:#}\n")
    }

    /// The known words, one a line: the first line has the number 2.
    pub fn to_vocabulary(&self) -> String {
        self.words.iter().map(|word| format!("{word}\n")).collect()
    }
}

/// The words of a text in order.
fn words_of(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let begin = rest.find(|character| kind(character) != Character::Between)?;
        rest = &rest[begin..];
        let first = rest.chars().next()?;
        let length = match kind(first) {
            Character::Inside => {
                rest.find(|character| kind(character) != Character::Inside).unwrap_or(rest.len())
            }
            Character::Alone | Character::Between => first.len_utf8(),
        };
        let (word, after) = rest.split_at(length);
        rest = after;
        Some(word)
    })
}

/// A word as the table of spellings has it.
fn spelled(word: &str, lower_case: bool) -> String {
    if lower_case { word.to_ascii_lowercase() } else { word.to_owned() }
}

/// The word that a spelling means.
fn folded(spelling: &str, lower_case: bool) -> String {
    if lower_case && !spelling.is_ascii() { spelling.to_lowercase() } else { spelling.to_owned() }
}

/// How a word is written at the beginning of a sentence and in capitals, whether the texts had it so or not.
fn likely_spellings(word: &str, lower_case: bool) -> Vec<String> {
    if !lower_case || word.is_ascii() {
        return vec![word.to_owned()];
    }
    let mut characters = word.chars();
    let capitalized: String = match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    };
    let capital = |character: char| {
        let mut capitals = character.to_uppercase();
        match (capitals.next(), capitals.next()) {
            (Some(capital), None) => capital,
            // That of ß is two letters; whoever writes in capitals and means ß often leaves it.
            _ => character,
        }
    };
    let capitals = word.chars().map(capital).collect();
    let mut spellings = vec![word.to_owned(), capitalized, capitals];
    spellings.iter_mut().for_each(|spelling| *spelling = spelled(spelling, true));
    // Capitals do not always lead back, and then may be of another word.
    spellings.retain(|spelling| spelling.to_lowercase() == word);
    spellings
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn options() -> TokenizerOptions {
        TokenizerOptions { vocabulary: 100, min_count: 1, lower_case: true, max_tokens: 6 }
    }

    #[track_caller]
    fn check_words(text: &str, expected: &[&str]) {
        assert_eq!(words_of(text).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_text_is_split_into_runs_of_letters_and_marks_that_stand_alone() {
        check_words("Hello, world!! It's 3% off", &["Hello", "world", "!", "!", "It", "s", "3", "%", "off"]);
        check_words("Größe: Ωmega — ЖУК", &["Größe", "Ωmega", "ЖУК"]);
        check_words("漢字ab カ", &["漢", "字", "ab", "カ"]);
        check_words("", &[]);
        check_words(" \n--\t", &[]);
    }

    #[test]
    fn the_most_frequent_words_are_kept_and_equal_ones_in_the_order_of_the_text() {
        let texts = ["b c a", "b A d", "e"];
        let learn = |vocabulary, min_count| {
            Tokenizer::learn(texts.into_iter(), &TokenizerOptions { vocabulary, min_count, ..options() })
        };
        assert_eq!(learn(100, 1).words(), ["a", "b", "c", "d", "e"]);
        assert_eq!(learn(3, 1).words(), ["a", "b", "c"]);
        assert_eq!(learn(100, 2).words(), ["a", "b"]);
        assert_eq!(learn(100, 2).size(), 4);
        assert_eq!(learn(100, 2).ids("B x a"), [3, 1, 2]);
        assert_eq!(learn(100, 3).words(), [""; 0]);
    }

    #[test]
    fn the_rest_of_a_long_text_is_cut_off_and_an_empty_one_has_no_words() {
        let tokenizer = Tokenizer::learn(["a b c d e f g"].into_iter(), &options());
        assert_eq!(tokenizer.ids("a b c d e f g"), [2, 3, 4, 5, 6, 7]);
        assert!(tokenizer.is_cut("a b c d e f g") && !tokenizer.is_cut("a b c d e f ..."));
        assert_eq!(tokenizer.ids(""), [0; 0]);
    }

    #[test]
    fn capital_letters_are_read_as_small_ones_where_that_is_asked_for() {
        let texts = ["straße größe ÉCOLE cafe"];
        let tokenizer = Tokenizer::learn(texts.into_iter(), &options());
        assert_eq!(tokenizer.words(), ["cafe", "größe", "straße", "école"]);
        assert_eq!(tokenizer.ids("CaFe Größe GRÖSSE GRÖßE École"), [2, 3, UNKNOWN, 3, 5]);
        assert_eq!(tokenizer.ids("strasse école"), [UNKNOWN, 5]);
        let exact = Tokenizer::learn(texts.into_iter(), &TokenizerOptions { lower_case: false, ..options() });
        assert_eq!(exact.ids("cafe Cafe ÉCOLE école"), [2, UNKNOWN, 5, UNKNOWN]);
    }

    #[test]
    fn files_say_what_the_tokenizer_does() {
        let tokenizer = Tokenizer::learn(["b a b Ä"].into_iter(), &options());
        assert_eq!(tokenizer.to_vocabulary(), "b\na\nä\n");
        let json: Value = serde_json::from_str(&tokenizer.to_json()).unwrap();
        assert_eq!(json["ids"], json!({"b": 2, "a": 3, "ä": 4, "Ä": 4}));
        assert_eq!((&json["padding_id"], &json["max_tokens"]), (&json!(0), &json!(6)));
        assert!(json["word_pattern"].as_str().unwrap().starts_with("[\\x{30}-\\x{39}"));
    }
}
