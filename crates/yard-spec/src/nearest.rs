//! The known word that an unknown one was probably meant to be.

/// The known word at the smallest edit distance, if it is near enough to be what was meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    // Longer words than any key are not compared: the work is bounded by the length of the words.
    if word.chars().count() > 64 {
        return None;
    }
    let near_enough = word.chars().count().max(3) / 3;
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= near_enough || extends(candidate, word))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.to_owned())
}

/// Whether one is the beginning or the end of the other: `size` and `batch_size`, `valid` and `validation`.
fn extends(known: &str, word: &str) -> bool {
    word.len() >= 4 && (known.starts_with(word) || known.ends_with(word))
}

/// Insertions, deletions, replacements and swaps of neighbours that make one word of the other.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().map(one_joint).collect();
    let right: Vec<char> = right.chars().map(one_joint).collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for row in 1..=left.len() {
        let mut current = vec![row];
        for column in 1..=right.len() {
            let replaced = last[column - 1] + usize::from(left[row - 1] != right[column - 1]);
            let mut best = replaced.min(last[column] + 1).min(current[column - 1] + 1);
            let swapped = row > 1
                && column > 1
                && left[row - 1] == right[column - 2]
                && left[row - 2] == right[column - 1];
            if swapped {
                best = best.min(before_last[column - 2] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[right.len()]
}

/// Hyphens and underscores are the same to an author.
fn one_joint(character: char) -> char {
    if character == '-' { '_' } else { character }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["learning_rate", "epochs", "batch_size", "validation", "sgd", "adam"];
        let cases = [
            ("learning-rate", Some("learning_rate")),
            ("lerning_rate", Some("learning_rate")),
            ("epcohs", Some("epochs")),
            ("epoch", Some("epochs")),
            ("size", Some("batch_size")),
            ("valid", Some("validation")),
            ("SGD", Some("sgd")),
            ("adm", Some("adam")),
            ("zebra", None),
            ("", None),
        ];
        for (word, expected) in cases {
            assert_eq!(nearest(word, known).as_deref(), expected, "{word}");
        }
    }

    #[test]
    fn a_huge_word_is_not_compared() {
        assert_eq!(nearest(&"a".repeat(1 << 20), ["adam"]), None);
    }
}
