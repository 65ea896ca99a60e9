//! Numbers and names as people read them.

use crate::statistics::ColumnStatistics;

/// A count with its thousands parted.
pub(super) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut parted = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            parted.push(',');
        }
        parted.push(digit);
    }
    parted
}

/// A number to six significant digits; whole numbers up to a billion in full.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if value.fract() == 0.0 && size < 1e9 {
        return format!("{value}");
    }
    if !(1e-4..1e9).contains(&size) {
        return format!("{value:.4e}");
    }
    let decimals = (5 - size.log10().floor() as i32).clamp(0, 9) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

pub(super) fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), number)
}

pub(super) fn percent(share: f64) -> String {
    if share > 0.0 && share < 0.001 { "<0.1 %".to_owned() } else { format!("{:.1} %", share * 100.0) }
}

pub(super) fn distinct(column: &ColumnStatistics) -> String {
    match column.distinct {
        None => "-".to_owned(),
        Some(distinct) if distinct.relative_error == 0.0 => count(distinct.value),
        Some(distinct) => format!("~{}", count(distinct.value)),
    }
}

pub(super) fn missing(column: &ColumnStatistics) -> String {
    match column.missing {
        0 => "0".to_owned(),
        missing => format!("{} ({})", count(missing), percent(column.missing_share())),
    }
}

/// At most so many characters on one line, with everything that could drive a terminal made visible.
pub(super) fn name(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for (place, character) in text.chars().enumerate() {
        if place == most {
            shown.push('…');
            break;
        }
        // The marks that turn the direction of writing are no control characters, yet rearrange a line.
        let turns =
            matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || turns {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}
