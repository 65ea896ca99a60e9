//! Numbers as little-endian bytes and back.

use super::CheckpointError;

#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    pub(super) fn f64(&mut self, value: f64) {
        self.raw(&value.to_le_bytes());
    }

    pub(super) fn optional_f64(&mut self, value: Option<f64>) {
        self.u8(u8::from(value.is_some()));
        self.f64(value.unwrap_or(0.0));
    }

    /// A block with its length before it.
    pub(super) fn numbers(&mut self, values: &[f32]) {
        self.u64(values.len() as u64);
        self.bytes.reserve(values.len() * 4);
        for value in values {
            self.raw(&value.to_le_bytes());
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn raw(&mut self, length: usize) -> Result<&'a [u8], CheckpointError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(CheckpointError::Damaged)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CheckpointError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(CheckpointError::Damaged)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, CheckpointError> {
        let [value] = self.array()?;
        Ok(value)
    }

    pub(super) fn u32(&mut self) -> Result<u32, CheckpointError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, CheckpointError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(super) fn f64(&mut self) -> Result<f64, CheckpointError> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    pub(super) fn optional_f64(&mut self) -> Result<Option<f64>, CheckpointError> {
        let (is_there, value) = (self.u8()? == 1, self.f64()?);
        Ok(is_there.then_some(value))
    }

    /// A block that must have this length.
    pub(super) fn numbers(&mut self, length: usize) -> Result<Vec<f32>, CheckpointError> {
        if self.u64()? != length as u64 {
            return Err(CheckpointError::OtherModel);
        }
        let (values, _) = self.raw(length * 4)?.as_chunks::<4>();
        Ok(values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }
}
