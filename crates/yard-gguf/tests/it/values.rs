//! Metadata read as the type that a caller needs.

use yard_gguf::{Array, Metadata, MetadataError, Strings};

fn metadata() -> Metadata {
    let mut metadata = Metadata::new();
    metadata.set("small", 7_u8).unwrap();
    metadata.set("negative", -1_i64).unwrap();
    metadata.set("large", u64::MAX).unwrap();
    metadata.set("ratio", 0.5_f32).unwrap();
    metadata.set("name", "yard").unwrap();
    metadata.set("flag", true).unwrap();
    metadata.set("numbers", vec![1_i32, 2]).unwrap();
    metadata.set("words", ["a", "", "b"].into_iter().collect::<Strings>()).unwrap();
    metadata
}

#[test]
fn values_are_read_as_their_type() {
    let metadata = metadata();
    assert_eq!(metadata.f32("ratio"), Ok(0.5));
    assert_eq!(metadata.str("name"), Ok("yard"));
    assert_eq!(metadata.bool("flag"), Ok(true));
    assert_eq!(metadata.required::<&[i32]>("numbers"), Ok(&[1, 2][..]));
    let words = metadata.strings("words").unwrap();
    assert_eq!(words.iter().collect::<Vec<_>>(), ["a", "", "b"]);
    assert_eq!(
        (words.get(0), words.get(1), words.get(2), words.get(3)),
        (Some("a"), Some(""), Some("b"), None)
    );
}

#[test]
fn whole_numbers_are_read_as_any_whole_type_that_holds_them() {
    let metadata = metadata();
    assert_eq!(metadata.u32("small"), Ok(7));
    assert_eq!(metadata.required::<usize>("small"), Ok(7));
    assert_eq!(metadata.required::<i8>("negative"), Ok(-1));
    assert_eq!(
        metadata.u32("negative").unwrap_err().to_string(),
        "the metadata key 'negative' is -1, which is out of range for u32"
    );
    assert_eq!(
        metadata.required::<i64>("large").unwrap_err().to_string(),
        "the metadata key 'large' is 18446744073709551615, which is out of range for i64"
    );
}

#[test]
fn what_is_not_there_or_of_another_type_is_named() {
    let metadata = metadata();
    assert_eq!(metadata.u32("absent").unwrap_err().to_string(), "the metadata key 'absent' is missing");
    assert_eq!(metadata.optional::<u32>("absent"), Ok(None));
    assert_eq!(
        metadata.optional::<u32>("name").unwrap_err().to_string(),
        "the metadata key 'name' is of type string, not u32"
    );
    assert_eq!(
        metadata.f32("small").unwrap_err().to_string(),
        "the metadata key 'small' is of type u8, not f32"
    );
    assert_eq!(
        metadata.strings("numbers").unwrap_err().to_string(),
        "the metadata key 'numbers' is of type array of i32, not array of string"
    );
}

#[test]
fn setting_a_key_again_keeps_its_place() {
    let mut metadata = metadata();
    metadata.set("negative", "no more").unwrap();
    assert_eq!(metadata.iter().nth(1).map(|(key, _)| key), Some("negative"));
    assert_eq!((metadata.str("negative"), metadata.len()), (Ok("no more"), 8));
}

#[test]
fn what_could_not_be_read_again_is_not_set() {
    let mut metadata = Metadata::new();
    assert!(matches!(metadata.set("", 1_u8), Err(MetadataError::Key { .. })));
    assert!(matches!(metadata.set(&"k".repeat(65_536), 1_u8), Err(MetadataError::Key { .. })));
    let deep = (0..4).fold(Array::U8(vec![]), |array, _| Array::Arrays(vec![array]));
    assert!(matches!(metadata.set("deep", deep), Err(MetadataError::TooDeep { .. })));
    assert!(metadata.is_empty());
}
