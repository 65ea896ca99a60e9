//! Files made to harm: every field at its extremes, each refused with the reason.

use yard_gguf::{Gguf, ReadLimits};

use crate::bytes::Bytes;
use crate::examined::{chain, examine};

const F32: u32 = 0;
const Q4_0: u32 = 2;

const U8: u32 = 0;
const U16: u32 = 2;
const U32: u32 = 4;
const I32: u32 = 5;
const BOOL: u32 = 7;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// A file with one entry `key` of this type, whose value is put behind.
fn entry(key: &str, value_type: u32) -> Bytes {
    Bytes::header(0, 1).text(key).u32(value_type)
}

/// A file with one tensor.
fn tensor(dimensions: &[u64], number: u32, offset: u64) -> Bytes {
    Bytes::header(1, 0).tensor("weights", dimensions, number, offset).data(128)
}

fn two_tensors(names: [&str; 2], second_offset: u64) -> Bytes {
    Bytes::header(2, 0).tensor(names[0], &[9], F32, 0).tensor(names[1], &[8], F32, second_offset).data(128)
}

#[track_caller]
fn check(cases: &[(&str, Bytes)]) {
    let mut wrong = Vec::new();
    for (expected, Bytes(bytes)) in cases {
        match examine(bytes) {
            Ok(_) => wrong.push(format!("accepted, but it should say: {expected}")),
            Err(error) if chain(&error).contains(expected) => {}
            Err(error) => wrong.push(format!("'{}' does not say: {expected}", chain(&error))),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn headers_that_are_not_read_are_refused_by_name() {
    let version = |version: u32| Bytes(b"GGUF".to_vec()).u32(version).u64(0).u64(0);
    check(&[
        ("ends inside the letters GGUF", Bytes::default()),
        ("ends inside the letters GGUF", Bytes(b"GGU".to_vec())),
        ("does not begin with the letters GGUF", Bytes(b"ggjt\x03\0\0\0".to_vec())),
        ("ends inside the version", Bytes(b"GGUF\x03".to_vec())),
        ("version 0", version(0)),
        ("version 1", version(1)),
        ("version 4", version(4)),
        ("version 4294967295", version(u32::MAX)),
        ("big endian", version(2_u32.swap_bytes())),
        ("big endian", version(3_u32.swap_bytes())),
    ]);
    assert!(examine(&version(2).0).is_ok());
}

#[test]
fn counts_beyond_the_file_are_refused() {
    let few = vec![0; 100];
    check(&[
        ("18446744073709551615 tensors, more than the 3", Bytes::header(u64::MAX, 0).raw(&few)),
        ("4 tensors, more than the 3", Bytes::header(4, 0).raw(&few)),
        ("18446744073709551615 metadata entries, more than the 7", Bytes::header(0, u64::MAX).raw(&few)),
        ("8 metadata entries, more than the 7", Bytes::header(0, 8).raw(&few)),
    ]);
}

#[test]
fn counts_beyond_the_limits_are_refused() {
    let limits = ReadLimits { head_bytes: 4096, entries: 2, tensors: 2 };
    let read = |bytes: Bytes| Gguf::read(bytes.0, &limits).map_err(|error| chain(&error)).map(drop);
    let room = vec![0; 1000];
    assert!(read(Bytes::header(3, 0).raw(&room)).unwrap_err().contains("3 tensors, more than the 2"));
    assert!(
        read(Bytes::header(0, 3).raw(&room)).unwrap_err().contains("3 metadata entries, more than the 2")
    );
    let long = Bytes::header(0, 1).text("long").u32(STRING).text(vec![b'x'; 5000]);
    assert!(read(long).unwrap_err().contains("more than the 4096 bytes allowed"));
}

#[test]
fn keys_and_values_that_cannot_be_are_refused() {
    let key = |length: u64| Bytes::header(0, 1).u64(length).raw([b'k'; 64]);
    let twice = |bytes: Bytes| bytes.text("same").u32(U8).raw([1]).text("same").u32(U8).raw([2]);
    let mut cases = vec![
        ("a metadata key is 0 bytes long", key(0)),
        ("a metadata key is 65536 bytes long", key(65_536)),
        ("a metadata key is 18446744073709551615 bytes long", key(u64::MAX)),
        ("ends inside a metadata key", key(65)),
        ("a metadata key at byte 32 is not valid UTF-8", Bytes::header(0, 1).text([0xff; 8])),
        ("'same' is there twice", twice(Bytes::header(0, 2))),
        ("'k\\u{1b}' cannot be read: there is no value type 13", entry("k\u{1b}", 13).raw([0; 8])),
        ("no value type 4294967295", entry("key", u32::MAX).raw([0; 8])),
        ("a truth value is 2", entry("key", BOOL).raw([2])),
        ("a truth value is 255", entry("key", ARRAY).u32(BOOL).u64(3).raw([0, 1, 255])),
        (
            "ends inside a metadata value: 18446744073709551615",
            entry("key", STRING).u64(u64::MAX).raw("text"),
        ),
        ("'key' cannot be read: the file ends", entry("key", STRING).u64(5).raw("text")),
        ("a metadata value at byte 47 is not valid", entry("key", STRING).text([0xc3, 0x28])),
        ("a string in an array at byte", entry("key", ARRAY).u32(STRING).u64(1).text([0xc3, 0x28])),
        ("no value type 13", entry("key", ARRAY).u32(13).u64(0)),
    ];
    for (item_type, size) in [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8].into_iter().enumerate() {
        let array = |count: u64| entry("key", ARRAY).u32(item_type as u32).u64(count).raw(vec![0; 5 * size]);
        cases.push(("more than the 5 that are possible", array(6)));
        cases.push(("declares 18446744073709551615 an array's items", array(u64::MAX)));
        cases.push(("declares 2305843009213693952 an array's items", array(1 << 61)));
    }
    check(&cases);
}

#[test]
fn arrays_are_nested_four_deep_and_no_deeper() {
    let nested = |depth: u32| (1..depth).fold(entry("key", ARRAY), |bytes, _| bytes.u32(ARRAY).u64(1));
    assert!(examine(&nested(4).u32(U8).u64(1).raw([7]).0).is_ok());
    check(&[
        ("nested more than 4 deep", nested(5).u32(U8).u64(1).raw([7])),
        ("nested more than 4 deep", nested(50_000)),
    ]);
}

#[test]
fn metadata_that_steers_reading_is_checked() {
    let alignment = |value: u32| entry("general.alignment", U32).u32(value).data(64);
    check(&[
        ("general.alignment is 0", alignment(0)),
        ("general.alignment is 3", alignment(3)),
        ("general.alignment is 4194304", alignment(4 << 20)),
        ("general.alignment is 4294967295", alignment(u32::MAX)),
        (
            "'general.alignment' is -1, which is out of range for u32",
            entry("general.alignment", I32).u32(u32::MAX),
        ),
        ("'general.alignment' is of type string, not u32", entry("general.alignment", STRING).text("32")),
        ("one of 2 files of a split model", entry("split.count", U16).raw([2, 0])),
        ("'split.count' is of type array of u8, not u64", entry("split.count", ARRAY).u32(U8).u64(0)),
    ]);
    assert!(examine(&alignment(2 << 20).0).is_ok());
    assert!(examine(&entry("split.count", U16).raw([1, 0]).0).is_ok());
}

#[test]
fn descriptions_of_tensors_that_cannot_be_are_refused() {
    let name = |length: u64| Bytes::header(1, 0).u64(length).raw([b'n'; 65]).data(64);
    let count = |count: u32| Bytes::header(1, 0).text("weights").u32(count).raw([1; 64]);
    check(&[
        ("a tensor's name is 0 bytes long", name(0)),
        ("a tensor's name is 65 bytes long", name(65)),
        ("a tensor's name is 18446744073709551615 bytes long", name(u64::MAX)),
        ("a tensor's name at byte 32 is not valid", Bytes::header(1, 0).text([0xff; 8]).data(64)),
        ("'weights' is unusable: it has 0 dimensions", count(0)),
        ("'weights' is unusable: it has 5 dimensions", count(5)),
        ("it has 4294967295 dimensions", count(u32::MAX)),
        ("one of its dimensions is 0", tensor(&[0], F32, 0)),
        ("one of its dimensions is 0", tensor(&[8, 0], F32, 0)),
        ("18446744073709551615 values of type F32 are more bytes", tensor(&[u64::MAX], F32, 0)),
        ("more bytes than can be counted", tensor(&[1 << 62], F32, 0)),
        ("multiply to more bytes", tensor(&[1 << 32, 1 << 32], F32, 0)),
        ("multiply to more bytes", tensor(&[1, 1 << 21, 1 << 21, 1 << 22], F32, 0)),
        // Less than half a byte for each value: the values overflow before the bytes do.
        ("multiply to more bytes", tensor(&[32, 1 << 59], Q4_0, 0)),
        ("48 values are not a whole number of Q4_0 blocks of 32", tensor(&[48], Q4_0, 0)),
        ("stored as Q4_2 (type 4)", tensor(&[32], 4, 0)),
        ("stored as Q2_K (type 10)", tensor(&[32], 10, 0)),
        ("stored as an unknown type (type 4294967295)", tensor(&[32], u32::MAX, 0)),
    ]);
}

#[test]
fn tensors_that_lie_badly_are_refused() {
    let mut cut = tensor(&[32], F32, 0);
    cut.0.pop();
    check(&[
        ("begins at 1, not a multiple of the alignment 32", tensor(&[8], F32, 1)),
        ("begins at 18446744073709551615, not", tensor(&[8], F32, u64::MAX)),
        ("at 18446744073709551584 after the descriptions reach beyond", tensor(&[8], F32, u64::MAX - 31)),
        ("at 9223372036854775808 after the descriptions reach beyond", tensor(&[8], F32, 1 << 63)),
        ("its 128 bytes at 32 after the descriptions reach beyond", tensor(&[32], F32, 32)),
        ("its 132 bytes at 0 after the descriptions reach beyond", tensor(&[33], F32, 0)),
        ("its 128 bytes at 0 after the descriptions reach beyond", cut),
        ("the tensor 'b' is unusable: its data overlaps that of the tensor 'a'", two_tensors(["a", "b"], 32)),
        ("overlaps that of the tensor", two_tensors(["a", "b"], 0)),
        ("the tensor 'a' is there twice", two_tensors(["a", "a"], 64)),
    ]);
    assert!(examine(&two_tensors(["a", "b"], 64).0).is_ok());
    assert!(examine(&tensor(&[32], F32, 0).0).is_ok());
}

#[test]
fn the_smallest_things_in_the_greatest_number_take_bounded_memory() {
    let strings = entry("key", ARRAY).u32(STRING).u64(50_000).raw(vec![0; 50_000 * 8]);
    assert_eq!(examine(&strings.0).unwrap().metadata().strings("key").unwrap().len(), 50_000);
    let arrays = entry("key", ARRAY).u32(ARRAY).u64(50_000).raw(vec![0; 50_000 * 12]);
    assert!(examine(&arrays.0).is_ok());
    let entries = (0..20_000)
        .fold(Bytes::header(0, 20_000), |bytes, index| bytes.text(format!("{index:x}")).u32(U8).raw([0]));
    assert_eq!(examine(&entries.0).unwrap().metadata().u32("4e1f"), Ok(0));
    let tensors = (0..20_000_u64).fold(Bytes::header(20_000, 0), |bytes, index| {
        bytes.tensor(&format!("{index:x}"), &[1], F32, index * 32)
    });
    assert_eq!(examine(&tensors.data(20_000 * 32).0).unwrap().tensors().len(), 20_000);
}
