//! What a field of a text file holds: nothing, a number or a word.

use super::hash::{hash_bytes, hash_number};
use crate::typed::cell::{NumberCell, number};

/// One field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell {
    Missing,
    /// Infinities included.
    Number(f64),
    Word,
}

/// As the reader of typed columns takes it.
pub(super) fn cell_of(text: &str) -> Cell {
    match number(text) {
        NumberCell::Missing => Cell::Missing,
        NumberCell::Number(number) => Cell::Number(number),
        NumberCell::Other => Cell::Word,
    }
}

/// `1`, `1.0` and the number 1 are one value, while `01` is a code of its own and so is all that a double would round.
pub(super) fn hash_of(text: &str, cell: Cell) -> u64 {
    let digits = text.trim_start_matches('-').as_bytes();
    let is_code = matches!(digits, [b'0', b'0'..=b'9', ..] | [b'+', ..]) || digits.len() > 15;
    match cell {
        Cell::Number(number) if !is_code => hash_number(number),
        _ => hash_bytes(text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_apart() {
        let cases = [
            ("", Cell::Missing),
            ("  ", Cell::Missing),
            ("NaN", Cell::Missing),
            ("-0.5", Cell::Number(-0.5)),
            (" 7 ", Cell::Number(7.0)),
            ("1e3", Cell::Number(1000.0)),
            ("-inf", Cell::Number(f64::NEG_INFINITY)),
            ("1,5", Cell::Word),
            ("none", Cell::Word),
            ("2024-05-01", Cell::Word),
            ("rot", Cell::Word),
        ];
        for (text, expected) in cases {
            assert_eq!(cell_of(text), expected, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_one_value_however_written_and_codes_are_not() {
        let hash = |text: &str| hash_of(text, cell_of(text));
        assert_eq!(hash("1"), hash("1.0"));
        assert_ne!(hash("1"), hash("01"));
        assert_ne!(hash("9007199254740993"), hash("9007199254740992"));
        assert_eq!(hash("0"), hash("0.0"));
    }
}
