//! What is written is read again.

use proptest::prelude::*;
use yard_gguf::{Array, BlockType, Gguf, GgufWriter, Metadata, ReadLimits, TensorInfo, Value, WriteError};

use crate::examined::{chain, examine, rewritten};

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u8>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        any::<u16>().prop_map(Value::from),
        any::<i16>().prop_map(Value::from),
        any::<u32>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
    ]
}

fn array() -> impl Strategy<Value = Array> {
    const COUNT: std::ops::Range<usize> = 0..5;
    let flat = prop_oneof![
        prop::collection::vec(any::<u8>(), COUNT).prop_map(Array::U8),
        prop::collection::vec(any::<i8>(), COUNT).prop_map(Array::I8),
        prop::collection::vec(any::<u16>(), COUNT).prop_map(Array::U16),
        prop::collection::vec(any::<i16>(), COUNT).prop_map(Array::I16),
        prop::collection::vec(any::<u32>(), COUNT).prop_map(Array::U32),
        prop::collection::vec(any::<i32>(), COUNT).prop_map(Array::I32),
        prop::collection::vec(any::<f32>(), COUNT).prop_map(Array::F32),
        prop::collection::vec(any::<bool>(), COUNT).prop_map(Array::Bool),
        prop::collection::vec(".{0,9}", COUNT).prop_map(|texts| Array::Strings(texts.iter().collect())),
        prop::collection::vec(any::<u64>(), COUNT).prop_map(Array::U64),
        prop::collection::vec(any::<i64>(), COUNT).prop_map(Array::I64),
        prop::collection::vec(any::<f64>(), COUNT).prop_map(Array::F64),
    ];
    flat.prop_recursive(3, 30, 5, |inner| prop::collection::vec(inner, COUNT).prop_map(Array::Arrays))
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let value = prop_oneof![scalar(), array().prop_map(Value::from)];
    let alignment = prop::option::of(prop::sample::select(vec![1_u32, 8, 32, 64, 4096]));
    (prop::collection::vec((".{1,30}", value), 0..20), alignment).prop_map(|(entries, alignment)| {
        let mut metadata = Metadata::new();
        for (key, value) in entries {
            metadata.set(&key, value).unwrap();
        }
        if let Some(alignment) = alignment {
            metadata.set("general.alignment", alignment).unwrap();
        }
        metadata
    })
}

fn tensors() -> impl Strategy<Value = Vec<TensorInfo>> {
    let shape = (1_usize..4, prop::collection::vec(1_usize..4, 0..=3));
    let one = (prop::sample::select(BlockType::ALL.to_vec()), shape);
    prop::collection::vec(one, 0..8).prop_map(|tensors| {
        let named = tensors.into_iter().enumerate();
        named
            .map(|(index, (kind, (blocks, others)))| {
                let dimensions = [vec![blocks * kind.values_per_block()], others].concat();
                TensorInfo::new(&format!("tensor.{index}"), kind, &dimensions).unwrap()
            })
            .collect()
    })
}

fn data_of(tensor: &TensorInfo) -> Vec<u8> {
    let seed = tensor.name().bytes().map(usize::from).sum::<usize>();
    (0..tensor.byte_length()).map(|index| (index * 31 + seed) as u8).collect()
}

fn written(metadata: &Metadata, tensors: &[TensorInfo]) -> Vec<u8> {
    let mut writer = GgufWriter::start(Vec::new(), metadata, tensors).unwrap();
    for tensor in tensors {
        writer.tensor(tensor.name(), &data_of(tensor)).unwrap();
    }
    writer.finish().unwrap()
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(metadata in metadata(), tensors in tensors()) {
        let bytes = written(&metadata, &tensors);
        let file = examine(&bytes).unwrap();
        prop_assert_eq!(file.metadata(), &metadata);
        prop_assert_eq!(file.tensors().map(|tensor| tensor.info.clone()).collect::<Vec<_>>(), tensors);
        for tensor in file.tensors() {
            prop_assert_eq!(tensor.bytes, data_of(tensor.info));
            let start = tensor.bytes.as_ptr() as usize - bytes.as_ptr() as usize;
            prop_assert_eq!(start % file.alignment() as usize, 0);
        }
        prop_assert!(rewritten(&file) == bytes, "the same file is written as other bytes");
    }
}

#[test]
fn a_file_of_nothing_is_a_file() {
    let bytes = written(&Metadata::new(), &[]);
    assert_eq!(bytes.len(), 32);
    assert!(examine(&bytes).is_ok());
}

#[test]
fn tensors_come_in_their_order_and_at_their_length_or_not_at_all() {
    let tensors = ["a", "b"].map(|name| TensorInfo::new(name, BlockType::F16, &[3]).unwrap());
    let start = || GgufWriter::start(Vec::new(), &Metadata::new(), &tensors).unwrap();
    let refused = |result: Result<(), WriteError>| result.unwrap_err().to_string();

    assert_eq!(
        refused(start().tensor("b", &[0; 6])),
        "the data of the tensor 'b' is written where that of 'a' belongs"
    );
    assert_eq!(refused(start().tensor("a", &[0; 5])), "the tensor 'a' takes 6 bytes, not 5");
    let mut writer = start();
    writer.tensor("a", &[0; 6]).unwrap();
    assert_eq!(writer.finish().unwrap_err().to_string(), "the data of the tensor 'b' is missing");
    let mut writer = start();
    writer.tensor("a", &[0; 6]).unwrap();
    writer.tensor("b", &[0; 6]).unwrap();
    assert_eq!(
        refused(writer.tensor("c", &[])),
        "the data of all tensors is written already; that of 'c' is one too many"
    );
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    #[track_caller]
    fn check(key: &str, value: impl Into<Value>, tensors: &[TensorInfo], expected: &str) {
        let mut metadata = Metadata::new();
        metadata.set(key, value).unwrap();
        let mut out = Vec::new();
        let error = GgufWriter::start(&mut out, &metadata, tensors).unwrap_err();
        assert!(chain(&error).contains(expected), "{}", chain(&error));
        assert!(out.is_empty());
    }
    let tensor = TensorInfo::new("a", BlockType::F32, &[1]).unwrap();
    check("general.alignment", 24_u32, &[], "not a power of two");
    check("split.count", 2_u16, &[], "split model");
    check("key", 1_u8, &[tensor.clone(), tensor], "'a' is there twice");
    let half = TensorInfo::new("half", BlockType::F32, &[1 << 61]).unwrap();
    let other = TensorInfo::new("other", BlockType::F32, &[1 << 61]).unwrap();
    check("key", 1_u8, &[half, other], "more bytes than can be counted");
    assert!(TensorInfo::new(&"n".repeat(65), BlockType::F32, &[1]).is_err());
    assert!(TensorInfo::new("n", BlockType::F32, &[]).is_err());
    assert!(Gguf::read(Vec::new(), &ReadLimits::default()).is_err());
}
