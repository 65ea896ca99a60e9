//! A template, and the text it makes of a conversation.

mod dialect;
mod error;
mod json;

use std::io;

use jiff::civil::DateTime;
use minijinja::{Environment, Error, ErrorKind, State, Value, syntax::SyntaxConfig, value::Serde};

use self::error::REFUSED;
use crate::{Conversation, ToolFormat};

pub use error::TemplateError;

/// Where templates find the time, which functions cannot be given otherwise.
const NOW: &str = "__now__";
const NAME: &str = "chat_template";

/// How much a template may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TemplateLimits {
    /// Bytes of the template.
    pub source_bytes: usize,
    /// Instructions of the template's interpreter.
    pub instructions: u64,
    /// Bytes of the text.
    pub text_bytes: usize,
}

impl Default for TemplateLimits {
    /// Some times what real templates need for the longest conversations.
    fn default() -> Self {
        Self { source_bytes: 256 << 10, instructions: 5_000_000, text_bytes: 8 << 20 }
    }
}

/// Texts of a model's special tokens that templates write.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpecialTexts {
    /// Begins a text.
    pub beginning: String,
    /// Ends a text.
    pub end: String,
}

/// A template that has been read. It sees the conversation and nothing else: no files, no environment, no other
/// template.
///
/// Its work and its output are bounded. A template that doubles a text it never writes may still take memory: whoever runs
/// templates of strangers does it in a process whose memory is bounded.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    specials: SpecialTexts,
    limits: TemplateLimits,
    /// How it has functions called; `None` if it knows none.
    tools: Option<ToolFormat>,
}

impl ChatTemplate {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// It is too long or no template.
    pub fn new(source: &str, specials: SpecialTexts, limits: TemplateLimits) -> Result<Self, TemplateError> {
        if source.len() > limits.source_bytes {
            return Err(TemplateError::TooLong { bytes: source.len(), limit: limits.source_bytes });
        }
        let mut environment = Environment::new();
        // As `transformers` sets up its own, which templates are written for.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| TemplateError::malformed(&error))?);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_fuel(Some(limits.instructions));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter("tojson", json::to_json);
        environment.add_test("iterable", dialect::is_iterable);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        environment
            .add_template_owned(NAME, dialect::without_marks(source).into_owned())
            .map_err(|error| TemplateError::malformed(&error))?;
        Ok(Self { environment, specials, limits, tools: ToolFormat::of_template(source) })
    }

    /// How its models call functions; those of a template that knows none are told to.
    #[must_use]
    pub fn tool_format(&self) -> ToolFormat {
        self.tools.unwrap_or(ToolFormat::Tagged)
    }

    /// The conversation as this template can write it: functions are written out where it knows none.
    #[must_use]
    pub fn fitted(&self, conversation: Conversation) -> Conversation {
        if self.tools.is_none() { conversation.with_tools_written_out() } else { conversation }
    }

    /// The text of a conversation.
    ///
    /// # Errors
    ///
    /// The template refuses the conversation, fails at it, or does or writes too much.
    pub fn render(&self, conversation: &Conversation) -> Result<String, TemplateError> {
        let messages: Vec<_> = conversation.messages.iter().map(crate::Message::to_value).collect();
        let now = conversation.now.map(|now| now.to_string());
        let tools = if conversation.tools.is_empty() {
            Value::from(())
        } else {
            Value::from(Serde(&conversation.tools))
        };
        let named = minijinja::context! {
            messages => Value::from(Serde(&messages)),
            tools => tools,
            add_generation_prompt => conversation.begin_answer,
            bos_token => self.specials.beginning.as_str(),
            eos_token => self.specials.end.as_str(),
            __now__ => now,
            ..Value::from(Serde(&conversation.settings))
        };
        let mut text = Bounded { bytes: Vec::new(), limit: self.limits.text_bytes };
        let template =
            self.environment.get_template(NAME).map_err(|error| TemplateError::malformed(&error))?;
        let outcome = template.render_captured_to(named, &mut text).map(drop);
        if text.bytes.len() > self.limits.text_bytes {
            return Err(TemplateError::TooMuchText { limit: self.limits.text_bytes });
        }
        outcome.map_err(|error| TemplateError::failed(&error))?;
        String::from_utf8(text.bytes)
            .map_err(|_| TemplateError::Failed { line: None, problem: "it wrote no text".to_owned() })
    }
}

/// Takes as much as is allowed, and a byte more to tell that there was more.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.limit + 1 - self.bytes.len().min(self.limit + 1);
        if room == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let taken = bytes.len().min(room);
        self.bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How templates refuse a conversation.
fn raise_exception(message: &str) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, format!("{REFUSED}{message}")))
}

/// The time, if there is one, as C's `strftime` writes it.
fn strftime_now(state: &State<'_, '_>, format: &str) -> Result<String, Error> {
    let refused = |problem: String| Error::new(ErrorKind::InvalidOperation, problem);
    let now = state.lookup(NOW).and_then(|now| now.as_str().and_then(|now| now.parse::<DateTime>().ok()));
    let now = now.ok_or_else(|| refused("the time is not told".to_owned()))?;
    jiff::fmt::strtime::format(format, now).map_err(|error| refused(error.to_string()))
}
