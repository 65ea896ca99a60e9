//! The characters that stand for bytes in byte-level vocabularies.
//!
//! Vocabularies are kept as text, so each byte has a character that can be seen: printable Latin-1 stands for itself,
//! the other 68 bytes take the characters from U+0100 on, in order.

use std::sync::LazyLock;

/// The characters beyond the last one that stands for a byte.
const END: usize = 0x100 + 68;

static BYTES: LazyLock<[Option<u8>; END]> = LazyLock::new(|| {
    let mut bytes = [None; END];
    let mut next = 0x100;
    for byte in 0..=u8::MAX {
        if stands_for_itself(byte) {
            bytes[usize::from(byte)] = Some(byte);
        } else {
            bytes[next] = Some(byte);
            next += 1;
        }
    }
    bytes
});

fn stands_for_itself(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// The bytes that `text` stands for; none if a character stands for no byte.
pub(super) fn bytes_of(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| *BYTES.get(character as usize)?).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_character() {
        let text: String =
            (0..END as u32).filter_map(char::from_u32).filter(|c| BYTES[*c as usize].is_some()).collect();
        let mut bytes = bytes_of(&text).unwrap();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=u8::MAX).collect::<Vec<_>>());
    }

    #[test]
    fn a_space_is_written_as_a_g_with_a_dot() {
        assert_eq!(bytes_of("Ġthe").unwrap(), b" the");
        assert_eq!(bytes_of("ĊĀ").unwrap(), b"\n\0");
    }

    #[test]
    fn other_characters_stand_for_nothing() {
        assert_eq!(bytes_of("a b"), None);
        assert_eq!(bytes_of("日"), None);
    }
}
