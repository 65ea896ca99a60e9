//! Where a word ends. The expressions that models were trained with, as one machine with switches: each character is
//! looked at a bounded number of times, whatever the text is, which no engine for expressions with look-ahead promises.

use crate::tokenizer::characters::{
    Classes, LETTER, MARK, NEWLINE, NOT_CAPITAL, NOT_SMALL, NUMBER, SPACE, classes_of,
};

/// What makes up a word. The first that fits is taken: a contraction, letters, numbers, symbols, white space.
#[derive(Debug, Clone, Copy)]
pub(in crate::tokenizer) struct Pattern {
    /// Every digit is a word, and to all other rules the text ends before it.
    pub(super) digits_apart: bool,
    pub(super) contractions: Contractions,
    pub(super) letters: Letters,
    pub(super) numbers: Numbers,
    /// Marks continue words of letters, and are no symbols.
    pub(super) marks_are_letters: bool,
    pub(super) symbol_tail: SymbolTail,
    /// White space with newlines in it ends behind the last of them.
    pub(super) newlines_end_words: bool,
}

/// Endings such as `'ll` that are words of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contractions {
    None,
    Small,
    AnyCase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Letters {
    /// With a space before them.
    BehindSpace,
    /// With one character before them that is no letter, number or newline.
    BehindAnything,
    /// As before, and a capital behind a small letter begins a new word. Endings such as `'ll` may belong to the word.
    CamelCase { contractions: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    /// All digits, with a space before them.
    BehindSpace,
    /// So many digits.
    UpTo(usize),
}

/// What may follow symbols in the same word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SymbolTail {
    Nothing,
    Newlines,
    NewlinesAndSlashes,
}

/// A text and what is to be seen of it.
#[derive(Clone, Copy)]
struct View<'a> {
    text: &'a str,
    /// Whether it ends before a number.
    until_number: bool,
}

impl Pattern {
    /// Where the first word of `text` ends: never at 0. `text` must not be empty.
    pub(in crate::tokenizer) fn word_end(&self, text: &str) -> usize {
        let first = text.chars().next().map_or(0, char::len_utf8);
        let view = View { text, until_number: self.digits_apart };
        if view.step(0) == 0 {
            return first;
        }
        self.contraction(view)
            .or_else(|| self.letters(view))
            .or_else(|| self.numbers(view))
            .or_else(|| self.symbols(view))
            .or_else(|| self.white_space(view))
            .unwrap_or(first)
    }

    fn contraction(&self, view: View<'_>) -> Option<usize> {
        contraction(view.text, self.contractions)
    }

    fn letters(&self, view: View<'_>) -> Option<usize> {
        let letters = if self.marks_are_letters { LETTER | MARK } else { LETTER };
        match self.letters {
            Letters::BehindSpace => view.run_from(view.behind_space(), letters),
            Letters::BehindAnything => view
                .run_from(0, letters)
                .or_else(|| view.run_from(view.behind_any_but(LETTER | NUMBER | NEWLINE)?, letters)),
            Letters::CamelCase { contractions } => {
                let end = camel_case(view)?;
                let of = if contractions { Contractions::AnyCase } else { Contractions::None };
                Some(end + contraction(&view.text[end..], of).unwrap_or(0))
            }
        }
    }

    fn numbers(&self, view: View<'_>) -> Option<usize> {
        match self.numbers {
            Numbers::BehindSpace => view.run_from(view.behind_space(), NUMBER),
            Numbers::UpTo(most) => {
                let mut end = 0;
                for _ in 0..most {
                    if view.classes(end) & NUMBER == 0 {
                        break;
                    }
                    end += view.step(end);
                }
                (end > 0).then_some(end)
            }
        }
    }

    fn symbols(&self, view: View<'_>) -> Option<usize> {
        let others =
            if self.marks_are_letters { LETTER | MARK | NUMBER | SPACE } else { LETTER | NUMBER | SPACE };
        let start = view.behind_space();
        let mut end = start;
        while view.step(end) > 0 && view.classes(end) & others == 0 {
            end += view.step(end);
        }
        if end == start {
            return None;
        }
        let tail = view.text[end..].bytes().take_while(|byte| match self.symbol_tail {
            SymbolTail::Nothing => false,
            SymbolTail::Newlines => matches!(byte, b'\r' | b'\n'),
            SymbolTail::NewlinesAndSlashes => matches!(byte, b'\r' | b'\n' | b'/'),
        });
        Some(end + tail.count())
    }

    fn white_space(&self, view: View<'_>) -> Option<usize> {
        let mut end = 0;
        let mut last = 0;
        let mut behind_newline = None;
        while view.classes(end) & SPACE != 0 {
            last = end;
            end += view.step(end);
            if view.classes(last) & NEWLINE != 0 {
                behind_newline = Some(end);
            }
        }
        match behind_newline {
            Some(behind) if self.newlines_end_words => Some(behind),
            _ if end == 0 => None,
            // The last space goes with the word behind it.
            _ if last > 0 && view.step(end) > 0 => Some(last),
            _ => Some(end),
        }
    }
}

