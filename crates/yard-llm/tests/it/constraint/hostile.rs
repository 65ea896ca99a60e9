//! Grammars made to take time, memory or the stack: each is refused, or kept to, within a second.

use std::sync::mpsc;
use std::thread;

use super::*;

fn repeated(count: usize, part: impl Fn(usize) -> String, between: &str) -> String {
    (0..count).map(part).collect::<Vec<_>>().join(between)
}

fn hostile() -> Vec<(String, Grammar)> {
    let mut all = Vec::new();
    let mut schema = |name: &str, text: String| all.push((name.to_owned(), Grammar::JsonSchema(text)));
    schema("deep lists", format!("{}{}", "{\"items\":".repeat(10_000), "}".repeat(10_000)));
    schema("deep lists that can be read", format!("{}{{}}{}", "{\"items\":".repeat(120), "}".repeat(120)));
    schema("a chain of references", {
        let links = repeated(3_000, |n| format!("\"{n}\":{{\"$ref\":\"#/$defs/{}\"}}", n + 1), ",");
        format!("{{\"$ref\":\"#/$defs/0\",\"$defs\":{{{links},\"3000\":{{}}}}}}")
    });
    schema("a chain of references with fellows", {
        let links = repeated(
            2_000,
            |n| format!("\"{n}\":{{\"type\":\"object\",\"$ref\":\"#/$defs/{}\"}}", n + 1),
            ",",
        );
        format!("{{\"$ref\":\"#/$defs/0\",\"$defs\":{{{links},\"2000\":{{}}}}}}")
    });
    schema("a reference to itself", "{\"$ref\":\"#\"}".to_owned());
    schema("a list of itself", "{\"type\":\"array\",\"items\":{\"$ref\":\"#\"},\"minItems\":1}".to_owned());
    schema("itself, and more", "{\"allOf\":[{\"$ref\":\"#\"},{\"type\":\"object\"}]}".to_owned());
    schema("choices multiplied", {
        let choice = format!(
            "{{\"anyOf\":[{}]}}",
            repeated(12, |n| format!("{{\"type\":\"object\",\"properties\":{{\"k{n}\":{{}}}}}}"), ",")
        );
        format!("{{\"allOf\":[{}]}}", vec![choice; 12].join(","))
    });
    schema("references doubled", {
        let links = repeated(
            40,
            |n| {
                format!(
                    "\"{n}\":{{\"allOf\":[{{\"$ref\":\"#/$defs/{0}\"}},{{\"$ref\":\"#/$defs/{0}\"}}]}}",
                    n + 1
                )
            },
            ",",
        );
        format!(
            "{{\"$ref\":\"#/$defs/0\",\"$defs\":{{{links},\"40\":{{\"type\":\"object\",\"properties\":{{\"a\":{{\"type\":\"string\"}}}}}}}}}}"
        )
    });
    schema("key patterns", {
        let patterns = repeated(2_000, |n| format!("\"^k{n}.*x.*y\":{{}}"), ",");
        format!("{{\"type\":\"object\",\"patternProperties\":{{{patterns}}}}}")
    });
    schema("key patterns that are allowed", {
        let patterns = repeated(16, |n| format!("\"^(a|b)*a(a|b){{{n}}}c{n}$\":{{}}"), ",");
        format!("{{\"type\":\"object\",\"patternProperties\":{{{patterns}}}}}")
    });
    schema("a long string", "{\"type\":\"string\",\"minLength\":1000000,\"maxLength\":2000000}".to_owned());
    schema("the longest string", format!("{{\"type\":\"string\",\"minLength\":{}}}", u64::MAX));
    schema(
        "a long list",
        "{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"minItems\":1000000000}".to_owned(),
    );
    schema("the longest list", format!("{{\"type\":\"array\",\"minItems\":{}}}", u64::MAX));
    schema("many keys needed", {
        let keys = repeated(4_000, |n| format!("\"k{n}\""), ",");
        format!("{{\"type\":\"object\",\"required\":[{keys}]}}")
    });
    schema("many keys", {
        let keys = repeated(4_000, |n| format!("\"k{n}\":{{\"type\":\"integer\"}}"), ",");
        format!("{{\"type\":\"object\",\"properties\":{{{keys}}}}}")
    });
    schema("the least number of keys", "{\"type\":\"object\",\"minProperties\":100000000}".to_owned());
    schema("a large enumeration", format!("{{\"enum\":[{}]}}", repeated(15_000, |n| format!("{n}"), ",")));
    schema(
        "too large an enumeration",
        format!("{{\"enum\":[{}]}}", repeated(25_000, |n| format!("{n}"), ",")),
    );
    schema(
        "one of many",
        format!(
            "{{\"oneOf\":[{}]}}",
            repeated(
                2_000,
                |n| format!(
                    "{{\"type\":\"object\",\"properties\":{{\"t\":{{\"const\":{n}}}}},\"required\":[\"t\"]}}"
                ),
                ","
            )
        ),
    );
    schema("a hostile pattern", "{\"type\":\"string\",\"pattern\":\"(a|aa)+(b|bb)+(a|b){200}$\"}".to_owned());
    schema("a long pattern", format!("{{\"type\":\"string\",\"pattern\":\"{}\"}}", "a?".repeat(20_000)));
    schema(
        "a long pattern that is allowed",
        format!("{{\"type\":\"string\",\"pattern\":\"{}\"}}", "a?".repeat(2_000)),
    );
    schema(
        "patterns together",
        format!(
            "{{\"allOf\":[{}]}}",
            repeated(40, |n| format!("{{\"type\":\"string\",\"pattern\":\"x.*[a-m].{{{n}}}y\"}}"), ",")
        ),
    );
    schema(
        "an impossible number",
        "{\"type\":\"number\",\"minimum\":1e308,\"multipleOf\":1e-300}".to_owned(),
    );
    schema("wide bounds", "{\"type\":\"integer\",\"minimum\":-1e300,\"maximum\":1e300}".to_owned());
    schema("wide bounds of numbers", "{\"type\":\"number\",\"minimum\":-1e300,\"maximum\":1e300}".to_owned());
    schema("multiples together", r#"{"allOf":[{"multipleOf":99999989},{"multipleOf":99999971}]}"#.to_owned());
    schema("multiples", "{\"type\":\"integer\",\"multipleOf\":999999937}".to_owned());
    schema("too long a schema", format!("{{\"title\":\"{}\"}}", "a".repeat(200_000)));
    schema("a title", format!("{{\"title\":\"{}\"}}", "a".repeat(120_000)));

    let mut regex = |name: &str, text: String| all.push((name.to_owned(), Grammar::Regex(text)));
    regex("nested repetition", "(a{1,100}){1,100}".to_owned());
    regex("deeply nested repetition", "((((a{1,100}){1,100}){1,100}){1,100}){1,100}".to_owned());
    regex("a large count", "a{1000000}".to_owned());
    regex("the largest count", "(ab|c){4294967295}".to_owned());
    regex("states in the power of two", "(a|b)*a(a|b){60}".to_owned());
    regex("more such states", "(.|\n)*a(.|\n){2000}b".to_owned());
    regex("many options", "(a?){5000}a{5000}".to_owned());
    regex("many options in a row", "a?".repeat(2_040));
    regex("many stars in a row", "a*b*".repeat(1_020));
    regex("brackets", format!("{}{}", "(".repeat(2_000), ")".repeat(2_000)));
    regex("brackets that are allowed", format!("{}a{}", "(".repeat(190), ")*".repeat(190)));
    regex("brackets that are never closed", "(".repeat(4_000));
    regex("many alternatives", repeated(600, |n| format!("w{n}x"), "|"));
    regex("all characters", r"[\x{0}-\x{10FFFF}]{1,100}\p{L}{50}\P{L}{50}\w{50}".to_owned());
    regex("too long an expression", "a".repeat(20_000));

    let mut lark = |name: &str, text: String| all.push((name.to_owned(), Grammar::Lark(text)));
    lark("brackets in a grammar", format!("start: {}\"a\"{}", "(".repeat(50_000), ")".repeat(50_000)));
    lark(
        "brackets in a grammar that are allowed",
        format!("start: {}\"a\"{}", "(".repeat(190), ")*".repeat(190)),
    );
    lark("a rule of itself", "start: start".to_owned());
    lark("rules of each other", "start: a\na: b\nb: a".to_owned());
    lark("an ambiguous grammar", "start: s\ns: s s | s s s | \"a\" | \"\"".to_owned());
    lark("a long expression in a grammar", format!("start: /{}/", "a?".repeat(30_000)));
    lark("stars in a grammar", format!("start: /{}/", "a*b*".repeat(15_000)));
    lark(
        "long texts in a grammar",
        format!("start: {}", vec![format!("\"{}\"", "a".repeat(500)); 100].join(" | ")),
    );
    lark("a right-recursive grammar", "start: \"a\" start | \"a\"".to_owned());
    lark(
        "a chain of rules",
        format!("start: r0\n{}\nr2500: \"a\"", repeated(2_500, |n| format!("r{n}: r{}", n + 1), "\n")),
    );
    for (name, count) in [("a chain of terminals", 2_500), ("a chain of terminals that is allowed", 299)] {
        lark(
            name,
            format!(
                "start: T0\n{}\nT{count}: \"a\"",
                repeated(count, |n| format!("T{n}: T{} \"b\"?", n + 1), "\n")
            ),
        );
    }
    lark(
        "rules doubled",
        format!("start: r0\n{}\nr60: \"a\"", repeated(60, |n| format!("r{n}: r{0} r{0}", n + 1), "\n")),
    );
    lark(
        "terminals doubled",
        format!("start: T0\n{}\nT60: \"a\"", repeated(60, |n| format!("T{n}: T{0} T{0}", n + 1), "\n")),
    );
    lark("a large count in a grammar", "start: (\"a\" | \"b\"){1000000000}".to_owned());
    lark("key patterns in a grammar", {
        let patterns = repeated(2_000, |n| format!("\"\\u005ek{n}.*x.*y\":{{}}"), ",");
        format!("start: %json {{\"type\":\"object\",\"\\u0070atternProperties\":{{{patterns}}}}}")
    });
    lark("many words", format!("start: ({})*", repeated(5_000, |n| format!("\"w{n}\""), " | ")));
    lark("a regex in a grammar", "start: /((((a{1,100}){1,100}){1,100}){1,100}){1,100}/".to_owned());
    lark("a substring", format!("start: %regex {{\"substring_chars\": \"{}\"}}", "ab".repeat(30_000)));
    all
}

/// Processor time of this process so far, in steps of ten milliseconds: unlike time on the wall it does not grow with
/// what else the machine does.
fn worked() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, behind_the_name) = stat.rsplit_once(')').unwrap();
    let ticks: u64 =
        behind_the_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// Makes the constraint and takes some steps: the work of the first and the most of the others, and what came of it.
