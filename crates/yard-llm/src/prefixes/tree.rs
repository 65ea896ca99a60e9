//! Nodes by number, so that parents and children can name each other.

use std::{
    collections::BTreeMap,
    ops::{Index, IndexMut},
    sync::Arc,
};

use yard_kernels::PAGE_POSITIONS;

use crate::TokenId;

/// The tokens of a page.
pub(super) type Block = [TokenId; PAGE_POSITIONS];

/// The number of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(usize);

/// A page that is kept.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) page: u32,
    pub(super) block: Block,
    pub(super) parent: Option<NodeId>,
    /// Of which tree it is.
    pub(super) salt: Arc<str>,
    pub(super) children: BTreeMap<Block, NodeId>,
    /// When it was last found or inserted.
    pub(super) used: u64,
}

/// All nodes. Numbers of nodes that were taken are used again.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    places: Vec<Option<Node>>,
    free: Vec<NodeId>,
}

impl Nodes {
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn add(&mut self, node: Node) -> NodeId {
        match self.free.pop() {
            Some(id) => {
                self.places[id.0] = Some(node);
                id
            }
            None => {
                self.places.push(Some(node));
                NodeId(self.places.len() - 1)
            }
        }
    }

    pub(super) fn take(&mut self, id: NodeId) -> Node {
        self.free.push(id);
        self.places[id.0].take().expect("a node is taken once, by whoever removes its number everywhere")
    }
}

impl Index<NodeId> for Nodes {
    type Output = Node;

    fn index(&self, id: NodeId) -> &Node {
        self.places[id.0].as_ref().expect("numbers of nodes that were taken are kept nowhere")
    }
}

impl IndexMut<NodeId> for Nodes {
    fn index_mut(&mut self, id: NodeId) -> &mut Node {
        self.places[id.0].as_mut().expect("numbers of nodes that were taken are kept nowhere")
    }
}
