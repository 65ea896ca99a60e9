//! Where a rollback goes.
//!
//! Rollback undoes promotions, the newest one first, as undo does in an editor: after promoting 1, 2 and 3, the first
//! rollback goes to 2 and the second one to 1. It does not toggle between the last two, because an operator who rolls
//! back twice wants to get away from both of the versions that turned out badly. Promoting again is how to go forward.

use yard_types::VersionNumber;

use crate::{AliasMove, MoveKind};

/// Where a rollback goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RollbackTarget {
    /// To this version.
    To(VersionNumber),
    /// There is nothing to undo.
    Nothing,
    /// These moves do not reach back far enough to tell.
    OlderMovesNeeded,
}

/// Finds where a rollback goes, from the moves of an alias, newest first.
pub(crate) fn rollback_target(newest_first: &[AliasMove]) -> RollbackTarget {
    // Each rollback has undone one promotion that is older than it: as many are passed over.
    let mut undone = 0usize;
    for alias_move in newest_first {
        match alias_move.kind {
            MoveKind::Rollback => undone += 1,
            MoveKind::Promotion if undone > 0 => undone -= 1,
            MoveKind::Promotion => {
                return alias_move.from.map_or(RollbackTarget::Nothing, RollbackTarget::To);
            }
            // What an alias of the same name was before it was removed is of no concern.
            MoveKind::Removal => return RollbackTarget::Nothing,
        }
    }
    RollbackTarget::OlderMovesNeeded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use yard_types::Timestamp;

    use super::*;
    use crate::Actor;

    fn number(number: u32) -> VersionNumber {
        VersionNumber::new(number).unwrap()
    }

    /// Replays a script such as `1 2 <`: promote 1, promote 2, roll back (`x` removes). Gives the moves, oldest first.
    fn replay(script: &str) -> Vec<AliasMove> {
        let mut moves: Vec<AliasMove> = Vec::new();
        for step in script.split_whitespace() {
            let from = moves.last().and_then(|last| last.to);
            let (kind, to) = match step {
                "x" => (MoveKind::Removal, None),
                "<" => match target(&moves) {
                    RollbackTarget::To(version) => (MoveKind::Rollback, Some(version)),
                    _ => continue,
                },
                digits => (MoveKind::Promotion, Some(digits.parse().unwrap())),
            };
            if from == to {
                continue;
            }
            moves.push(AliasMove {
                sequence: moves.len() as u64,
                kind,
                model: "m".parse().unwrap(),
                alias: AliasName::production(),
                from,
                to,
                at: Timestamp(0),
                by: Actor("t".into()),
            });
        }
        moves
    }

    fn target(oldest_first: &[AliasMove]) -> RollbackTarget {
        let newest_first: Vec<AliasMove> = oldest_first.iter().rev().cloned().collect();
        rollback_target(&newest_first)
    }

    fn check(script: &str, expected: Option<u32>) {
        let got = match target(&replay(script)) {
            RollbackTarget::To(version) => Some(version.get()),
            RollbackTarget::Nothing => None,
            RollbackTarget::OlderMovesNeeded => panic!("{script}: undecided"),
        };
        assert_eq!(got, expected, "{script}");
    }

    #[test]
    fn a_rollback_undoes_the_last_promotion() {
        check("1", None);
        check("1 2", Some(1));
        check("1 2 3", Some(2));
        check("1 2 1", Some(2));
    }

    #[test]
    fn a_second_rollback_undoes_the_promotion_before() {
        check("1 2 3 <", Some(1));
        check("1 2 3 < <", None);
        check("1 2 3 < < <", None);
        check("1 2 3 < 4", Some(2));
        check("1 2 3 < 4 <", Some(1));
        check("1 2 < 3 < 4 <", None);
    }

    #[test]
    fn a_removed_alias_begins_anew() {
        check("1 2 x", None);
        check("1 2 x 3", None);
        check("1 2 x 3 4", Some(3));
        check("1 2 x 3 4 <", None);
    }

    #[test]
    fn too_short_a_history_is_not_guessed_at() {
        let moves = replay("1 2 3 <");
        let newest_first: Vec<AliasMove> = moves.into_iter().rev().collect();
        assert_eq!(rollback_target(&newest_first[..1]), RollbackTarget::OlderMovesNeeded);
        assert_eq!(rollback_target(&newest_first[..2]), RollbackTarget::OlderMovesNeeded);
        assert_eq!(rollback_target(&[]), RollbackTarget::OlderMovesNeeded);
    }

    proptest! {
        /// The model: a stack of positions. Promoting pushes, rolling back pops.
        #[test]
        fn agrees_with_a_stack(steps in prop::collection::vec(0u32..4, 1..40)) {
            let mut stack: Vec<u32> = Vec::new();
            let mut script = String::new();
            for step in steps {
                if step == 0 {
                    if stack.len() > 1 { stack.pop(); }
                    script.push_str("< ");
                } else {
                    if stack.last() != Some(&step) { stack.push(step); }
                    script.push_str(&format!("{step} "));
                }
            }
            let moves = replay(&script);
            prop_assert_eq!(
                moves.last().and_then(|last| last.to).map(VersionNumber::get),
                stack.last().copied(),
                "{}", script
            );
        }
    }

    #[test]
    fn replay_speaks_of_the_versions_it_was_given() {
        let moves = replay("1 2 <");
        assert_eq!(moves.last().and_then(|last| last.to), Some(number(1)));
    }

    use yard_types::AliasName;
}
