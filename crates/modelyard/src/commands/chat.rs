//! `chat`: a language model in the terminal.

mod answer;
mod conversation;
mod line;
mod lines;

use std::{
    io::{self, IsTerminal as _},
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Error, Result};
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};
use yard_client::{ChatOptions, ClientError, Refusal};

pub(crate) use self::answer::{Answer, Report, stream};
use self::{conversation::Conversation, line::Action, lines::Lines};
use super::Session;
use crate::{
    exit::{Interrupted, UsageError},
    input::InputError,
    model_ref::ModelRef,
};

/// Chat with a language model
///
/// Reads a line, streams the answer and keeps the conversation; `/help` shows what else can be typed. Ctrl-C stops an
/// answer; at the prompt it leaves, as the end of the input does. Questions may also come through a pipe, a line each:
/// then the first failure ends the command, and so does Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  modelyard chat smollm --prompt \"What is the capital of France? Answer with one word.\""
)]
pub(crate) struct ChatArgs {
    /// The model, as NAME (what unversioned requests get), NAME@alias or NAME:version
    name: ModelRef,

    /// What the model is told before the first question
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,

    /// 0 takes the best token each time; higher, up to 2, chooses more freely [default: the server's, which is 1]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = read_temperature)]
    temperature: Option<f64>,

    /// Longest answer, in tokens [default: as many as there is room for]
    #[arg(long, value_name = "COUNT")]
    max_tokens: Option<NonZeroU32>,

    /// Decides all draws, so that the same chat has the same answers; each `/retry` counts one more
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    seed: Option<i64>,

    /// File with a JSON schema: answers keep to it
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,

    /// Ask this one question and end
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
}

fn read_temperature(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if number.is_finite() { Ok(number) } else { Err("it is not finite".to_owned()) }
}

/// A chat that goes on.
struct Chat<'a> {
    session: &'a Session,
    model: &'a ModelRef,
    options: ChatOptions,
    conversation: Conversation,
    interrupts: Signal,
    /// Whether a person types the questions: a failure is told, and the chat goes on.
    is_typed: bool,
}

pub(crate) async fn run(args: ChatArgs, session: &Session) -> Result<()> {
    let options = ChatOptions {
        temperature: args.temperature,
        max_tokens: args.max_tokens.map(NonZeroU32::get),
        seed: args.seed,
        schema: args.schema.as_deref().map(read_schema).transpose()?,
    };
    let mut chat = Chat {
        session,
        model: &args.name,
        options,
        conversation: Conversation::new(args.system),
        interrupts: signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?,
        is_typed: args.prompt.is_none() && io::stdin().is_terminal(),
    };
    match args.prompt {
        Some(question) => {
            chat.conversation.ask(&question);
            chat.respond().await
        }
        None => chat.talk().await,
    }
}

fn read_schema(path: &Path) -> Result<Value, InputError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| InputError::Unreadable { path: path.to_path_buf(), source })?;
    serde_json::from_str(&text).map_err(|error| InputError::Content {
        path: path.to_path_buf(),
        reason: format!("it is no JSON: {error}"),
    })
}

