//! What the start of a CSV file says: its delimiter and the names of its columns.

use std::collections::BTreeSet;

use csv::ByteRecord;

use crate::error::DataError;

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
const LINES_LOOKED_AT: usize = 20;

/// Names of columns, and whether the first row told them.
pub(super) struct Shape {
    pub(super) names: Vec<String>,
    pub(super) has_header: bool,
}

/// The delimiter that stands equally often in every line, the most frequent of them; a comma when none does.
pub(super) fn delimiter(start: &[u8]) -> u8 {
    let mut best = (0, b',');
    for candidate in DELIMITERS {
        let counts = counts(start, candidate);
        let first = counts.first().copied().unwrap_or(0);
        if first > best.0 && counts.iter().all(|count| *count == first) {
            best = (first, candidate);
        }
    }
    if best.0 > 0 {
        return best.1;
    }
    // A broken row must be told as one, so the header alone decides when the lines differ.
    let in_header = |candidate: u8| counts(start, candidate).first().copied().unwrap_or(0);
    DELIMITERS.into_iter().rev().max_by_key(|candidate| in_header(*candidate)).unwrap_or(b',')
}

/// How often the byte stands outside quotes, in each of the first lines that are there in full.
fn counts(start: &[u8], candidate: u8) -> Vec<usize> {
    let mut counts = Vec::new();
    let mut count = 0;
    let mut quoted = false;
    let mut blank = true;
    for byte in start {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => {
                if !blank {
                    counts.push(count);
                }
                count = 0;
                blank = true;
                if counts.len() == LINES_LOOKED_AT {
                    return counts;
                }
                continue;
            }
            byte if *byte == candidate && !quoted => count += 1,
            _ => {}
        }
        blank &= byte.is_ascii_whitespace() && *byte != candidate;
    }
    if counts.is_empty() && !blank {
        counts.push(count);
    }
    counts
}

/// The names in the first row; numbers throughout are a first row of data, unless they just count the columns.
pub(super) fn names(first: &ByteRecord, shown: &str, limit: usize) -> Result<Shape, DataError> {
    if first.len() > limit {
        return Err(DataError::TooLarge {
            file: shown.to_owned(),
            what: "the number of columns".to_owned(),
            found: first.len() as u64,
            limit: limit as u64,
        });
    }
    let mut fields = Vec::new();
    for field in first {
        let text = std::str::from_utf8(field).map_err(|_| DataError::BadRow {
            file: shown.to_owned(),
            line: 1,
            column: None,
            problem: "the header is not UTF-8 text; save the file as UTF-8".to_owned(),
        })?;
        fields.push(text.trim());
    }
    let numbers: Vec<f64> = fields.iter().filter_map(|field| field.parse().ok()).collect();
    let counting = |from: usize| numbers.iter().enumerate().all(|(at, number)| *number == (at + from) as f64);
    let has_header = numbers.len() < fields.len() || (fields.len() > 1 && (counting(0) || counting(1)));
    let mut seen = BTreeSet::new();
    let mut names = Vec::new();
    for (number, field) in fields.into_iter().enumerate() {
        let name =
            if has_header && !field.is_empty() { field.to_owned() } else { format!("column_{}", number + 1) };
        if !seen.insert(name.clone()) {
            return Err(DataError::DuplicateColumn { file: shown.to_owned(), column: name });
        }
        names.push(name);
    }
    Ok(Shape { names, has_header })
}
