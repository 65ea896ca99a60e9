//! The classes of characters by which text is split into words.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

/// A set of the classes below.
pub(super) type Classes = u8;

/// Letters (`\p{L}`).
pub(super) const LETTER: Classes = 1;
/// Marks (`\p{M}`).
pub(super) const MARK: Classes = 2;
/// Digits and other numbers (`\p{N}`).
pub(super) const NUMBER: Classes = 4;
/// White space (`\s`).
pub(super) const SPACE: Classes = 8;
/// Carriage return and line feed.
pub(super) const NEWLINE: Classes = 16;
/// What the first part of a word in camel case is made of: no small letters.
pub(super) const NOT_SMALL: Classes = 32;
/// What the second part of a word in camel case is made of: no capital letters.
pub(super) const NOT_CAPITAL: Classes = 64;

const CLASSES: [(&str, Classes); 7] = [
    (r"\p{L}", LETTER),
    (r"\p{M}", MARK),
    (r"\p{N}", NUMBER),
    (r"\s", SPACE),
    (r"[\r\n]", NEWLINE),
    (r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", NOT_SMALL),
    (r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", NOT_CAPITAL),
];

const BLOCK: usize = 256;

/// Each character's classes: a table of blocks of 256, equal blocks kept once.
struct Table {
    /// The block of each 256 characters.
    places: Vec<u16>,
    blocks: Vec<[Classes; BLOCK]>,
}

static TABLE: LazyLock<Table> = LazyLock::new(Table::new);

/// The classes of a character.
pub(super) fn classes_of(character: char) -> Classes {
    let number = character as usize;
    TABLE.blocks[usize::from(TABLE.places[number / BLOCK])][number % BLOCK]
}

impl Table {
    fn new() -> Self {
        let mut all = vec![0; char::MAX as usize + 1];
        for (pattern, class) in CLASSES {
            for (first, last) in ranges(pattern) {
                for classes in &mut all[first as usize..=last as usize] {
                    *classes |= class;
                }
            }
        }
        let mut table = Self { places: Vec::new(), blocks: Vec::new() };
        for block in all.as_chunks::<BLOCK>().0 {
            let place = table.blocks.iter().position(|known| known == block).unwrap_or_else(|| {
                table.blocks.push(*block);
                table.blocks.len() - 1
            });
            table.places.push(u16::try_from(place).expect("there are 4,352 blocks of characters"));
        }
        table
    }
}

fn ranges(pattern: &str) -> Vec<(char, char)> {
    let parsed = regex_syntax::parse(pattern).expect("the patterns are constants that the tests parse");
    match parsed.kind() {
        HirKind::Class(Class::Unicode(class)) => {
            class.ranges().iter().map(|range| (range.start(), range.end())).collect()
        }
        _ => unreachable!("each pattern is one class of characters"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_in_the_classes_that_unicode_gives_them() {
        let cases = [
            ('a', LETTER | NOT_CAPITAL),
            ('É', LETTER | NOT_SMALL),
            ('ǅ', LETTER | NOT_SMALL),
            ('日', LETTER | NOT_SMALL | NOT_CAPITAL),
            ('\u{301}', MARK | NOT_SMALL | NOT_CAPITAL),
            ('7', NUMBER),
            ('½', NUMBER),
            ('ↂ', NUMBER),
            (' ', SPACE),
            ('\u{a0}', SPACE),
            ('\u{3000}', SPACE),
            ('\n', SPACE | NEWLINE),
            ('\r', SPACE | NEWLINE),
            ('\u{85}', SPACE),
            ('\u{200b}', 0),
            ('!', 0),
            ('🦙', 0),
            (char::MAX, 0),
        ];
        for (character, classes) in cases {
            assert_eq!(classes_of(character), classes, "{character:?}");
        }
    }

    #[test]
    fn the_table_is_small() {
        assert!(TABLE.blocks.len() < 300, "{} blocks", TABLE.blocks.len());
    }
}