impl View<'_> {
    /// The classes of the character at `at`: none at the end.
    fn classes(&self, at: usize) -> Classes {
        let Some(character) = self.text[at..].chars().next() else { return 0 };
        let classes = classes_of(character);
        if self.until_number && classes & NUMBER != 0 { 0 } else { classes }
    }

    /// The length of the character at `at`: 0 at the end.
    fn step(&self, at: usize) -> usize {
        let Some(character) = self.text[at..].chars().next() else { return 0 };
        if self.until_number && classes_of(character) & NUMBER != 0 { 0 } else { character.len_utf8() }
    }

    fn behind_space(&self) -> usize {
        usize::from(self.text.starts_with(' '))
    }

    /// Behind the first character, unless it is one of these.
    fn behind_any_but(&self, classes: Classes) -> Option<usize> {
        (self.classes(0) & classes == 0).then(|| self.step(0))
    }

    /// Where the characters of these classes end that begin at `start`, if there are any.
    fn run_from(&self, start: usize, classes: Classes) -> Option<usize> {
        let end = self.run(start, classes);
        (end > start).then_some(end)
    }

    fn run(&self, start: usize, classes: Classes) -> usize {
        let mut end = start;
        while self.classes(end) & classes != 0 {
            end += self.step(end);
        }
        end
    }
}

/// Capitals, then small letters: at least one of either, the second if it can be. One character that is no letter,
/// number or newline may stand before them.
fn camel_case(view: View<'_>) -> Option<usize> {
    let starts = [view.behind_any_but(LETTER | NUMBER | NEWLINE), Some(0)];
    let starts = || starts.into_iter().flatten();
    starts()
        .find_map(|start| ends_small(view, start))
        .or_else(|| starts().find_map(|start| view.run_from(start, NOT_SMALL)))
}

/// Where a word from `start` ends that ends with a character which is not capital. Letters without case are neither
/// small nor capital: when none that is not capital follows the first part, the first part's last one ends the word.
fn ends_small(view: View<'_>, start: usize) -> Option<usize> {
    let mut end = start;
    let mut behind_either = None;
    while view.classes(end) & NOT_SMALL != 0 {
        let classes = view.classes(end);
        end += view.step(end);
        if classes & NOT_CAPITAL != 0 {
            behind_either = Some(end);
        }
    }
    view.run_from(end, NOT_CAPITAL).or(behind_either)
}

/// The length of a contraction at the beginning of `text`.
fn contraction(text: &str, kind: Contractions) -> Option<usize> {
    let behind = text.strip_prefix('\'').filter(|_| kind != Contractions::None)?;
    let mut letters = behind.chars().map(|letter| match (kind, letter) {
        // To expressions that ignore case the long s is an s.
        (Contractions::AnyCase, 'ſ') => 's',
        (Contractions::AnyCase, letter) => letter.to_ascii_lowercase(),
        (_, letter) => letter,
    });
    let length = match (letters.next()?, letters.next()) {
        ('s' | 't' | 'm' | 'd', _) => behind.chars().next()?.len_utf8(),
        ('r' | 'v', Some('e')) | ('l', Some('l')) => 2,
        _ => return None,
    };
    Some(1 + length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::tokenizer::pre_tokenizer::{PRE_TOKENIZERS, PreTokenizer};

    fn words<'a>(name: &str, text: &'a str) -> Vec<&'a str> {
        let pattern = &PreTokenizer::named(name).unwrap().pattern;
        let mut words = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (word, behind) = rest.split_at(pattern.word_end(rest));
            words.push(word);
            rest = behind;
        }
        words
    }

    #[test]
    fn texts_are_split_as_the_models_were_trained() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("gpt-2", "I'll go  home\n\n1234!", &["I", "'ll", " go", " ", " home", "\n", "\n", "1234", "!"]),
            ("gpt-2", "I'LL", &["I", "'", "LL"]),
            ("gpt-2", " \t x", &[" \t", " x"]),
            ("smollm", "a  12 b", &["a", "  ", "1", "2", " b"]),
            ("smollm", "it's 5%", &["it", "'s", " ", "5", "%"]),
            ("llama-bpe", "I'LL (go) 12345", &["I", "'LL", " (", "go", ")", " ", "123", "45"]),
            ("llama-bpe", "a \n \n b;\n\n", &["a", " \n \n", " b", ";\n\n"]),
            ("llama-bpe", "\tx\u{a0}y", &["\tx", "\u{a0}y"]),
            ("qwen2", "12 x", &["1", "2", " x"]),
            ("qwen35", "e\u{301}tude", &["e\u{301}tude"]),
            ("qwen2", "e\u{301}tude", &["e", "\u{301}tude"]),
            ("tekken", "HelloWorld a/b;//\n", &["Hello", "World", " a", "/b", ";//\n"]),
            ("tekken", "ABCdef日本X", &["ABCdef日本", "X"]),
            ("gpt-4o", "IT'S don't 1234", &["IT'S", " don't", " ", "123", "4"]),
        ];
        for (name, text, expected) in cases {
            assert_eq!(&words(name, text), expected, "{name}: {text:?}");
        }
    }

    #[test]
    fn a_long_run_of_anything_is_split_in_a_moment() {
        for known in &PRE_TOKENIZERS {
            for unit in ["a", " ", "\n", " \n", "'", "aA", "日A", "!", "9", "\u{301}", "' ", "'l"] {
                let text = unit.repeat((1 << 18) / unit.len());
                let started = std::time::Instant::now();
                words(known.names[0], &text);
                let took = started.elapsed();
                assert!(took.as_secs() < 3, "{} needs {took:?} for {unit:?}", known.names[0]);
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_between_words(text in r"[a-cA-C1-3 '\n\r\t!/日\u{301}ſ]{0,40}") {
            for known in &PRE_TOKENIZERS {
                prop_assert_eq!(words(known.names[0], &text).concat(), text.as_str());
            }
        }
    }
}
