//! Texts: words become numbers, and a small transformer tells what the text is about.
//!
//! [`Tokenizer`] learns the words of the training rows; [`TextPreparation`] does to a column of texts what
//! `yard-features` does to other columns, in memory and in the model's graph, so that a served model takes raw texts;
//! [`TextNetwork`] is the model. Which operators the graph uses for it, and why, is decision record 0007.

mod characters;
mod emit;
mod forward;
mod network;
mod preparation;
mod tokenizer;

pub use emit::emit_text;
pub use network::{TextNetwork, TextPlan};
pub use preparation::TextPreparation;
pub use tokenizer::{Tokenizer, TokenizerOptions};

#[cfg(test)]
mod tests;
