//! Files as bytes: a small whole one, and ones that say whatever a test wants.

use yard_gguf::{Array, BlockType, GgufWriter, Metadata, Strings, TensorInfo};

/// Bytes put together by hand.
#[derive(Debug, Default, Clone)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Bytes {
    /// A header of version 3.
    pub(crate) fn header(tensors: u64, entries: u64) -> Self {
        Self(b"GGUF".to_vec()).u32(3).u64(tensors).u64(entries)
    }

    pub(crate) fn raw(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.extend(bytes.as_ref());
        self
    }

    pub(crate) fn u32(self, value: u32) -> Self {
        self.raw(value.to_le_bytes())
    }

    pub(crate) fn u64(self, value: u64) -> Self {
        self.raw(value.to_le_bytes())
    }

    /// Text behind its length.
    pub(crate) fn text(self, text: impl AsRef<[u8]>) -> Self {
        self.u64(text.as_ref().len() as u64).raw(text)
    }

    /// The description of a tensor.
    pub(crate) fn tensor(self, name: &str, dimensions: &[u64], number: u32, offset: u64) -> Self {
        let with_count = self.text(name).u32(dimensions.len() as u32);
        dimensions.iter().fold(with_count, |bytes, dimension| bytes.u64(*dimension)).u32(number).u64(offset)
    }

    /// Zeros up to the next multiple of 32, and `length` more: the data of tensors.
    pub(crate) fn data(mut self, length: usize) -> Self {
        self.0.resize(self.0.len().next_multiple_of(32) + length, 0);
        self
    }
}

/// A valid file with values of every type and a few tensors, less than 2 kB long.
pub(crate) fn small_file() -> Vec<u8> {
    let mut metadata = Metadata::new();
    let mut set = |key: &str, value: yard_gguf::Value| metadata.set(key, value).unwrap();
    set("general.alignment", 64_u32.into());
    set("u8", 8_u8.into());
    set("i8", (-8_i8).into());
    set("u16", 16_u16.into());
    set("i16", (-16_i16).into());
    set("i32", (-32_i32).into());
    set("f32", 0.5_f32.into());
    set("bool", true.into());
    set("text", "größer".into());
    set("u64", u64::MAX.into());
    set("i64", i64::MIN.into());
    set("f64", 0.25_f64.into());
    set("bools", vec![true, false].into());
    set("floats", vec![1.0_f32, 2.0].into());
    set("words", ["a", "", "ccc"].into_iter().collect::<Strings>().into());
    set("nested", Array::Arrays(vec![Array::U16(vec![1, 2]), Array::Arrays(vec![])]).into());
    let tensors = [
        TensorInfo::new("scales", BlockType::F32, &[3]).unwrap(),
        TensorInfo::new("small", BlockType::Q4_0, &[32, 2]).unwrap(),
        TensorInfo::new("large", BlockType::Q6_K, &[256, 1, 2]).unwrap(),
    ];
    let mut writer = GgufWriter::start(Vec::new(), &metadata, &tensors).unwrap();
    for (index, tensor) in tensors.iter().enumerate() {
        let bytes: Vec<u8> = (0..tensor.byte_length()).map(|byte| (byte * (index + 3)) as u8).collect();
        writer.tensor(tensor.name(), &bytes).unwrap();
    }
    writer.finish().unwrap()
}
