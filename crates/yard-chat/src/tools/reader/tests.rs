use super::*;

/// The text, and each call with its arguments, of an answer that comes in pieces of so many letters.
fn read(mut reader: ToolCallReader, answer: &str, piece: usize) -> (String, Vec<(String, String)>) {
    let (mut text, mut calls) = (String::new(), Vec::<(String, String)>::new());
    let letters: Vec<char> = answer.chars().collect();
    let mut written: Vec<Written> =
        letters.chunks(piece).flat_map(|piece| reader.push(&piece.iter().collect::<String>())).collect();
    let begun = reader.calls();
    written.extend(reader.finish());
    for part in written {
        match part {
            Written::Text(part) => text.push_str(&part),
            Written::Call { index, name } => {
                assert_eq!(index as usize, calls.len());
                calls.push((name, String::new()));
            }
            Written::Arguments { index, text } => calls[index as usize].1.push_str(&text),
        }
    }
    assert_eq!(begun as usize, calls.len());
    (text, calls)
}

fn check(format: ToolFormat, answer: &str, text: &str, calls: &[(&str, &str)]) {
    for piece in [1, 2, 3, 7, 1_000] {
        let reader = ToolCallReader::new(format, vec!["f".into(), "get_weather".into()], true);
        let (said, called) = read(reader, answer, piece);
        let called: Vec<(&str, &str)> =
            called.iter().map(|(name, arguments)| (name.as_str(), arguments.as_str())).collect();
        assert_eq!((said.as_str(), &called[..]), (text, calls), "{answer:?} in pieces of {piece}");
    }
}

#[test]
fn tagged_calls_are_taken_out_of_the_text() {
    use ToolFormat::Tagged;
    check(Tagged, "Just a < text with <tool> in it.\n", "Just a < text with <tool> in it.\n", &[]);
    let one =
        "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"}\\\"\", \"b\": [1, {}]}}\n</tool_call>";
    check(Tagged, one, "", &[("f", "{\"a\": \"}\\\"\", \"b\": [1, {}]}")]);
    check(
        Tagged,
        &format!("I look.\n\n{one}\n{one}"),
        "I look.",
        &[("f", "{\"a\": \"}\\\"\", \"b\": [1, {}]}"); 2],
    );
    check(Tagged, &format!("{one} And so on"), " And so on", &[("f", "{\"a\": \"}\\\"\", \"b\": [1, {}]}")]);
    let turned = "<tool_call>{\"arguments\":{\"x\":1},\"name\":\"f\"}</tool_call>";
    check(Tagged, turned, "", &[("f", "{\"x\":1}")]);
    check(Tagged, "<tool_call>{\"name\":\"f\"}</tool_call>", "", &[("f", "{}")]);
    check(Tagged, "<tool_call>{\"name\":\"f\",\"arguments\":null}", "", &[("f", "{}")]);
    check(Tagged, "<tool_call>{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}", "", &[("f", "{\"a\":1}")]);
}

#[test]
fn what_is_no_call_is_text() {
    use ToolFormat::{Json, Tagged};
    for answer in [
        "<tool_call>nothing of the kind</tool_call>",
        "<tool_call>{\"name\": \"unknown\", \"arguments\": {}}</tool_call>",
        "<tool_call>{\"name\": 7}",
        "<tool_call>",
        "<tool_ca",
        "a <tool_call>{}",
    ] {
        check(Tagged, answer, answer, &[]);
    }
    for answer in ["{\"city\": \"Paris\"}", "{\"name\": \"Paris\"}", "[1, 2]", "[", "{", "plain", "", " \n"] {
        check(Json, answer, answer, &[]);
    }
}

#[test]
fn a_whole_answer_may_be_calls() {
    use ToolFormat::{Json, Llama3, Mistral};
    check(Llama3, "{\"name\": \"f\", \"parameters\": {\"a\": 1}}", "", &[("f", "{\"a\": 1}")]);
    check(
        Llama3,
        "{\"type\": \"function\", \"name\": \"f\", \"parameters\": {}}; {\"name\": \"get_weather\", \"parameters\": {}}",
        "",
        &[("f", "{}"), ("get_weather", "{}")],
    );
    let list = " [{\"name\": \"f\", \"arguments\": {\"a\": 1}}, {\"name\": \"f\", \"arguments\": {}}]";
    for format in [Mistral, Json] {
        check(format, list, "", &[("f", "{\"a\": 1}"), ("f", "{}")]);
    }
}

#[test]
fn a_call_that_is_cut_is_told_as_far_as_it_came() {
    check(ToolFormat::Json, "{\"name\": \"f\", \"arguments\": {\"a\": \"be", "", &[("f", "{\"a\": \"be")]);
    let broken = "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}] and more";
    let reader = ToolCallReader::new(ToolFormat::Tagged, vec!["f".into()], true);
    assert_eq!(read(reader, broken, 1).1, [("f".to_owned(), "{\"a\": 1}".to_owned())]);
}

#[test]
fn a_call_that_is_no_json_behind_its_name_has_arguments_all_the_same() {
    use ToolFormat::{Json, Tagged};
    check(
        Json,
        "{\"name\":\"f\",\"reason\":{\"name\":\"f\"},\"arguments\":{\"a\":1}}",
        "",
        &[("f", "{\"a\":1}")],
    );
    check(Json, "{\"name\":\"f\" oh {\"name\":\"f\",\"arguments\":{}}", "", &[("f", "{}")]);
    check(
        Tagged,
        "<tool_call>{\"name\":\"f\"] {\"a\":1}</tool_call> And so on",
        " And so on",
        &[("f", "{}")],
    );
}

#[test]
fn only_the_first_call_counts_where_one_is_wanted() {
    let one = "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>";
    let reader = ToolCallReader::new(ToolFormat::Tagged, vec!["f".into()], false);
    let (text, calls) = read(reader, &format!("{one}{one}"), 5);
    assert_eq!((text.as_str(), calls.len()), ("", 1));
}

#[test]
fn an_answer_that_was_begun_as_a_call_is_one() {
    let answer = "{\"name\": \"f\", \"arguments\": {}}";
    for format in ToolFormat::ALL {
        let reader = ToolCallReader::new(format, vec!["f".into()], true).behind_opening();
        assert_eq!(read(reader, answer, 3), (String::new(), vec![("f".to_owned(), "{}".to_owned())]));
    }
}

proptest::proptest! {
    #[test]
    fn nothing_makes_it_fail_and_plain_text_stays(
        answer in "[<>/_a-z{}\\[\\]\":, \n]{0,60}",
        piece in 1_usize..9,
        place in 0_usize..4,
    ) {
        let reader = ToolCallReader::new(ToolFormat::ALL[place], vec!["f".into()], true);
        let (text, calls) = read(reader, &answer, piece);
        if calls.is_empty() {
            proptest::prop_assert_eq!(text, answer);
        }
    }
}
