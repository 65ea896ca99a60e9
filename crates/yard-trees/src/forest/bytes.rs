//! Forests as bytes.
//!
//! Little-endian: the magic, a format number, the header, the trees. Reading takes memory in proportion to the bytes
//! that are there, and refuses everything that running the trees relies on not to happen.

use super::{Forest, ForestOutput, Node, Split, Tree};
use crate::{MAX_DEPTH, TreesError};

const MAGIC: &[u8; 8] = b"YARDTREE";
const FORMAT: u16 = 1;

const NUMBER: u8 = 0;
const SCORES: u8 = 1;
const SHARES: u8 = 2;

const LEAF: u8 = 0;
const SPLIT_MISSING_RIGHT: u8 = 1;
const SPLIT_MISSING_LEFT: u8 = 2;

impl Forest {
    /// The forest as bytes that [`Forest::from_bytes`] reads; equal forests have equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(MAGIC);
        bytes.extend(FORMAT.to_le_bytes());
        let (tag, classes) = match self.output {
            ForestOutput::Number => (NUMBER, 0),
            ForestOutput::Scores { classes } => (SCORES, classes),
            ForestOutput::Shares { classes } => (SHARES, classes),
        };
        bytes.push(tag);
        bytes.extend((classes as u32).to_le_bytes());
        bytes.extend((self.columns as u32).to_le_bytes());
        bytes.extend(self.fingerprint);
        for base in &self.base {
            bytes.extend(base.to_le_bytes());
        }
        bytes.extend((self.trees.len() as u32).to_le_bytes());
        for tree in &self.trees {
            write_tree(tree, self.output.leaf_width(), &mut bytes);
        }
        bytes
    }

    /// Reads what [`Forest::to_bytes`] wrote. The bytes may come from anyone.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TreesError> {
        let mut reader = Reader { rest: bytes };
        if reader.array()? != *MAGIC {
            return Err(malformed("it does not begin as one"));
        }
        let format = u16::from_le_bytes(reader.array()?);
        if format != FORMAT {
            return Err(TreesError::UnknownFormat { found: format, known: FORMAT });
        }
        let tag = reader.byte()?;
        let classes = reader.number()? as usize;
        let output = match tag {
            NUMBER if classes == 0 => ForestOutput::Number,
            SCORES if classes >= 2 => ForestOutput::Scores { classes },
            SHARES if classes >= 2 => ForestOutput::Shares { classes },
            _ => return Err(malformed("it predicts neither a number nor classes")),
        };
        let columns = reader.number()? as usize;
        if columns == 0 {
            return Err(malformed("it has no columns"));
        }
        let fingerprint = reader.array()?;
        let base = reader.floats(output.scores())?;
        let count = reader.number()? as usize;
        if count == 0 || !count.is_multiple_of(output.trees_per_round()) {
            return Err(malformed("it has no trees, or its last round is not whole"));
        }
        let mut trees = Vec::new();
        for _ in 0..count {
            trees.push(read_tree(&mut reader, columns, output.leaf_width())?);
        }
        if !reader.rest.is_empty() {
            return Err(malformed("bytes follow after its end"));
        }
        Ok(Self { columns, output, base, trees, fingerprint })
    }
}

fn write_tree(tree: &Tree, leaf_width: usize, bytes: &mut Vec<u8>) {
    bytes.extend((tree.nodes.len() as u32).to_le_bytes());
    for node in &tree.nodes {
        match node {
            Node::Leaf(leaf) => {
                bytes.push(LEAF);
                let first = *leaf as usize * leaf_width;
                for value in &tree.values[first..first + leaf_width] {
                    bytes.extend(value.to_le_bytes());
                }
            }
            Node::Split(split) => {
                bytes.push(if split.missing_left { SPLIT_MISSING_LEFT } else { SPLIT_MISSING_RIGHT });
                bytes.extend(split.column.to_le_bytes());
                bytes.extend(split.threshold.to_le_bytes());
                bytes.extend(split.left.to_le_bytes());
                bytes.extend(split.right.to_le_bytes());
                bytes.extend(split.gain.to_le_bytes());
            }
        }
    }
}

fn read_tree(reader: &mut Reader<'_>, columns: usize, leaf_width: usize) -> Result<Tree, TreesError> {
    let count = reader.number()?;
    let mut tree = Tree { nodes: Vec::new(), values: Vec::new() };
    let mut leaves = 0;
    for _ in 0..count {
        let tag = reader.byte()?;
        let node = match tag {
            LEAF => {
                tree.values.extend(reader.floats(leaf_width)?);
                leaves += 1;
                Node::Leaf(leaves - 1)
            }
            SPLIT_MISSING_RIGHT | SPLIT_MISSING_LEFT => Node::Split(Split {
                missing_left: tag == SPLIT_MISSING_LEFT,
                column: reader.number()?,
                threshold: f32::from_le_bytes(reader.array()?),
                left: reader.number()?,
                right: reader.number()?,
                gain: f64::from_le_bytes(reader.array()?),
            }),
            _ => return Err(malformed("a node is neither a split nor a leaf")),
        };
        tree.nodes.push(node);
    }
    check_shape(&tree.nodes, columns)?;
    Ok(tree)
}

/// Whether each node but the root has exactly one parent before it, so that every walk ends, and soon.
fn check_shape(nodes: &[Node], columns: usize) -> Result<(), TreesError> {
    let mut depths: Vec<Option<usize>> = vec![None; nodes.len()];
    match depths.first_mut() {
        Some(root) => *root = Some(0),
        None => return Err(malformed("a tree has no nodes")),
    }
    for (place, node) in nodes.iter().enumerate() {
        let Some(depth) = depths[place] else {
            return Err(malformed("a node belongs to no split"));
        };
        let Node::Split(split) = node else { continue };
        if split.column as usize >= columns || split.threshold.is_nan() || !split.gain.is_finite() {
            return Err(malformed("a split is by an unknown column or by no number"));
        }
        if depth == MAX_DEPTH {
            return Err(malformed("a tree is too deep"));
        }
        for child in [split.left, split.right] {
            match depths.get_mut(child as usize) {
                Some(known) if child as usize > place && known.is_none() => *known = Some(depth + 1),
                _ => return Err(malformed("a split leads nowhere, back or where another does")),
            }
        }
    }
    Ok(())
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], TreesError> {
        let (array, rest) =
            self.rest.split_first_chunk().ok_or_else(|| malformed("it ends before its end"))?;
        self.rest = rest;
        Ok(*array)
    }

    fn byte(&mut self) -> Result<u8, TreesError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Result<u32, TreesError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Numbers that sums can be made of.
    fn floats(&mut self, count: usize) -> Result<Vec<f32>, TreesError> {
        if count > self.rest.len() / 4 {
            return Err(malformed("it ends before its end"));
        }
        let mut floats = Vec::with_capacity(count);
        for _ in 0..count {
            let float = f32::from_le_bytes(self.array()?);
            if !float.is_finite() {
                return Err(malformed("a value is not finite"));
            }
            floats.push(float);
        }
        Ok(floats)
    }
}

fn malformed(reason: &'static str) -> TreesError {
    TreesError::Malformed { reason }
}
