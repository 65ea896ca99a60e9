//! ONNX Runtime's messages, as far as they are for people.

use std::path::Path;

/// Longest message that is passed on, in characters.
const MAX_CHARS: usize = 600;
/// Where ONNX Runtime's sources lay when it was built: its messages say from which line they come.
const SOURCES: &str = "/onnxruntime_src/";

/// The message without the places and functions of ONNX Runtime's own sources, control characters and, where a package
/// is given, its directory.
pub(super) fn plain(message: &str, package: Option<&Path>) -> String {
    let mut text = without_sources(message);
    if let Some(directory) = package.map(Path::to_string_lossy).filter(|directory| directory.len() > 1) {
        text = text.replace(&*directory, "");
    }
    let printable = text.chars().map(|character| if character.is_control() { ' ' } else { character });
    printable.take(MAX_CHARS).collect()
}

/// Cuts out `PATH:LINE RESULT FUNCTION(ARGUMENTS) `, which stands before what the function has to say.
fn without_sources(message: &str) -> String {
    let Some((before, place)) = message.split_once(SOURCES) else { return message.to_owned() };
    let Some((_, function)) = place.split_once(' ') else { return before.trim_end().to_owned() };
    let said = after_arguments(function).unwrap_or(function);
    format!("{before}{}", without_sources(said.trim_start()))
}

/// What follows the first balanced pair of parentheses, and a `const` or a list of template arguments behind it.
fn after_arguments(function: &str) -> Option<&str> {
    let mut depth = 0_usize;
    for (place, character) in function.char_indices() {
        match character {
            '(' => depth += 1,
            ')' if depth <= 1 => {
                let rest = function[place + 1..].trim_start();
                let rest = rest.strip_prefix("const ").unwrap_or(rest);
                let rest = match rest.strip_prefix("[with ") {
                    Some(arguments) => arguments.split_once("] ").map_or("", |(_, rest)| rest),
                    None => rest,
                };
                return Some(rest);
            }
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, expected: &str) {
        assert_eq!(plain(message, Some(Path::new("/data/packages/7"))), expected);
    }

    #[test]
    fn what_the_sources_say_stays_and_where_they_say_it_goes() {
        check("plain words", "plain words");
        check(
            "Status Message: /onnxruntime_src/core/arena.cc:360 void* onnxruntime::Arena::Get(size_t, bool) Failed to \
             allocate 10 bytes",
            "Status Message: Failed to allocate 10 bytes",
        );
        check(
            "failed:/onnxruntime_src/a.h:46 void f(const std::map<int, std::function<void (int)> >&, bool) const only \
             official (released) versions",
            "failed:only official (released) versions",
        );
        check(
            "/onnxruntime_src/b.cc:1 T* f(int) [with T = float; U = int] a: /onnxruntime_src/c.cc:2 void g() b",
            "a: b",
        );
        check("ends in /onnxruntime_src/b.cc:1", "ends in");
    }

    #[test]
    fn packages_and_control_characters_are_not_shown() {
        check(
            "Load model from /data/packages/7/model.onnx failed\n\u{1b}[31m",
            "Load model from /model.onnx failed  [31m",
        );
        assert_eq!(plain(&"x".repeat(10_000), None).len(), MAX_CHARS);
    }
}
