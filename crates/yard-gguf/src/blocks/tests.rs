use super::*;

#[test]
fn rows_are_whole_blocks() {
    assert_eq!(BlockType::Q4_K.row_bytes(512), Ok(288));
    assert_eq!(BlockType::Q4_0.row_bytes(0), Ok(0));
    assert_eq!(
        BlockType::Q6_K.row_bytes(288),
        Err(BlockError::PartialBlock { kind: BlockType::Q6_K, columns: 288 })
    );
    assert_eq!(
        BlockType::F32.row_bytes(usize::MAX / 2),
        Err(BlockError::TooLong { kind: BlockType::F32, columns: usize::MAX / 2 })
    );
}

#[test]
fn every_type_has_a_number_and_a_name_of_its_own() {
    for (index, kind) in BlockType::ALL.into_iter().enumerate() {
        assert_eq!(BlockType::from_number(kind.number()), Some(kind));
        assert!(BlockType::ALL[..index].iter().all(|other| other.name() != kind.name()));
    }
    assert_eq!(BlockType::from_number(4), None);
}

#[test]
fn bytes_that_are_not_the_row_are_refused() {
    let mut values = [0.0; 64];
    for length in [0, 18, 35, 37, 72] {
        assert_eq!(
            dequantize(BlockType::Q4_0, &vec![0; length], &mut values),
            Err(BlockError::WrongLength { kind: BlockType::Q4_0, columns: 64, expected: 36, actual: length })
        );
    }
}

#[test]
fn a_value_is_found_where_the_layout_says() {
    let mut block = [0; 18];
    block[..2].copy_from_slice(&f16::from_f32(0.5).to_le_bytes());
    block[2] = 0xf1;
    let mut values = [0.0; 32];
    dequantize(BlockType::Q4_0, &block, &mut values).unwrap();
    assert_eq!((values[0], values[1], values[16], values[17]), (-3.5, -4.0, 3.5, -4.0));
}
