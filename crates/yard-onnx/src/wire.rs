//! The protobuf wire format, seen without a schema: which field stands where.
//!
//! Rewriting cuts and joins these ranges, so that fields which this crate does not know survive.

use std::ops::Range;

use crate::OnnxError;

/// The length-delimited wire type.
pub(crate) const LENGTH_DELIMITED: u8 = 2;

/// One field of a message.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) wire_type: u8,
    /// Key and value.
    pub(crate) whole: Range<usize>,
    /// The value alone; for length-delimited fields without the length.
    pub(crate) value: Range<usize>,
}

/// The fields of the message that occupies `range` of `bytes`, in order. Stops after the first fault.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    next: usize,
    end: usize,
}

pub(crate) fn fields(bytes: &[u8], range: Range<usize>) -> Fields<'_> {
    let end = range.end.min(bytes.len());
    Fields { bytes, next: range.start.min(end), end }
}

/// Appends a varint.
pub(crate) fn put_varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

/// Appends the key of a length-delimited field and the length of its value, which must follow.
pub(crate) fn put_delimiter(into: &mut Vec<u8>, number: u32, length: usize) {
    put_varint(into, u64::from(number) << 3 | u64::from(LENGTH_DELIMITED));
    put_varint(into, length as u64);
}

fn fault() -> OnnxError {
    OnnxError::malformed("it is cut off or not protobuf at all")
}

impl Fields<'_> {
    fn varint(&mut self) -> Result<u64, OnnxError> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = match self.bytes[..self.end].get(self.next) {
                Some(byte) if shift < 63 || *byte <= 1 => *byte,
                _ => return Err(fault()),
            };
            self.next += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(fault())
    }

    fn skip(&mut self, length: u64) -> Result<Range<usize>, OnnxError> {
        let start = self.next;
        let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
        match end {
            Some(end) if end <= self.end => {
                self.next = end;
                Ok(start..end)
            }
            _ => Err(fault()),
        }
    }

    fn field(&mut self) -> Result<Field, OnnxError> {
        let start = self.next;
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| fault())?;
        let wire_type = (key & 7) as u8;
        let value = match wire_type {
            0 => {
                let value_start = self.next;
                self.varint()?;
                value_start..self.next
            }
            1 => self.skip(8)?,
            LENGTH_DELIMITED => {
                let length = self.varint()?;
                self.skip(length)?
            }
            5 => self.skip(4)?,
            // Groups were never part of ONNX.
            _ => return Err(fault()),
        };
        if number == 0 {
            return Err(fault());
        }
        Ok(Field { number, wire_type, whole: start..self.next, value })
    }
}

impl Iterator for Fields<'_> {
    type Item = Result<Field, OnnxError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.next = self.end;
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_and_their_ranges_cover_the_message() {
        // Field 1: varint 300; field 2: "ab"; field 3: four bytes.
        let bytes = [0x08, 0xac, 0x02, 0x12, 2, b'a', b'b', 0x1d, 1, 2, 3, 4];
        let found: Vec<Field> = fields(&bytes, 0..bytes.len()).map(Result::unwrap).collect();
        let numbers: Vec<u32> = found.iter().map(|field| field.number).collect();
        assert_eq!(numbers, [1, 2, 3]);
        assert_eq!(found[1].value, 5..7);
        assert_eq!((found[0].whole.start, found[0].whole.end, found[2].whole.end), (0, 3, bytes.len()));
    }

    #[test]
    fn what_is_cut_off_or_no_protobuf_is_refused() {
        for bytes in [&[0x12, 5, 1][..], &[0x80], &[0x0b], &[0x00, 1], &[0xff; 11], &[0x1d, 1]] {
            assert!(fields(bytes, 0..bytes.len()).any(|field| field.is_err()), "{bytes:?}");
        }
    }

    #[test]
    fn varints_are_written_as_they_are_read() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = vec![0x08];
            put_varint(&mut bytes, value);
            let mut reader = fields(&bytes, 1..bytes.len());
            assert_eq!(reader.varint().unwrap(), value);
        }
    }
}
