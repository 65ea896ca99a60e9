//! How much a file may ask for.

/// How much a file may ask for, besides that nothing can be longer than the file itself.
///
/// Reading takes memory in proportion to what it reads: at most about four times `head_bytes`, plus about 200 bytes
/// for each entry and tensor. Tensors' data is not copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// Bytes of everything before the tensors' data: 128 MiB. A vocabulary of 262,144 tokens takes about 7 MiB.
    pub head_bytes: usize,
    /// Metadata entries: 65,536.
    pub entries: usize,
    /// Tensors: 65,536.
    pub tensors: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self { head_bytes: 128 << 20, entries: 1 << 16, tensors: 1 << 16 }
    }
}
