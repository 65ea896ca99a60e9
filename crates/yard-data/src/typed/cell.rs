//! What stands in one field of text.

/// Fields that say "nothing is known". Names that may also be meant (`None`, `-`) are not among them.
const MISSING: [&str; 8] = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "?"];

/// A field read as a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum NumberCell {
    Missing,
    Number(f64),
    Other,
}

/// Reads a field as a number; infinities are numbers here.
pub(crate) fn number(text: &str) -> NumberCell {
    let text = text.trim();
    match text.parse::<f64>() {
        Ok(number) if number.is_nan() => NumberCell::Missing,
        Ok(number) => NumberCell::Number(number),
        Err(_) if MISSING.contains(&text) => NumberCell::Missing,
        Err(_) => NumberCell::Other,
    }
}

/// Reads a field as the name of a category.
pub(crate) fn category(text: &str) -> Option<&str> {
    let text = text.trim();
    if MISSING.contains(&text) { None } else { Some(text) }
}

/// The name of a category that is a number: whole numbers without a point.
pub(crate) fn category_of_number(number: f64) -> Option<String> {
    const EXACT: f64 = 9e15;
    if number.is_nan() {
        None
    } else if number.fract() == 0.0 && number.abs() < EXACT {
        Some((number as i64).to_string())
    } else {
        Some(number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_missing_values_and_other_text_are_told_apart() {
        for text in ["", " ", "NA", "NaN", "nan", "null", "?"] {
            assert_eq!(number(text), NumberCell::Missing, "{text}");
        }
        for (text, expected) in [("1", 1.0), (" -1.5e3 ", -1500.0), ("inf", f64::INFINITY)] {
            assert_eq!(number(text), NumberCell::Number(expected));
        }
        for text in ["1,5", "abc", "1 2", "0x10"] {
            assert_eq!(number(text), NumberCell::Other, "{text}");
        }
    }

    #[test]
    fn categories_made_of_numbers_look_like_those_in_text() {
        assert_eq!(category_of_number(3.0).as_deref(), Some("3"));
        assert_eq!(category_of_number(-0.5).as_deref(), Some("-0.5"));
        assert_eq!(category_of_number(f64::NAN), None);
        assert_eq!(category(" a "), Some("a"));
    }
}
