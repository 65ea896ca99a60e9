//! What access asks of the place where the text of a key is kept for those who work on the server's machine.

use std::{fmt, io};

use crate::{KeyId, KeyText};

/// Keeps the text of one key, such as that of the first admin, where its owner finds it.
pub trait KeyKeeper: fmt::Debug + Send + Sync {
    /// Which key's text is kept; `None` when there is none, or when it cannot be read.
    fn kept_key(&self) -> Option<KeyId>;

    /// Replaces the text, whole or not at all.
    fn keep(&self, text: &KeyText) -> io::Result<()>;
}
