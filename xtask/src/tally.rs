//! Counting tests from what their runners say last.

use std::ops::AddAssign;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl Tally {
    /// Why this is no success, or `None` where it is one. What was skipped was not tested, and neither is an empty run.
    pub(crate) fn complaint(&self) -> Option<String> {
        if self.failed > 0 {
            Some(format!("{} failed", self.failed))
        } else if self.skipped > 0 {
            Some(format!("{} skipped, and a skipped test has tested nothing", self.skipped))
        } else if self.passed == 0 {
            Some("no test ran".to_owned())
        } else {
            None
        }
    }
}

/// `Summary [   1.2s] 5/9 tests run: 3 passed (1 slow), 1 failed, 1 timed out, 0 skipped`, as nextest ends.
pub(crate) fn of_nextest_line(line: &str) -> Option<Tally> {
    let plain = without_colours(line);
    let (_, counts) = plain.trim().strip_prefix("Summary")?.split_once(" run: ")?;
    let mut tally = Tally::default();
    for part in without_parentheses(counts).split(',') {
        let (count, outcome) = part.trim().split_once(' ')?;
        let count = count.parse::<u64>().ok()?;
        match outcome.trim() {
            "passed" => tally.passed += count,
            "skipped" => tally.skipped += count,
            _ => tally.failed += count,
        }
    }
    Some(tally)
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`, as `cargo test`
/// says once for each test program.
pub(crate) fn of_cargo_test_line(line: &str) -> Option<Tally> {
    let plain = without_colours(line);
    let (_, counts) = plain.trim().strip_prefix("test result:")?.split_once(". ")?;
    let mut tally = Tally::default();
    for part in counts.split(';') {
        let (count, outcome) = part.trim().split_once(' ')?;
        match outcome {
            "passed" => tally.passed = count.parse().ok()?,
            "failed" => tally.failed = count.parse().ok()?,
            "ignored" => tally.skipped = count.parse().ok()?,
            _ => {}
        }
    }
    Some(tally)
}

/// `3 passed, 0 failed`, `, 1 skipped` may follow: what our own scripts end with.
pub(crate) fn of_plain_line(line: &str) -> Option<Tally> {
    let mut parts = line.trim().split(", ");
    let passed = parts.next()?.strip_suffix(" passed")?.parse().ok()?;
    let failed = parts.next()?.strip_suffix(" failed")?.parse().ok()?;
    let skipped = match parts.next() {
        Some(part) => part.strip_suffix(" skipped")?.parse().ok()?,
        None => 0,
    };
    parts.next().is_none().then_some(Tally { passed, failed, skipped })
}

fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, escape)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = escape.split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}

fn without_parentheses(text: &str) -> String {
    let mut depth = 0_usize;
    let outside = |character: &char| {
        match character {
            '(' => depth += 1,
            ')' => {
                depth = depth.saturating_sub(1);
                return false;
            }
            _ => {}
        }
        depth == 0
    };
    text.chars().filter(outside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: u64, failed: u64, skipped: u64) -> Option<Tally> {
        Some(Tally { passed, failed, skipped })
    }

    #[test]
    fn reads_what_nextest_says_last() {
        let check = |line, expected| assert_eq!(of_nextest_line(line), expected, "{line}");
        check("     Summary [   0.007s] 3 tests run: 3 passed, 0 skipped", tally(3, 0, 0));
        check("     Summary [   0.007s] 1 test run: 1 passed, 0 skipped", tally(1, 0, 0));
        check(
            "     Summary [  11.0s] 5/9 tests run: 2 passed (1 slow, 1 leaky), 2 failed, 1 timed out, 4 skipped",
            tally(2, 3, 4),
        );
        check(
            "\u{1b}[32;1m     Summary\u{1b}[0m [ 1s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m passed, 0 skipped",
            tally(2, 0, 0),
        );
        check("        PASS [   0.005s] xtask tally::tests::reads", None);
    }

    #[test]
    fn reads_what_cargo_test_says_for_each_program() {
        let check = |line, expected| assert_eq!(of_cargo_test_line(line), expected, "{line}");
        check(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s",
            tally(3, 0, 1),
        );
        check(
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s",
            tally(1, 2, 0),
        );
        check("running 3 tests", None);
    }

    #[test]
    fn reads_the_plain_line_only_where_it_stands_alone() {
        let check = |line, expected| assert_eq!(of_plain_line(line), expected, "{line}");
        check("12 passed, 1 failed\n", tally(12, 1, 0));
        check("12 passed, 0 failed, 3 skipped", tally(12, 0, 3));
        check("in all 12 passed, 1 failed", None);
        check("12 passed", None);
        check("12 passed, 1 failed, 0 skipped, more", None);
    }

    #[test]
    fn failed_skipped_and_empty_runs_are_no_success() {
        let complaint = |passed, failed, skipped| Tally { passed, failed, skipped }.complaint();
        assert_eq!(complaint(3, 0, 0), None);
        assert_eq!(complaint(3, 1, 1).unwrap(), "1 failed");
        assert!(complaint(3, 0, 1).unwrap().starts_with("1 skipped"));
        assert_eq!(complaint(0, 0, 0).unwrap(), "no test ran");
    }
}
