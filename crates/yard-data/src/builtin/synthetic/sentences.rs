//! Sentences put together from lists of words.

use super::SEED;
use crate::draw::{Draw, draw};

struct Subject {
    name: &'static str,
    who: [&'static str; 8],
    does: [&'static str; 8],
    what: [&'static str; 8],
}

const SUBJECTS: [Subject; 3] = [
    Subject {
        name: "cooking",
        who: [
            "the cook",
            "a baker",
            "my aunt",
            "the waiter",
            "our guest",
            "the butcher",
            "a child",
            "the neighbour",
        ],
        does: ["stirs", "bakes", "peels", "tastes", "salts", "fries", "serves", "orders"],
        what: [
            "the soup",
            "a loaf",
            "potatoes",
            "the sauce",
            "an onion",
            "fresh fish",
            "the cake",
            "some rice",
        ],
    },
    Subject {
        name: "sport",
        who: [
            "the keeper",
            "a runner",
            "our team",
            "the coach",
            "the captain",
            "a swimmer",
            "a child",
            "the neighbour",
        ],
        does: ["wins", "loses", "kicks", "throws", "watches", "practises", "catches", "orders"],
        what: ["the match", "a race", "the ball", "the final", "a goal", "the relay", "the cup", "some laps"],
    },
    Subject {
        name: "weather",
        who: ["the wind", "a storm", "the fog", "the rain", "the sun", "a cloud", "a child", "the neighbour"],
        does: ["covers", "cools", "floods", "dries", "watches", "shakes", "darkens", "warms"],
        what: [
            "the valley",
            "a field",
            "the coast",
            "the hills",
            "a roof",
            "the river",
            "the sky",
            "some trees",
        ],
    },
];

const WHEN: [&str; 8] = [
    "in the morning",
    "at noon",
    "before supper",
    "this week",
    "every Sunday",
    "as so often",
    "once again",
    "late at night",
];
const HOW: [&str; 8] =
    ["slowly", "quickly", "at last", "with care", "as planned", "by chance", "hardly", "gladly"];

/// One word in so many is from another subject, so that no single word gives the answer away.
const STRAY: u64 = 12;

/// The text and its subject.
pub(super) fn sentence(row: usize) -> (String, String) {
    let mut source = draw(SEED, "sentence", row as u64);
    let own = source.below(SUBJECTS.len() as u64) as usize;
    let mut clause = || {
        let who = pick(&mut source, own, |subject| &subject.who);
        let does = pick(&mut source, own, |subject| &subject.does);
        let what = pick(&mut source, own, |subject| &subject.what);
        let how = HOW[source.below(HOW.len() as u64) as usize];
        let when = WHEN[source.below(WHEN.len() as u64) as usize];
        format!("{who} {does} {what} {how} {when}")
    };
    let text = format!("{} and {}", clause(), clause());
    (text, SUBJECTS[own].name.to_owned())
}

fn pick(
    source: &mut Draw,
    own: usize,
    words: impl Fn(&'static Subject) -> &'static [&'static str; 8],
) -> &'static str {
    let stray = source.below(STRAY) == 0;
    let subject = if stray { source.below(SUBJECTS.len() as u64) as usize } else { own };
    words(&SUBJECTS[subject])[source.below(8) as usize]
}