fn tried(words: &Words, grammar: &Grammar) -> (Duration, Duration, String) {
    let started = worked();
    let made = words.constraint(grammar);
    let ready = worked() - started;
    let mut constraint = match made {
        Ok(constraint) => constraint,
        Err(refused) => return (ready, Duration::ZERO, refused.to_string()),
    };
    let mut chance = Chance(11);
    let mut longest = Duration::ZERO;
    for _ in 0..60 {
        let started = worked();
        let possible = constraint.mask().map(allowed);
        longest = longest.max(worked() - started);
        let accepted = possible.and_then(|possible| constraint.accept(possible[chance.next(possible.len())]));
        longest = longest.max(worked() - started);
        match accepted {
            Err(refused) => return (ready, longest, format!("given up: {refused}")),
            Ok(()) if constraint.has_ended() => break,
            Ok(()) => {}
        }
    }
    (ready, longest, "kept to".to_owned())
}

#[test]
fn hostile_grammars_are_refused_or_kept_to_within_a_second() {
    let words = smollm2();
    let mut slow = Vec::new();
    for (name, grammar) in hostile() {
        let (done, outcome) = mpsc::channel();
        // On threads of their own, so that one that takes for ever is known by its name.
        thread::spawn(move || done.send(tried(words, &grammar)));
        match outcome.recv_timeout(Duration::from_secs(120)) {
            Ok((ready, step, outcome)) => {
                eprintln!("{name}: {ready:?}, steps up to {step:?}, {outcome}");
                if ready > Duration::from_secs(1) || step > Duration::from_millis(500) {
                    slow.push(format!("{name}: {ready:?}, steps up to {step:?}"));
                }
            }
            Err(_) => slow.push(format!("{name}: no end")),
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}
