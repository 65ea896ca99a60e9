//! Templates for models whose files lack one.
//!
//! Each writes chats in the form that a family's makers have published; which one a model was trained on shows in the
//! special tokens that it has.

/// A form of chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BuiltIn {
    /// ChatML: Qwen, SmolLM and many others.
    ChatMl,
    /// Llama 3.
    Llama3,
    /// Gemma 2 and 3.
    Gemma,
    /// Phi 3.
    Phi3,
    /// Llama 2 and the first Mistral models.
    Instruct,
}

impl BuiltIn {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::ChatMl, Self::Llama3, Self::Gemma, Self::Phi3, Self::Instruct];

    /// The form whose tokens a vocabulary has. `has_token` tells whether a text is one of its special tokens.
    #[must_use]
    pub fn for_vocabulary(has_token: impl Fn(&str) -> bool) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.tokens().iter().all(|token| has_token(token)))
    }

    /// Its name, in small letters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChatMl => "chatml",
            Self::Llama3 => "llama3",
            Self::Gemma => "gemma",
            Self::Phi3 => "phi3",
            Self::Instruct => "instruct",
        }
    }

    /// The template.
    #[must_use]
    pub const fn source(self) -> &'static str {
        match self {
            Self::ChatMl => include_str!("built_in/chatml.jinja"),
            Self::Llama3 => include_str!("built_in/llama3.jinja"),
            Self::Gemma => include_str!("built_in/gemma.jinja"),
            Self::Phi3 => include_str!("built_in/phi3.jinja"),
            Self::Instruct => include_str!("built_in/instruct.jinja"),
        }
    }

    /// Special tokens that models of this form have, and others have not.
    const fn tokens(self) -> &'static [&'static str] {
        match self {
            Self::ChatMl => &["<|im_start|>", "<|im_end|>"],
            Self::Llama3 => &["<|start_header_id|>", "<|eot_id|>"],
            Self::Gemma => &["<start_of_turn>", "<end_of_turn>"],
            Self::Phi3 => &["<|user|>", "<|assistant|>", "<|end|>"],
            Self::Instruct => &["[INST]", "[/INST]"],
        }
    }
}
