//! How one value of an array is written.

/// The kind of a value and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::formats) struct Element {
    kind: Kind,
    /// In bytes.
    size: usize,
    big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::formats) enum Kind {
    Bool,
    Signed,
    Unsigned,
    Float,
    /// Bytes of ASCII, filled up with zeros.
    Bytes,
    /// UTF-32, filled up with zeros.
    Unicode,
}

impl Element {
    /// `None` for sizes that the kind does not have.
    pub(in crate::formats) fn new(kind: Kind, size: usize, big_endian: bool) -> Option<Self> {
        let fits = match kind {
            Kind::Bool => size == 1,
            Kind::Signed | Kind::Unsigned => matches!(size, 1 | 2 | 4 | 8),
            Kind::Float => matches!(size, 4 | 8),
            Kind::Bytes => size > 0,
            Kind::Unicode => size > 0 && size.is_multiple_of(4),
        };
        fits.then_some(Self { kind, size, big_endian })
    }

    /// In bytes, never 0.
    pub(in crate::formats) fn size(self) -> usize {
        self.size
    }

    pub(in crate::formats) fn is_text(self) -> bool {
        matches!(self.kind, Kind::Bytes | Kind::Unicode)
    }

    /// The value as a number; integers beyond 2^53 lose their last digits.
    pub(in crate::formats) fn number(self, bytes: &[u8]) -> f64 {
        let mut word = [0; 8];
        for (place, byte) in word.iter_mut().zip(self.lowest_first(bytes)) {
            *place = byte;
        }
        let bits = u64::from_le_bytes(word);
        match (self.kind, self.size) {
            (Kind::Bool, _) => f64::from(u8::from(bits != 0)),
            (Kind::Float, 4) => f64::from(f32::from_bits(bits as u32)),
            (Kind::Float, _) => f64::from_bits(bits),
            (Kind::Signed, size) => {
                let unused = 64 - 8 * size.min(8) as u32;
                ((bits << unused) as i64 >> unused) as f64
            }
            _ => bits as f64,
        }
    }

    /// The value as text; what is no text comes as the replacement character.
    pub(in crate::formats) fn text(self, bytes: &[u8]) -> String {
        if self.kind == Kind::Unicode {
            let letters = bytes.chunks_exact(4).map(|letter| {
                let code = self.lowest_first(letter).rev().fold(0, |code, byte| code << 8 | u32::from(byte));
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            });
            return letters.collect::<String>().trim_end_matches('\0').to_owned();
        }
        String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
    }

    fn lowest_first(self, bytes: &[u8]) -> impl DoubleEndedIterator<Item = u8> {
        let last = bytes.len().saturating_sub(1);
        (0..bytes.len()).map(move |place| bytes[if self.big_endian { last - place } else { place }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Kind, big_endian: bool, bytes: &[u8], expected: f64) {
        assert_eq!(Element::new(kind, bytes.len(), big_endian).unwrap().number(bytes), expected);
    }

    #[test]
    fn numbers_of_every_kind_are_read() {
        check(Kind::Bool, false, &[1], 1.0);
        check(Kind::Unsigned, false, &[255], 255.0);
        check(Kind::Signed, false, &[255], -1.0);
        check(Kind::Signed, true, &[0xff, 0x00], -256.0);
        check(Kind::Signed, false, &(-5_i64).to_le_bytes(), -5.0);
        check(Kind::Unsigned, true, &70_000_u32.to_be_bytes(), 70_000.0);
        check(Kind::Float, true, &1.5_f32.to_be_bytes(), 1.5);
        check(Kind::Float, false, &(-0.1_f64).to_le_bytes(), -0.1);
        assert_eq!(Element::new(Kind::Float, 3, false), None);
    }

    #[test]
    fn text_ends_before_its_filling() {
        let bytes = Element::new(Kind::Bytes, 4, false).unwrap();
        assert_eq!(bytes.text(b"ab\0\0"), "ab");
        let unicode = Element::new(Kind::Unicode, 8, true).unwrap();
        assert_eq!(unicode.text(&[0, 0, 0, 0xe9, 0, 0, 0, 0]), "é");
        assert_eq!(unicode.text(&[0xff; 8]), "\u{fffd}\u{fffd}");
    }
}
