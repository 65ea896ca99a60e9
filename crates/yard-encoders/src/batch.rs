//! Which texts run together.

/// Most rows of a run.
pub(crate) const MAX_ROWS: usize = 32;
/// Most tokens of a run, padding included, unless a single text has more. The proof runs as many, so that what it measures
/// has the memory of a run.
pub(crate) const MAX_TOKENS: usize = 2048;

/// Puts texts of about the same length together, so that little of a run is padding: the shortest ones come first.
pub(crate) fn plan(lengths: &[usize], max_rows: usize, max_tokens: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|place| lengths[*place]);
    let mut runs: Vec<Vec<usize>> = Vec::new();
    for place in order {
        // Lengths grow, so the newest text is the one that all others of its run are padded to.
        let length = lengths[place];
        match runs.last_mut() {
            Some(run) if run.len() < max_rows && (run.len() + 1).saturating_mul(length) <= max_tokens => {
                run.push(place);
            }
            _ => runs.push(vec![place]),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_of_about_the_same_length_run_together() {
        assert_eq!(plan(&[9, 2, 8, 3, 2], 3, 30), [vec![1, 4, 3], vec![2, 0]]);
        assert_eq!(plan(&[5, 5, 5], 1, 30), [[0], [1], [2]]);
        assert_eq!(plan(&[100, 10], 3, 30), [[1], [0]], "one that is too long runs alone");
        assert!(plan(&[], 3, 30).is_empty());
    }

    proptest! {
        #[test]
        fn every_text_runs_once_and_no_run_is_too_large(
            lengths in prop::collection::vec(1_usize..600, 0..200),
            max_rows in 1_usize..40,
        ) {
            let runs = plan(&lengths, max_rows, MAX_TOKENS);
            let mut seen: Vec<usize> = runs.iter().flatten().copied().collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            for run in &runs {
                let longest = run.iter().map(|place| lengths[*place]).max().unwrap_or(0);
                prop_assert!(run.len() <= max_rows && run.len() * longest <= MAX_TOKENS);
            }
        }
    }
}
