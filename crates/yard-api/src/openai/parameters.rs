//! Every parameter that is known, by route, and whether it works.

use serde_json::Value;

mod tables;

pub(crate) use tables::{CHAT, COMPLETIONS, DETOKENIZE, EMBEDDINGS, RERANK, RESPONSES, TOKENIZE};

/// A route with parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/rerank`
    Rerank,
    /// `POST /tokenize`
    Tokenize,
    /// `POST /detokenize`
    Detokenize,
}

/// A field of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it may be, fit for "must be ...". Of a refused parameter, the value that asks for nothing and is therefore
    /// let through, as JSON; `null` always is.
    pub accepts: &'static str,
    /// Whether it has an effect.
    pub support: Support,
    /// What else is to be said of one that works, such as what it is when it is left out; may be empty.
    pub note: &'static str,
}

/// Whether a parameter has an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It does what the API documents.
    Works,
    /// It may be given and does nothing, for this reason.
    Ignored(&'static str),
    /// It is an error to ask for it, for this reason.
    Refused(&'static str),
}

/// Every parameter of a route; any other is an error.
#[must_use]
pub const fn parameters(route: Route) -> &'static [Parameter] {
    match route {
        Route::ChatCompletions => CHAT,
        Route::Completions => COMPLETIONS,
        Route::Responses => RESPONSES,
        Route::Embeddings => EMBEDDINGS,
        Route::Rerank => RERANK,
        Route::Tokenize => TOKENIZE,
        Route::Detokenize => DETOKENIZE,
    }
}

// === impl Parameter ===

impl Parameter {
    pub(crate) const fn works(name: &'static str, accepts: &'static str) -> Self {
        Self { name, accepts, support: Support::Works, note: "" }
    }

    pub(crate) const fn ignored(name: &'static str, why: &'static str) -> Self {
        Self { name, accepts: "anything", support: Support::Ignored(why), note: "" }
    }

    pub(crate) const fn refused(name: &'static str, why: &'static str) -> Self {
        Self::refused_unless(name, "null", why)
    }

    pub(crate) const fn refused_unless(name: &'static str, accepts: &'static str, why: &'static str) -> Self {
        Self { name, accepts, support: Support::Refused(why), note: "" }
    }

    /// The same with a note, in words that can stand between two full stops.
    pub(crate) const fn noted(self, note: &'static str) -> Self {
        Self { name: self.name, accepts: self.accepts, support: self.support, note }
    }

    /// Whether a value of a refused parameter asks for nothing.
    pub(crate) fn lets_through(&self, value: &Value) -> bool {
        serde_json::from_str::<Value>(self.accepts).is_ok_and(|accepted| accepted == *value)
    }
}
