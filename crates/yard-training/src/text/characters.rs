//! Which characters make words.
//!
//! The table is our own and frozen: classes of Unicode grow with each of its versions, and the engine that serves the
//! model has another version than the program that trains it. As written here, both split every text alike.

use std::fmt::Write as _;

/// Characters that are a word each: marks that say something, pictures, and scripts that write no spaces between words.
const ALONE: [(u32, u32); 21] = [
    (0x21, 0x21),     // !
    (0x24, 0x25),     // $ %
    (0x3F, 0x3F),     // ?
    (0xA3, 0xA3),     // pound
    (0xA5, 0xA5),     // yen
    (0x20AC, 0x20AC), // euro
    (0x2600, 0x27BF), // symbols and dingbats
    (0x3005, 0x3007), // ideographic iteration, closing and zero
    (0x3021, 0x302F),
    (0x3031, 0x303C),
    (0x3041, 0x309F), // hiragana
    (0x30A1, 0x30FA), // katakana
    (0x30FC, 0x30FF),
    (0x3105, 0x312F), // bopomofo
    (0x31A0, 0x31BF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF), // ideographs
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x1F000, 0x1FAFF), // emoji
    (0x20000, 0x3FFFF), // ideographs
];

/// Characters beyond ASCII that stand between words.
const BETWEEN: [(u32, u32); 52] = [
    (0x80, 0xA2),
    (0xA4, 0xA4),
    (0xA6, 0xA9),
    (0xAB, 0xB1),
    (0xB4, 0xB4),
    (0xB6, 0xB8),
    (0xBB, 0xBB),
    (0xBF, 0xBF),
    (0xD7, 0xD7),
    (0xF7, 0xF7),
    (0x37E, 0x37E), // Greek
    (0x387, 0x387),
    (0x55A, 0x55F), // Armenian
    (0x589, 0x58F),
    (0x5BE, 0x5BE), // Hebrew
    (0x5C0, 0x5C0),
    (0x5C3, 0x5C3),
    (0x5C6, 0x5C6),
    (0x5F3, 0x5F4),
    (0x600, 0x60F), // Arabic
    (0x61B, 0x61F),
    (0x66A, 0x66D),
    (0x6D4, 0x6D4),
    (0x6DD, 0x6DE),
    (0x700, 0x70F), // Syriac
    (0x964, 0x965), // Devanagari and its relatives
    (0x970, 0x970),
    (0xE3F, 0xE3F), // Thai
    (0xE4F, 0xE4F),
    (0xE5A, 0xE5B),
    (0xF01, 0xF17), // Tibetan
    (0xF3A, 0xF3D),
    (0x104A, 0x104F), // Myanmar
    (0x10FB, 0x10FB), // Georgian
    (0x1360, 0x1368), // Ethiopic
    (0x1680, 0x1680), // Ogham
    (0x16EB, 0x16ED), // runes
    (0x17D4, 0x17DB), // Khmer
    (0x1800, 0x180A), // Mongolian
    (0x180E, 0x180E),
    (0x2000, 0x206F), // spaces, dashes, quotation marks, joiners
    (0x20A0, 0x20AB), // currencies
    (0x20AD, 0x20CF),
    (0x2190, 0x25FF), // arrows, operators, boxes
    (0x27C0, 0x2BFF),
    (0x2E00, 0x2E7F), // punctuation
    (0x2FF0, 0x3004), // punctuation of East Asia
    (0x3008, 0x3020),
    (0x3030, 0x3030),
    (0x303D, 0x3040),
    (0x30A0, 0x30A0),
    (0x30FB, 0x30FB),
];

/// The same, where characters have two widths or are no characters.
const BETWEEN_FORMS: [(u32, u32); 9] = [
    // Halves of pairs and what everybody may use for his own.
    (0xD800, 0xF8FF),
    (0xFE00, 0xFE1F),
    (0xFE30, 0xFE6F),
    (0xFEFF, 0xFEFF),
    (0xFF00, 0xFF0F),
    (0xFF1A, 0xFF20),
    (0xFF3B, 0xFF40),
    (0xFF5B, 0xFF65),
    (0xFFE0, 0xFFFF),
];
/// Beyond this nothing is written.
const LAST: u32 = 0x3_FFFF;

/// What a character is to a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Character {
    /// Part of it.
    Inside,
    /// A word of its own.
    Alone,
    /// No part of any.
    Between,
}

pub(super) fn kind(character: char) -> Character {
    let code = character as u32;
    let holds = |ranges: &[(u32, u32)]| {
        let after = ranges.partition_point(|(first, _)| *first <= code);
        after > 0 && code <= ranges[after - 1].1
    };
    if holds(&ALONE) {
        return Character::Alone;
    }
    let is_between = match code {
        0..0x80 => !character.is_ascii_alphanumeric(),
        _ => code > LAST || holds(&BETWEEN) || holds(&BETWEEN_FORMS),
    };
    if is_between { Character::Between } else { Character::Inside }
}

/// The same as a regular expression: what matches, leftmost and longest, is a word.
pub(super) fn pattern() -> String {
    let mut outside: Vec<(u32, u32)> = [&ALONE[..], &BETWEEN, &BETWEEN_FORMS].concat();
    outside.retain(|(first, _)| *first >= 0x80);
    outside.sort_unstable();
    let mut inside = vec![(0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)];
    let mut next = 0x80;
    for (first, last) in outside {
        if next < first {
            inside.push((next, first - 1));
        }
        next = last + 1;
    }
    if next <= LAST {
        inside.push((next, LAST));
    }
    format!("[{}]+|[{}]", class(&inside), class(&ALONE))
}

fn class(ranges: &[(u32, u32)]) -> String {
    let mut text = String::new();
    for (first, last) in ranges {
        write!(text, "\\x{{{first:X}}}-\\x{{{last:X}}}").expect("writing to a text cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_digits_of_living_scripts_are_inside_of_words() {
        for text in [
            "azAZ09",
            "äöüßéñ",
            "жЯ",
            "αΩ",
            "שלום",
            "سلام",
            "हिन्दी",
            "ไทย",
            "한국어",
            "ạ",
            "ſ",
            "ª",
            "\u{301}",
        ] {
            for character in text.chars() {
                assert_eq!(kind(character), Character::Inside, "{character:?} of {text}");
            }
        }
    }

    #[test]
    fn spaces_and_punctuation_are_between_words_and_some_marks_are_words() {
        for character in
            " \t\n\r\0.,;:-_'\"()[]{}<>/\\|@#&*+=^`~\u{A0}\u{2014}\u{201C}\u{2026}\u{3002}\u{FF0C}\u{FEFF}«»¿"
                .chars()
        {
            assert_eq!(kind(character), Character::Between, "{character:?}");
        }
        for character in "!?$%£€世界のカ\u{1F600}☀".chars() {
            assert_eq!(kind(character), Character::Alone, "{character:?}");
        }
    }

    #[test]
    fn tables_are_in_order_and_apart() {
        for table in [&ALONE[..], &BETWEEN, &BETWEEN_FORMS] {
            assert!(table.iter().all(|(first, last)| first <= last));
            assert!(table.windows(2).all(|pair| pair[0].1 < pair[1].0), "{table:X?}");
        }
        let mut all = [&ALONE[..], &BETWEEN, &BETWEEN_FORMS].concat();
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0].1 < pair[1].0), "{all:X?}");
    }
}
