//! How much one request may ask for. The size of the body is limited by whoever receives it.

/// Most inputs or requested outputs of a request.
pub(crate) const MAX_TENSORS: usize = 512;
/// Most dimensions of a tensor.
pub(crate) const MAX_DIMENSIONS: usize = 32;
/// Longest name of a tensor, in bytes.
pub(crate) const MAX_NAME_LENGTH: usize = 512;
/// Longest request id, in bytes.
pub(crate) const MAX_ID_LENGTH: usize = 512;
/// Most bytes of a value that an error message repeats.
const MAX_SHOWN: usize = 64;

/// The beginning of a text that a client sent, with control characters escaped, fit for an error message.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars().take(MAX_SHOWN) {
        match character {
            '"' | '\'' | '\\' => out.push(character),
            _ => out.extend(character.escape_debug()),
        }
    }
    if text.chars().nth(MAX_SHOWN).is_some() {
        out.push_str("...");
    }
    out
}

/// As [`shown`], for bytes that may not be text.
pub(crate) fn shown_bytes(bytes: &[u8]) -> String {
    // One character takes at most four bytes.
    let enough = bytes.get(..4 * MAX_SHOWN + 4).unwrap_or(bytes);
    shown(&String::from_utf8_lossy(enough))
}
