use proptest::prelude::*;

use super::*;

fn matcher(strings: &[&str]) -> StopMatcher {
    let strings = strings.iter().map(|string| (*string).to_owned()).collect();
    StopMatcher::new(StopOptions { strings, ..StopOptions::default() }).unwrap()
}

/// The whole text that is given out, and why it ended.
fn written(mut matcher: StopMatcher, pieces: &[&str]) -> (String, Option<StopReason>) {
    let mut all = String::new();
    for piece in pieces {
        let StoppedText { text, reason } = matcher.push(0, piece);
        all.push_str(text);
        if reason.is_some() {
            return (all, reason);
        }
    }
    let StoppedText { text, reason } = matcher.finish("");
    (all + text, reason)
}

#[test]
fn text_ends_before_a_stop_string_however_it_is_cut() {
    /// Stop strings, what is pushed, what is given out, and the string that ended it.
    type Case<'a> = (&'a [&'a str], &'a [&'a str], &'a str, Option<usize>);
    let cases: &[Case<'_>] = &[
        (&["STOP"], &["go ST", "OP on"], "go ", Some(0)),
        (&["STOP"], &["go ST", "ILL", " STOP"], "go STILL ", Some(0)),
        (&["STOP"], &["go ST"], "go ST", None),
        (&["\n\n", "END"], &["a\n", "b", "\n", "\nEND"], "a\nb", Some(0)),
        (&["abcd", "bc"], &["a", "b", "c", "d"], "a", Some(1)),
        (&["bc", "abc"], &["xabc"], "x", Some(1)),
        (&["aab"], &["a", "a", "a", "b"], "a", Some(0)),
        (&["日本"], &["今日", "本"], "今", Some(0)),
    ];
    for (strings, pieces, text, stop) in cases {
        let expected = ((*text).to_owned(), stop.map(StopReason::String));
        assert_eq!(written(matcher(strings), pieces), expected, "{strings:?} in {pieces:?}");
    }
}

#[test]
fn only_what_may_yet_be_a_stop_string_is_held_back() {
    let mut matcher = matcher(&["</end>"]);
    assert_eq!(matcher.push(1, "so be it").text, "so be it");
    assert_eq!(matcher.push(2, " </e").text, " ");
    assert_eq!(matcher.push(3, "xit>").text, "</exit>");
}

#[test]
fn stop_tokens_and_length_give_out_what_was_held() {
    let options = StopOptions { strings: vec!["xyz".to_owned()], tokens: [7].into(), most_tokens: Some(3) };
    let mut by_token = StopMatcher::new(options.clone()).unwrap();
    assert_eq!(by_token.push(1, "ax"), StoppedText { text: "a", reason: None });
    assert_eq!(by_token.push(7, "y"), StoppedText { text: "x", reason: Some(StopReason::Token(7)) });
    let mut by_length = StopMatcher::new(options).unwrap();
    assert_eq!(by_length.push(1, "a").reason, None);
    assert_eq!(by_length.push(1, "b").reason, None);
    assert_eq!(by_length.push(1, "xy"), StoppedText { text: "xy", reason: Some(StopReason::Length) });
}

#[test]
fn stop_strings_out_of_bounds_are_refused() {
    let refused = |options| StopMatcher::new(options).unwrap_err().to_string();
    let strings = |strings| StopOptions { strings, ..StopOptions::default() };
    assert_eq!(
        refused(strings(vec!["x".to_owned(); 17])),
        "the number of stop strings is 17, not at most 16"
    );
    assert_eq!(
        refused(strings(vec![String::new()])),
        "the length of a stop string in bytes is 0, not between 1 and 1024"
    );
    assert_eq!(
        refused(StopOptions { most_tokens: Some(0), ..StopOptions::default() }),
        "most_tokens is 0, not at least 1"
    );
}

proptest! {
    #[test]
    fn how_text_is_cut_makes_no_difference(
        text in "[ab日]{0,30}",
        strings in prop::collection::vec("[ab日]{1,4}", 0..4),
        cuts in prop::collection::vec(any::<bool>(), 30),
    ) {
        let strings: Vec<&str> = strings.iter().map(String::as_str).collect();
        let mut pieces = vec![""];
        let mut start = 0;
        for ((place, _), cut) in text.char_indices().zip(cuts) {
            if cut {
                pieces.push(&text[start..place]);
                start = place;
            }
        }
        pieces.push(&text[start..]);
        prop_assert_eq!(written(matcher(&strings), &pieces), written(matcher(&strings), &[&text]));
        let without = strings.iter().all(|string| !text.contains(string));
        let (all, reason) = written(matcher(&strings), &pieces);
        prop_assert_eq!(without, reason.is_none());
        prop_assert!(strings.iter().all(|string| !all.contains(string)));
    }
}
