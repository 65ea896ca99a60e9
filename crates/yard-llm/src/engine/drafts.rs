//! Guesses from what was written before.
//!
//! Where the last tokens have come before, what followed them then is guessed to follow again (prompt lookup). A step
//! runs the guesses behind the last token; the sampler then chooses at each place as it would have anyway, and what
//! was run behind the first wrong guess is thrown away. So an answer is the same with and without guesses, to the token.
//! Where a grammar leaves one text alone, that is guessed.
//!
//! A guess costs about a tenth of a step that would be made anyway, since a step's time goes into reading weights. How
//! many are made depends on how many were right so far.

use std::collections::HashMap;

use crate::TokenId;

/// How many tokens have to come again before anything is guessed.
const REPEATED: usize = 3;
/// Most guesses of a step.
const MOST: usize = 8;
/// What a guess costs, compared with a step.
const COST: f64 = 0.12;
/// How much a step says of the next one.
const MEMORY: f64 = 0.8;
/// After so many tokens without guesses two are tried again.
const PATIENCE: usize = 48;

/// What one answer has taught about its guesses.
#[derive(Debug)]
pub(super) struct Drafts {
    /// Behind which token each run of tokens came last.
    places: HashMap<[TokenId; REPEATED], usize, foldhash::fast::RandomState>,
    /// How many tokens are in `places`.
    indexed: usize,
    /// How probable it is that a guess is right whose forerunners were.
    right: f64,
    /// Tokens since the last guess.
    quiet: usize,
}

impl Default for Drafts {
    fn default() -> Self {
        Self { places: HashMap::default(), indexed: 0, right: 0.7, quiet: 0 }
    }
}

impl Drafts {
    /// Puts what may follow `tokens` into `guesses`.
    pub(super) fn guess(&mut self, tokens: &[TokenId], guesses: &mut Vec<TokenId>) {
        guesses.clear();
        self.index(tokens);
        let Some(last) = tokens.last_chunk::<REPEATED>() else { return };
        let most = if self.quiet >= PATIENCE { 2 } else { worth(self.right) };
        let place = if most == 0 { None } else { self.places.get(last) };
        match place {
            None => self.quiet += 1,
            Some(place) => {
                self.quiet = 0;
                // Guesses may go on into themselves: what repeats is taken to repeat again.
                for offset in 0..most {
                    let next = match tokens.get(place + offset) {
                        Some(token) => *token,
                        None => guesses[place + offset - tokens.len()],
                    };
                    guesses.push(next);
                }
            }
        }
    }

    /// Learns how many of the last guesses were right.
    pub(super) fn learn(&mut self, guessed: usize, right: usize) {
        // Those behind the first wrong guess say nothing.
        let judged = (right + 1).min(guessed);
        for place in 0..judged {
            let was_right = if place < right { 1.0 } else { 0.0 };
            self.right = MEMORY * self.right + (1.0 - MEMORY) * was_right;
        }
    }

    /// Remembers the places of all runs but the last one, which is what will be looked for.
    fn index(&mut self, tokens: &[TokenId]) {
        for end in self.indexed.max(REPEATED)..tokens.len() {
            let mut run = [0; REPEATED];
            run.copy_from_slice(&tokens[end - REPEATED..end]);
            self.places.insert(run, end);
        }
        self.indexed = tokens.len();
    }
}

/// How many guesses pay best when each is right with this probability: the most tokens for the time.
fn worth(right: f64) -> usize {
    let (mut best, mut best_gain, mut tokens, mut chance) = (0, 1.0, 1.0, 1.0);
    for count in 1..=MOST {
        chance *= right;
        tokens += chance;
        let gain = tokens / (1.0 + COST * count as f64);
        if gain > best_gain {
            (best, best_gain) = (count, gain);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guesses(drafts: &mut Drafts, tokens: &[TokenId]) -> Vec<TokenId> {
        let mut guesses = Vec::new();
        drafts.guess(tokens, &mut guesses);
        guesses
    }

    #[test]
    fn what_followed_is_guessed_to_follow_again() {
        let mut drafts = Drafts::default();
        assert_eq!(guesses(&mut drafts, &[1, 2]), [0; 0]);
        assert_eq!(guesses(&mut drafts, &[1, 2, 3, 4, 5]), [0; 0]);
        let tokens = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3];
        let found = guesses(&mut drafts, &tokens);
        assert_eq!(found, [4, 5, 6, 7, 8, 1, 2, 3][..found.len()]);
        assert!(found.len() >= 2);
        // The latest place counts.
        let tokens = [&tokens[..], &[9, 9, 1, 2, 3]].concat();
        assert_eq!(guesses(&mut drafts, &tokens)[..2], [9, 9]);
    }

    #[test]
    fn what_repeats_is_guessed_to_repeat_again() {
        let mut drafts = Drafts { right: 1.0, ..Drafts::default() };
        assert_eq!(guesses(&mut drafts, &[5, 6, 5, 6, 5, 6]), [5, 6, 5, 6, 5, 6, 5, 6]);
        assert_eq!(guesses(&mut drafts, &[5, 6, 5, 6, 5, 6, 5]), [6, 5, 6, 5, 6, 5, 6, 5]);
    }

    #[test]
    fn wrong_guesses_end_guessing_and_patience_tries_again() {
        let mut drafts = Drafts::default();
        let tokens: Vec<TokenId> = [1, 2, 3].repeat(20);
        let mut tries = 0;
        for end in 6..tokens.len() {
            let found = guesses(&mut drafts, &tokens[..end]);
            if found.is_empty() {
                break;
            }
            drafts.learn(found.len(), 0);
            tries += 1;
        }
        assert!(tries < 10, "{tries}");
        let again = (0..60).filter(|_| !guesses(&mut drafts, &tokens).is_empty()).count();
        assert_eq!(again, 1);
        for _ in 0..20 {
            drafts.learn(2, 2);
        }
        assert_eq!(guesses(&mut drafts, &tokens).len(), MOST);
    }

    #[test]
    fn as_many_are_guessed_as_pay() {
        assert_eq!((worth(0.0), worth(0.1), worth(1.0)), (0, 0, MOST));
        assert!((1..MOST).contains(&worth(0.5)));
    }
}
