use proptest::prelude::*;

use super::*;

/// Stored by the first version of format 1; every later program must read it and write it again.
const MUSEUM: &str = "5941524454524545010001030000000200000007070707070707070707070707070707070707070707070707070707070707\
    070000003f000080bf00000000030000000300000002010000000000c03f0100000002000000000000000000f83f00000000\
    40000000004001000000000000803e0100000000000000bf";

fn split(column: u32, threshold: f32, missing_left: bool, left: u32, right: u32) -> Node {
    Node::Split(Split { column, threshold, missing_left, left, right, gain: 1.5 })
}

fn leaf(value: f32) -> Tree {
    Tree { nodes: vec![Node::Leaf(0)], values: vec![value] }
}

fn sample() -> Forest {
    let tree =
        Tree { nodes: vec![split(1, 1.5, true, 1, 2), Node::Leaf(0), Node::Leaf(1)], values: vec![2.0, 2.0] };
    Forest {
        columns: 2,
        output: ForestOutput::Scores { classes: 3 },
        base: vec![0.5, -1.0, 0.0],
        trees: vec![tree, leaf(0.25), leaf(-0.5)],
        fingerprint: [7; 32],
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn the_museums_forest_is_read_and_written_as_ever() {
    let bytes = unhex(MUSEUM);
    assert_eq!(Forest::from_bytes(&bytes).unwrap(), sample());
    assert_eq!(sample().to_bytes(), bytes);
}

#[test]
fn ties_go_left_and_missing_values_as_learned() {
    let tree = |missing_left| Tree {
        nodes: vec![split(0, 1.5, missing_left, 1, 2), Node::Leaf(0), Node::Leaf(1)],
        values: vec![-1.0, 1.0],
    };
    let mut forest = Forest {
        columns: 1,
        output: ForestOutput::Number,
        base: vec![10.0],
        trees: vec![tree(true), tree(false)],
        fingerprint: [0; 32],
    };
    let values = [1.5, 1.5_f32.next_up(), f32::NAN, f32::NEG_INFINITY, f32::INFINITY];
    assert_eq!(forest.predict(&values).unwrap(), [8.0, 12.0, 10.0, 8.0, 12.0]);
    assert_eq!(forest.importance(), [ColumnImportance { gain: 3.0, splits: 2 }]);
    forest.truncate(1);
    assert_eq!(forest.predict(&values).unwrap()[2], 9.0);
}

#[test]
fn softmax_survives_large_scores() {
    let of = |scores: &[f32]| {
        let mut probabilities = Vec::new();
        softmax(scores, &mut probabilities);
        probabilities
    };
    assert_eq!(of(&[500.0]), [0.0, 1.0]);
    assert_eq!(of(&[-500.0]), [1.0, 0.0]);
    assert_eq!(of(&[0.0]), [0.5, 0.5]);
    assert_eq!(of(&[1e30, 0.0, -1e30]), [1.0, 0.0, 0.0]);
}

#[test]
fn trees_that_would_not_end_or_leave_the_row_are_refused() {
    let refused = |nodes: Vec<Node>| {
        let leaves = nodes.iter().filter(|node| matches!(node, Node::Leaf(_))).count();
        let tree = Tree { nodes, values: vec![0.0; leaves] };
        let forest = Forest { trees: vec![tree, leaf(0.0), leaf(0.0)], ..sample() };
        matches!(Forest::from_bytes(&forest.to_bytes()), Err(TreesError::Malformed { .. }))
    };
    let two = |root| vec![root, Node::Leaf(0), Node::Leaf(1)];
    assert!(!refused(two(split(1, 0.0, false, 1, 2))));
    assert!(!refused(two(split(1, f32::INFINITY, false, 2, 1))));
    assert!(refused(two(split(1, 0.0, false, 0, 2))), "itself");
    assert!(refused(two(split(1, 0.0, false, 1, 1))), "one child twice");
    assert!(refused(two(split(1, 0.0, false, 1, 3))), "beyond the end");
    assert!(refused(two(split(2, 0.0, false, 1, 2))), "unknown column");
    assert!(refused(two(split(0, f32::NAN, false, 1, 2))), "no threshold");
    assert!(refused(vec![]), "no root");
    assert!(refused(vec![Node::Leaf(0), Node::Leaf(1)]), "unreachable");
    let chain = |depth: u32| {
        let mut nodes: Vec<Node> = Vec::new();
        for level in 0..depth {
            nodes.extend([split(0, 0.0, false, 2 * level + 1, 2 * level + 2), Node::Leaf(level)]);
        }
        // Each split's leaf stands before the next split.
        nodes.push(Node::Leaf(depth));
        nodes
    };
    assert!(!refused(chain(MAX_DEPTH_IN_TESTS)));
    assert!(refused(chain(MAX_DEPTH_IN_TESTS + 1)), "too deep");
}

const MAX_DEPTH_IN_TESTS: u32 = crate::MAX_DEPTH as u32;

#[test]
fn later_formats_are_told_from_damage() {
    let mut bytes = sample().to_bytes();
    bytes[8] = 2;
    assert_eq!(Forest::from_bytes(&bytes), Err(TreesError::UnknownFormat { found: 2, known: 1 }));
}

proptest! {
    #[test]
    fn damaged_bytes_are_refused_or_can_be_run(
        place in 0_usize..400,
        value in any::<u8>(),
        cut in 0_usize..400,
    ) {
        let mut bytes = sample().to_bytes();
        let place = place % bytes.len();
        bytes[place] = value;
        if cut < bytes.len() {
            bytes.truncate(cut);
        }
        if let Ok(forest) = Forest::from_bytes(&bytes) && forest.columns < 1000 {
            let row = vec![0.0; forest.columns];
            prop_assert_eq!(forest.predict(&row).unwrap().len(), forest.output.width());
        }
    }
}