impl Chat<'_> {
    /// Answers line by line until the input ends.
    async fn talk(&mut self) -> Result<()> {
        let output = self.session.output;
        if self.is_typed {
            self.prepare().await?;
            output.talk(format!("A chat with {}. /help shows what can be typed.", self.model));
        }
        let mut lines = Lines::of_stdin()?;
        loop {
            if self.is_typed {
                output.ask_for_line();
            }
            let line = tokio::select! {
                line = lines.next() => line?,
                _ = self.interrupts.recv() => {
                    if !self.is_typed {
                        return Err(Interrupted.into());
                    }
                    None
                }
            };
            let Some(line) = line else {
                if self.is_typed {
                    // The shell's prompt gets a line of its own.
                    output.talk("");
                }
                return Ok(());
            };
            match line::action(&line) {
                Action::Nothing => {}
                Action::Quit => return Ok(()),
                Action::Help => output.talk(line::HELP),
                Action::Say(text) => {
                    self.conversation.ask(text);
                    self.respond().await?;
                }
                Action::Retry => {
                    if self.conversation.ask_again() {
                        self.respond().await?;
                    } else {
                        self.refuse("there is no question to ask again".to_owned())?;
                    }
                }
                Action::Reset => {
                    self.conversation.reset();
                    self.confirm("a new chat");
                }
                Action::System(text) => {
                    self.conversation.set_system(text.map(str::to_owned));
                    self.confirm(match text {
                        Some(_) => "the model is told this from the next question on",
                        None => "the model is told nothing before the chat",
                    });
                }
                Action::NoCommand { name, takes_nothing } => {
                    self.refuse(line::no_command(name, takes_nothing))?;
                }
            }
        }
    }

    /// Finds out whether there is such a model before anybody thinks of a question.
    async fn prepare(&mut self) -> Result<()> {
        let ModelRef { model, selector } = self.model;
        tokio::select! {
            prepared = self.session.client.prepare_chat(model, selector) => Ok(prepared?),
            _ = self.interrupts.recv() => Err(Interrupted.into()),
        }
    }

    /// Has the last question answered. Fails only if the chat cannot go on.
    async fn respond(&mut self) -> Result<()> {
        let output = self.session.output;
        let answer = match self.answer().await {
            Ok(answer) => answer,
            Err(error) => return self.tell_failure(error),
        };
        if answer.end.is_some() {
            output.data(&answer.report()?, String::new)?;
        } else if !self.is_typed {
            return Err(Interrupted.into());
        }
        output.aside(&answer.figures());
        let max_tokens = self.options.max_tokens;
        if let Some(why) = answer.cut_short(max_tokens) {
            let what_to_do = if self.is_typed && answer.filled_context(max_tokens) {
                ": /reset begins a new chat"
            } else {
                ""
            };
            output.talk(format!("{why}{what_to_do}"));
        }
        self.conversation.answer(answer.text);
        Ok(())
    }

    /// What comes of the answer until it ends or Ctrl-C is pressed.
    async fn answer(&mut self) -> Result<Answer> {
        let messages = self.conversation.messages();
        // The same draws would give the same answer again.
        let seed = self.options.seed.map(|seed| seed.wrapping_add(self.conversation.retries()));
        let options = ChatOptions { seed, ..self.options.clone() };
        let mut answer = Answer::default();
        let streamed = tokio::select! {
            streamed = stream(self.session, self.model, &messages, &options, &mut answer) => streamed,
            _ = self.interrupts.recv() => Ok(()),
        };
        let line_ended = answer.end_line(self.session);
        streamed?;
        line_ended?;
        Ok(answer)
    }

    /// Tells a person what went wrong; a program is told by the end of the command.
    fn tell_failure(&self, error: Error) -> Result<()> {
        let output = self.session.output;
        if let Some(refusal) = error.downcast_ref::<ClientError>().and_then(no_room) {
            let advice = advice_on_length(refusal, self.conversation.has_answers());
            if self.is_typed {
                output.talk(format!("{advice} ({})", refusal.message));
                return Ok(());
            }
            return Err(error.context(advice));
        }
        // What is no failure of the server's, such as a closed output, is not mended by another question.
        if self.is_typed && error.is::<ClientError>() {
            output.failure(&error);
            return Ok(());
        }
        Err(error)
    }

    /// Says what is wrong with a line, or ends the command where nobody listens.
    fn refuse(&self, why: String) -> Result<()> {
        if !self.is_typed {
            return Err(UsageError(why).into());
        }
        self.session.output.talk(why);
        Ok(())
    }

    /// Says that something was done, to whoever typed it.
    fn confirm(&self, what: &str) {
        if self.is_typed {
            self.session.output.talk(what);
        }
    }
}

/// The server's words, if it refused a chat because it has no room for it.
fn no_room(error: &ClientError) -> Option<&Refusal> {
    match error {
        ClientError::Refused(refusal) => {
            Some(refusal).filter(|refusal| refusal.detail.as_deref() == Some("context_length_exceeded"))
        }
        _ => None,
    }
}

/// What to do about a chat for which the model has no room.
fn advice_on_length(refusal: &Refusal, has_answers: bool) -> String {
    let lower = if refusal.param.as_deref() == Some("max_tokens") { ", or lower --max-tokens" } else { "" };
    if has_answers {
        format!("the model's context is full: begin a new chat with /reset{lower}")
    } else {
        format!("the question does not fit into the model's context: shorten it{lower}")
    }
}

#[cfg(test)]
mod tests {
    use yard_types::ErrorCode;

    use super::*;

    fn refusal(detail: Option<&str>, param: &str) -> ClientError {
        ClientError::Refused(Refusal {
            code: ErrorCode::InvalidArgument,
            status: Some(400),
            message: "the prompt has 9000 tokens".into(),
            detail: detail.map(str::to_owned),
            param: Some(param.to_owned()),
            request_id: None,
            retry_after_seconds: None,
        })
    }

    #[test]
    fn a_full_context_is_told_with_what_to_do() {
        let advice = |param: &str, has_answers| {
            let error = refusal(Some("context_length_exceeded"), param);
            advice_on_length(no_room(&error).unwrap(), has_answers)
        };
        assert!(advice("messages", true).contains("context is full: begin a new chat with /reset"));
        assert!(advice("messages", false).ends_with("shorten it"));
        assert!(advice("max_tokens", true).ends_with("/reset, or lower --max-tokens"));
        assert!(advice("max_tokens", false).ends_with("shorten it, or lower --max-tokens"));
    }

    #[test]
    fn other_refusals_are_not_taken_for_it() {
        assert!(no_room(&refusal(None, "messages")).is_none());
        assert!(no_room(&refusal(Some("unknown_parameter"), "seed")).is_none());
        assert!(no_room(&ClientError::TimedOut { server: "http://localhost".into() }).is_none());
    }

    #[test]
    fn a_temperature_is_a_number() {
        assert_eq!(read_temperature("0.5"), Ok(0.5));
        for text in ["", "warm", "nan", "inf"] {
            assert!(read_temperature(text).is_err(), "{text}");
        }
    }
}
