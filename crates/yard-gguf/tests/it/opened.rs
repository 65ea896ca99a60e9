//! Files on the disk.

use std::fs;

use yard_gguf::{Gguf, GgufError, ReadLimits};

use crate::bytes::small_file;
use crate::examined::rewritten;

#[test]
fn a_mapped_file_is_what_its_bytes_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.gguf");
    fs::write(&path, small_file()).unwrap();
    let mapped = Gguf::open(&path, &ReadLimits::default()).unwrap();
    assert_eq!(rewritten(&mapped), small_file());
    // What is mapped stays while the name goes.
    fs::remove_file(&path).unwrap();
    assert_eq!(rewritten(&mapped), small_file());
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &std::path::Path| Gguf::open(path, &ReadLimits::default()).unwrap_err();
    assert!(matches!(open(folder.path()), GgufError::NotRegular { .. }));
    assert!(matches!(open(&folder.path().join("absent.gguf")), GgufError::Io(_)));
    assert!(matches!(open("/dev/zero".as_ref()), GgufError::NotRegular { .. }));
    let empty = folder.path().join("empty.gguf");
    fs::write(&empty, []).unwrap();
    assert!(matches!(open(&empty), GgufError::Truncated { .. }));
}
