//! Files that were whole once: cut anywhere, any field at its extremes, any bytes changed.

use proptest::prelude::*;

use crate::bytes::small_file;
use crate::examined::examine;

#[test]
fn the_small_file_is_whole() {
    let bytes = small_file();
    assert!(bytes.len() < 2048);
    let file = examine(&bytes).unwrap();
    assert_eq!(
        (file.version(), file.alignment(), file.metadata().len(), file.tensors().len()),
        (3, 64, 16, 3)
    );
}

#[test]
fn a_file_cut_anywhere_inside_its_tensors_or_before_is_refused() {
    let bytes = small_file();
    let end_of_data = {
        let file = examine(&bytes).unwrap();
        let last = file.tensors().last().unwrap();
        last.bytes.as_ptr() as usize - bytes.as_ptr() as usize + last.bytes.len()
    };
    for length in 0..=bytes.len() {
        assert_eq!(examine(&bytes[..length]).is_ok(), length >= end_of_data, "cut to {length} bytes");
    }
}

#[test]
fn any_field_may_have_any_extreme_value() {
    let whole = small_file();
    let length = whole.len() as u64;
    let extremes = [0, 1, 2, 13, length, length + 1, u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX - 63, u64::MAX];
    let mut refused = 0;
    for place in 0..whole.len() {
        for value in extremes {
            for width in [1, 2, 4, 8] {
                let mut bytes = whole.clone();
                let end = bytes.len().min(place + width);
                bytes[place..end].copy_from_slice(&value.to_le_bytes()[..end - place]);
                refused += usize::from(examine(&bytes).is_err());
            }
        }
    }
    assert!(refused > 1000, "only {refused} of these files were refused");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = examine(&bytes);
    }

    #[test]
    fn arbitrary_bytes_behind_a_header_never_panic(
        tensors in 0_u64..4,
        entries in 0_u64..4,
        bytes in prop::collection::vec(prop_oneof![3 => 0_u8..14, 1 => any::<u8>()], 0..512),
    ) {
        let _ = examine(&crate::bytes::Bytes::header(tensors, entries).raw(bytes).0);
    }

    #[test]
    fn a_file_with_some_bits_flipped_never_panics(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8), 1..16)
    ) {
        let mut bytes = small_file();
        for (place, bit) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= 1_u8 << bit;
        }
        let _ = examine(&bytes);
    }

    #[test]
    fn a_file_with_parts_moved_never_panics(
        moves in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1_usize..64), 1..4)
    ) {
        let mut bytes = small_file();
        for (from, to, length) in moves {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            let length = length.min(bytes.len() - from.max(to));
            bytes.copy_within(from..from + length, to);
        }
        let _ = examine(&bytes);
    }
}
