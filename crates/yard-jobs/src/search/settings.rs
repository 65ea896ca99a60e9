//! Which settings a search tries: a function of its specification alone.

use std::collections::HashSet;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use yard_spec::{Candidates, SearchSpec, SearchStrategy};

/// The values of one trial, by the path of their key.
pub(super) type Setting = Vec<(String, Value)>;

/// How often a setting is drawn again that was drawn before. Where every draw is an old one there are hardly any new
/// ones: then the search has fewer trials.
const DRAWS: u32 = 100;

/// All settings, in the order of their numbers.
pub(super) fn settings(search: &SearchSpec, seed: u64) -> Vec<Setting> {
    match search.strategy {
        SearchStrategy::Grid => grid(search),
        SearchStrategy::Random | SearchStrategy::SuccessiveHalving => random(search, seed),
    }
}

/// Every combination; the last key changes fastest.
fn grid(search: &SearchSpec) -> Vec<Setting> {
    let mut settings = vec![Setting::new()];
    for (path, candidates) in &search.keys {
        let values = candidates.grid_values();
        let longer = settings.iter().flat_map(|setting| {
            values.iter().map(|value| {
                let mut setting = setting.clone();
                setting.push((path.clone(), value.clone()));
                setting
            })
        });
        // The specification was checked to have no more points; this bounds one that was not.
        settings = longer.take(search.trials).collect();
    }
    settings
}

fn random(search: &SearchSpec, seed: u64) -> Vec<Setting> {
    let mut seen = HashSet::new();
    let mut settings = Vec::new();
    for number in 0..search.trials {
        let mut draws = (0..DRAWS).map(|draw| drawn(search, seed, number as u64, draw));
        let Some(setting) = draws.find(|setting| !seen.contains(&key(setting))) else { break };
        seen.insert(key(&setting));
        settings.push(setting);
    }
    settings
}

fn drawn(search: &SearchSpec, seed: u64, number: u64, draw: u32) -> Setting {
    let value = |(path, candidates): (&String, &Candidates)| {
        (path.clone(), candidates.at(uniform(seed, number, draw, path)))
    };
    search.keys.iter().map(value).collect()
}

fn key(setting: &Setting) -> String {
    let values: Vec<&Value> = setting.iter().map(|(_, value)| value).collect();
    format!("{values:?}")
}

/// A number in `[0, 1)` of 53 bits that depends on these four only: one more key, or one more trial, changes no other.
fn uniform(seed: u64, number: u64, draw: u32, path: &str) -> f64 {
    let mut hash = Sha256::new();
    hash.update(b"modelyard search 1");
    hash.update(seed.to_le_bytes());
    hash.update(number.to_le_bytes());
    hash.update(draw.to_le_bytes());
    hash.update(path.as_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    (u64::from_le_bytes([a, b, c, d, e, f, g, h]) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use yard_spec::{TrainingSpec, example};

    use super::*;

    fn search(change: impl FnOnce(&mut SearchSpec)) -> Vec<Setting> {
        let example = example("search").unwrap();
        let spec = TrainingSpec::from_toml(example.toml).unwrap();
        let mut search = spec.search.unwrap();
        change(&mut search);
        settings(&search, spec.seed)
    }

    fn only(values: &[u64]) -> Candidates {
        Candidates::Values(values.iter().map(|value| json!(value)).collect())
    }

    #[test]
    fn a_grid_holds_every_combination_once() {
        let found = search(|search| {
            search.strategy = SearchStrategy::Grid;
            search.keys = [("b".to_owned(), only(&[1, 2, 3])), ("a".to_owned(), only(&[8, 9]))].into();
        });
        let pairs: Vec<(u64, u64)> = found
            .iter()
            .map(|setting| (setting[0].1.as_u64().unwrap(), setting[1].1.as_u64().unwrap()))
            .collect();
        assert_eq!(pairs, [(8, 1), (8, 2), (8, 3), (9, 1), (9, 2), (9, 3)]);
        assert_eq!((&*found[0][0].0, &*found[0][1].0), ("a", "b"));
    }

    #[test]
    fn draws_depend_on_seed_number_and_key_alone() {
        let eight = search(|_| {});
        assert_eq!(eight.len(), 8);
        let more = search(|search| search.trials = 20);
        assert_eq!(more[..8], eight, "further trials leave the first ones as they are");
        let fewer_keys = search(|search| drop(search.keys.remove("training.batch_size")));
        for (one, other) in eight.iter().zip(&fewer_keys) {
            assert!(other.iter().all(|value| one.contains(value)), "{one:?} {other:?}");
        }
        assert_ne!(eight[0], eight[1]);
        assert_ne!(uniform(1, 2, 0, "a"), uniform(2, 2, 0, "a"));
        // The numbers themselves: a change would give a search that is taken up again other trials than it had.
        assert!((uniform(7, 0, 0, "training.batch_size") - KNOWN).abs() < 1e-15);
    }

    /// Reckoned by Python's `hashlib`.
    const KNOWN: f64 = 0.4542037485807968;

    #[test]
    fn no_setting_is_tried_twice_and_a_small_space_is_tried_whole() {
        let found = search(|search| {
            search.trials = 50;
            search.keys = [("a".to_owned(), only(&[1, 2])), ("b".to_owned(), only(&[1, 2, 3]))].into();
        });
        let distinct: HashSet<String> = found.iter().map(key).collect();
        assert_eq!((found.len(), distinct.len()), (6, 6));
    }

    #[test]
    fn draws_fill_the_range_evenly() {
        let mut counts = [0_u32; 10];
        for number in 0..10_000 {
            counts[(uniform(3, number, 0, "key") * 10.0) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (880..1120).contains(count)), "{counts:?}");
    }
}
