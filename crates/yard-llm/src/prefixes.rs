//! Pages of sequences that have gone, kept for those that begin with the same tokens.

mod tree;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use yard_kernels::PAGE_POSITIONS;

use self::tree::{Block, Node, NodeId, Nodes};
use crate::{
    TokenId,
    cache::{KeyValueCache, Sequence},
};

/// A radix tree over pages. Each node is a page of sixteen tokens, its parent the page before; sequences with the same
/// beginning share the way from the root. Trees of different salts have nothing in common.
///
/// A page is kept as long as there is room. When pages run short those go that were used longest ago and that no
/// sequence holds, the ends of branches first.
#[derive(Debug)]
pub(crate) struct Prefixes {
    nodes: Nodes,
    roots: HashMap<Arc<str>, Branches>,
    /// Nodes without children, by when they were last used.
    leaves: BTreeSet<(u64, NodeId)>,
    /// Counts uses.
    clock: u64,
    most_pages: usize,
}

type Branches = std::collections::BTreeMap<Block, NodeId>;

/// What is known of a sequence's tokens.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Pages with their keys and values.
    pub(crate) pages: Vec<u32>,
    /// How many tokens those are: the last page may be known in part.
    pub(crate) tokens: usize,
}

impl Prefixes {
    /// A tree that keeps so many pages at most.
    pub(crate) fn new(most_pages: usize) -> Self {
        let (nodes, roots, leaves) = (Nodes::default(), HashMap::new(), BTreeSet::new());
        Self { nodes, roots, leaves, clock: 0, most_pages }
    }

    /// How many pages it keeps.
    pub(crate) fn pages(&self) -> usize {
        self.nodes.len()
    }

    /// The longest beginning of `tokens` whose keys and values are kept.
    pub(crate) fn find(&mut self, salt: &str, tokens: &[TokenId]) -> Found {
        self.clock += 1;
        let mut found = Found::default();
        let Some(mut branches) = self.roots.get(salt) else { return found };
        let mut way = Vec::new();
        let (blocks, rest) = tokens.as_chunks();
        for block in blocks {
            let Some(node) = branches.get(block) else { break };
            way.push(*node);
            branches = &self.nodes[*node].children;
        }
        found.tokens = way.len() * PAGE_POSITIONS;
        // One more page may begin as the tokens go on.
        let next = blocks.get(way.len()).map_or(rest, |block| &block[..]);
        if let Some((node, common)) = longest_beginning(branches, next) {
            way.push(node);
            found.tokens += common;
        }
        found.pages = way.iter().map(|node| self.nodes[*node].page).collect();
        for node in way {
            self.touch(node);
        }
        found
    }

    /// Keeps the whole pages of a sequence of these tokens. Where a page of the same tokens is kept already the sequence
    /// gets that one in place of its own.
    pub(crate) fn insert(
        &mut self,
        cache: &mut KeyValueCache,
        salt: &Arc<str>,
        tokens: &[TokenId],
        sequence: &mut Sequence,
    ) {
        self.clock += 1;
        let known = &tokens[..tokens.len().min(sequence.len())];
        let mut parent = None;
        for (place, block) in known.as_chunks().0.iter().enumerate() {
            let node = match self.child(salt, parent, block) {
                Some(node) => {
                    cache.replace(sequence, place, self.nodes[node].page);
                    node
                }
                None => {
                    if self.nodes.len() == self.most_pages && self.evict(cache, 1) == 0 {
                        return;
                    }
                    cache.keep(sequence.pages()[place]);
                    self.grow(salt, parent, *block, sequence.pages()[place])
                }
            };
            self.touch(node);
            parent = Some(node);
        }
    }

    /// Gives up to so many pages back to the cache, and says how many.
    pub(crate) fn evict(&mut self, cache: &mut KeyValueCache, pages: usize) -> usize {
        let mut evicted = 0;
        while evicted < pages {
            let is_idle = |(_, node): &&(u64, NodeId)| cache.is_idle(self.nodes[*node].page);
            let Some((_, node)) = self.leaves.iter().find(is_idle).copied() else { break };
            cache.forget(self.nodes[node].page);
            self.cut(node);
            evicted += 1;
        }
        evicted
    }

    fn child(&self, salt: &str, parent: Option<NodeId>, block: &Block) -> Option<NodeId> {
        let branches = match parent {
            Some(parent) => &self.nodes[parent].children,
            None => self.roots.get(salt)?,
        };
        branches.get(block).copied()
    }

    fn grow(&mut self, salt: &Arc<str>, parent: Option<NodeId>, block: Block, page: u32) -> NodeId {
        let node =
            Node { page, block, parent, salt: Arc::clone(salt), children: Branches::new(), used: self.clock };
        let id = self.nodes.add(node);
        self.leaves.insert((self.clock, id));
        match parent {
            None => {
                self.roots.entry(Arc::clone(salt)).or_default().insert(block, id);
            }
            Some(parent) => {
                self.leaves.remove(&(self.nodes[parent].used, parent));
                self.nodes[parent].children.insert(block, id);
            }
        }
        id
    }

    /// Takes a leaf off.
    fn cut(&mut self, id: NodeId) {
        let node = self.nodes.take(id);
        self.leaves.remove(&(node.used, id));
        match node.parent {
            None => {
                let Some(root) = self.roots.get_mut(&node.salt) else { return };
                root.remove(&node.block);
                if root.is_empty() {
                    self.roots.remove(&node.salt);
                }
            }
            Some(parent) => {
                let above = &mut self.nodes[parent];
                above.children.remove(&node.block);
                if above.children.is_empty() {
                    self.leaves.insert((above.used, parent));
                }
            }
        }
    }

    fn touch(&mut self, id: NodeId) {
        let node = &mut self.nodes[id];
        let before = std::mem::replace(&mut node.used, self.clock);
        if node.children.is_empty() {
            self.leaves.remove(&(before, id));
            self.leaves.insert((self.clock, id));
        }
    }
}

/// The page that begins with most of these tokens, if one begins with any: neighbours in the order of blocks share most.
fn longest_beginning(branches: &Branches, tokens: &[TokenId]) -> Option<(NodeId, usize)> {
    let mut wanted = Block::default();
    wanted[..tokens.len()].copy_from_slice(tokens);
    let common = |block: &Block| block.iter().zip(tokens).take_while(|(a, b)| a == b).count();
    let (before, behind) = (branches.range(..wanted).next_back(), branches.range(wanted..).next());
    let candidates = before.into_iter().chain(behind);
    candidates
        .map(|(block, node)| (*node, common(block)))
        .filter(|(_, common)| *common > 0)
        .max_by_key(|(_, common)| *common)
}

#[cfg(test)]
mod tests;
