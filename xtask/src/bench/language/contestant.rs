//! A program with a model in it, which answers questions line by line.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process;

/// Runs until it is dropped. Between questions it sleeps.
#[derive(Debug)]
pub(super) struct Contestant {
    child: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    shown: String,
    /// What it said when its model was loaded.
    pub(super) greeting: Value,
}

impl Contestant {
    /// Starts it and waits until its model is loaded.
    pub(super) fn start(mut command: Command) -> Result<Self> {
        let shown = process::show(&command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {shown}"))?;
        let questions = child.stdin.take().context("the input was asked for")?;
        let stdout = child.stdout.take().context("the output was asked for")?;
        let answers = BufReader::new(stdout).lines();
        let mut contestant = Self { child, questions, answers, shown, greeting: Value::Null };
        contestant.greeting = contestant.next()?;
        Ok(contestant)
    }

    /// Asks and waits for the answer.
    pub(super) fn ask(&mut self, question: &str) -> Result<Value> {
        writeln!(self.questions, "{question}").with_context(|| self.shown.clone())?;
        self.next().with_context(|| format!("asked: {question}"))
    }

    /// Asks for something whose time is told.
    pub(super) fn seconds(&mut self, question: &str) -> Result<f64> {
        number(&self.ask(question)?, "seconds").with_context(|| format!("asked: {question}"))
    }

    fn next(&mut self) -> Result<Value> {
        match self.answers.next() {
            Some(line) => {
                let line = line.with_context(|| self.shown.clone())?;
                serde_json::from_str(&line).with_context(|| format!("{} answered: {line}", self.shown))
            }
            None => bail!("{} ended: {}", self.shown, self.child.wait()?),
        }
    }
}

/// A number above zero of an answer.
pub(super) fn number(answer: &Value, name: &str) -> Result<f64> {
    match answer[name].as_f64() {
        Some(number) if number > 0.0 => Ok(number),
        _ => bail!("{name} is not told: {answer}"),
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Contestant> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Contestant::start(command)
    }

    #[test]
    fn questions_are_answered_one_by_one() {
        let script = "echo '{\"load_seconds\": 1}'; while read line; do echo '{\"seconds\": 0.5}'; done";
        let mut contestant = shell(script).unwrap();
        assert_eq!(number(&contestant.greeting, "load_seconds").unwrap(), 1.0);
        assert_eq!(contestant.seconds("prefill 64").unwrap(), 0.5);
        assert_eq!(contestant.seconds("prefill 64").unwrap(), 0.5);
    }

    #[test]
    fn a_program_that_ends_or_tells_no_time_makes_the_measurement_void() {
        assert!(shell("exit 3").unwrap_err().to_string().contains("exit status: 3"));
        assert!(shell("echo loaded").is_err());
        let mut mute = shell("echo '{}'; read line; echo '{\"seconds\": 0}'; read line").unwrap();
        assert!(mute.seconds("prefill 64").is_err());
    }
}
