//! Conversations and the texts that models read them as.
//!
//! A model was trained on chats that were written down in one way: its template, in the Jinja language, says in which.
//! Templates come with models from anywhere, so that they are run without access to anything, with an end to their work
//! and their output. This crate knows no engine and no HTTP.

#![warn(missing_docs)]

mod built_in;
mod conversation;
mod template;
mod tools;

pub use built_in::BuiltIn;
pub use conversation::{Conversation, Message, Role, ToolCall};
pub use template::{ChatTemplate, SpecialTexts, TemplateError, TemplateLimits};
pub use tools::{ToolCallReader, ToolFormat, Written};
