//! Against `tests/reference/oracle.gguf`, which `tests/reference/make.py` made with the reference package and ggml.

use yard_gguf::{Array, BlockType, Gguf, Value, quantize};

use crate::examined::{examine, rewritten};

const ORACLE: &[u8] = include_bytes!("../reference/oracle.gguf");

fn oracle() -> Gguf<&'static [u8]> {
    examine(ORACLE).unwrap()
}

fn values(name: &str) -> Vec<f32> {
    oracle().tensor(name).unwrap().to_f32().unwrap()
}

#[test]
fn every_type_is_dequantized_bit_for_bit() {
    for kind in BlockType::ALL.into_iter().filter(|kind| *kind != BlockType::F32) {
        let ours = values(&format!("noise.{kind}"));
        let theirs = values(&format!("noise.{kind}.values"));
        assert!(theirs.len() >= 256 && theirs.iter().all(|value| value.is_finite()));
        for (index, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            assert_eq!(ours.to_bits(), theirs.to_bits(), "{kind}, value {index}: {ours}, not {theirs}");
        }
        assert_eq!(ours.len(), theirs.len());
    }
}

#[test]
fn types_that_the_package_quantizes_are_quantized_bit_for_bit() {
    let values = values("source");
    let kinds = [
        BlockType::F16,
        BlockType::BF16,
        BlockType::Q4_0,
        BlockType::Q4_1,
        BlockType::Q5_0,
        BlockType::Q5_1,
        BlockType::Q8_0,
    ];
    for kind in kinds {
        let file = oracle();
        let theirs = file.tensor(&format!("source.{kind}")).unwrap();
        assert_eq!(theirs.info.kind(), kind);
        let mut ours = vec![0; theirs.bytes.len()];
        quantize(kind, &values, &mut ours).unwrap();
        let size = kind.bytes_per_block();
        for (index, (ours, theirs)) in ours.chunks(size).zip(theirs.bytes.chunks(size)).enumerate() {
            assert_eq!(ours, theirs, "{kind}, block {index}");
        }
    }
}

#[test]
fn k_types_lose_less_than_ggml_loses() {
    let file = oracle();
    let weights = file.tensor("weights").unwrap();
    let columns = weights.info.columns();
    for kind in [BlockType::Q4_K, BlockType::Q5_K, BlockType::Q6_K] {
        let theirs = file.tensor(&format!("weights.{kind}")).unwrap();
        let (mut our_sum, mut their_sum) = (0.0, 0.0);
        for row in 0..weights.info.rows() {
            let values = &weights.to_f32().unwrap()[row * columns..][..columns];
            let mut ours = vec![0; kind.row_bytes(columns).unwrap()];
            quantize(kind, values, &mut ours).unwrap();
            let ours = loss(kind, values, &ours);
            let theirs = loss(kind, values, theirs.row(row).unwrap());
            println!("{kind}, row {row}: {:.4} % of the values, ggml {:.4} %", 100.0 * ours, 100.0 * theirs);
            // Both are searches that end near a best answer, so on a row either may be a little ahead.
            assert!(ours <= 1.01 * theirs, "{kind}, row {row}: {ours}, more than ggml's {theirs}");
            our_sum += ours;
            their_sum += theirs;
        }
        assert!(our_sum < 0.98 * their_sum, "{kind}: {our_sum} in all, ggml {their_sum}");
    }
}

/// The root of the mean squared error, as a part of that of the values.
fn loss(kind: BlockType, values: &[f32], bytes: &[u8]) -> f64 {
    let mut again = vec![0.0; values.len()];
    yard_gguf::dequantize(kind, bytes, &mut again).unwrap();
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let lost =
        squares(&mut values.iter().zip(&again).map(|(value, again)| f64::from(*value) - f64::from(*again)));
    (lost / squares(&mut values.iter().copied().map(f64::from))).sqrt()
}

#[test]
fn a_file_of_the_package_is_written_again_byte_for_byte() {
    assert!(rewritten(&oracle()) == ORACLE);
}

#[test]
fn metadata_of_the_package_is_read_as_it_was_meant() {
    let file = oracle();
    let scalars = [
        ("uint8", Value::U8(u8::MAX), Array::U8(vec![u8::MAX; 3])),
        ("int8", Value::I8(i8::MIN), Array::I8(vec![i8::MIN; 3])),
        ("uint16", Value::U16(u16::MAX), Array::U16(vec![u16::MAX; 3])),
        ("int16", Value::I16(i16::MIN), Array::I16(vec![i16::MIN; 3])),
        ("uint32", Value::U32(u32::MAX), Array::U32(vec![u32::MAX; 3])),
        ("int32", Value::I32(i32::MIN), Array::I32(vec![i32::MIN; 3])),
        ("float32", Value::F32(0.1), Array::F32(vec![0.1; 3])),
        ("bool", Value::Bool(true), Array::Bool(vec![true; 3])),
        ("string", "Grüße, 世界 🌍".into(), Array::Strings(["Grüße, 世界 🌍"; 3].into_iter().collect())),
        ("uint64", Value::U64(u64::MAX), Array::U64(vec![u64::MAX; 3])),
        ("int64", Value::I64(i64::MIN), Array::I64(vec![i64::MIN; 3])),
        ("float64", Value::F64(0.1), Array::F64(vec![0.1; 3])),
    ];
    for (name, scalar, array) in scalars {
        assert_eq!(file.metadata().get(&format!("scalar.{name}")), Some(&scalar));
        assert_eq!(file.metadata().get(&format!("array.{name}")), Some(&Value::Array(array)));
    }
    assert_eq!(file.metadata().str("text.empty"), Ok(""));
    let words = file.metadata().strings("array.words").unwrap();
    assert_eq!(words.iter().collect::<Vec<_>>(), ["", "a", "", "ĠĠthe", "\0", "🌍"]);
    let nested = Array::Arrays(vec![Array::I32(vec![1, 2, 3]), Array::I32(vec![4])]);
    assert_eq!(file.metadata().required::<&Array>("nested"), Ok(&nested));
    let strings = |words: &[&str]| Array::Strings(words.iter().collect());
    let deeper = Array::Arrays(vec![
        Array::Arrays(vec![strings(&["x"]), strings(&["y", "z"])]),
        Array::Arrays(vec![strings(&["w"])]),
    ]);
    assert_eq!(file.metadata().required::<&Array>("nested.deeper"), Ok(&deeper));
}
