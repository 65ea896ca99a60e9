//! Forests as ONNX.

use yard_onnx::{GraphBuilder, attribute};

use crate::{
    Forest, ForestOutput,
    forest::{Node, Split},
};

const DOMAIN: &str = "ai.onnx.ml";
const VERSION: i64 = 3;

/// The columns of the node table, as the operator wants them.
#[derive(Default)]
struct NodeTable {
    trees: Vec<i64>,
    ids: Vec<i64>,
    modes: Vec<&'static str>,
    columns: Vec<i64>,
    thresholds: Vec<f32>,
    missing_left: Vec<i64>,
    left: Vec<i64>,
    right: Vec<i64>,
}

/// The columns of the table of what leaves add to which score.
#[derive(Default)]
struct LeafTable {
    trees: Vec<i64>,
    ids: Vec<i64>,
    targets: Vec<i64>,
    weights: Vec<f32>,
}

impl Forest {
    /// Appends the forest to a graph: from the value `input`, `f32` of shape `[batch, columns]`, to the value `output`,
    /// `f32` of shape `[batch, width]`. The graph's outputs are the caller's to declare.
    ///
    /// Two classes are two scores of which the first stays zero: its softmax is the logistic function of the other.
    pub fn emit(&self, builder: GraphBuilder, input: &str, output: &str) -> GraphBuilder {
        let builder = builder.import(DOMAIN, VERSION);
        match self.output {
            ForestOutput::Number | ForestOutput::Shares { .. } => {
                builder.node_of(DOMAIN, "TreeEnsembleRegressor", &[input], &[output], self.attributes())
            }
            ForestOutput::Scores { .. } => {
                let scores = format!("{output}_scores");
                builder
                    .node_of(DOMAIN, "TreeEnsembleRegressor", &[input], &[&scores], self.attributes())
                    .node("Softmax", &[&scores], &[output], vec![attribute::int("axis", 1)])
            }
        }
    }

    fn attributes(&self) -> Vec<yard_onnx::proto::AttributeProto> {
        let (nodes, leaves) = self.tables();
        let mut base = vec![0.0; self.output.width()];
        let first = base.len() - self.base.len();
        base[first..].copy_from_slice(&self.base);
        vec![
            attribute::string("aggregate_function", "SUM"),
            attribute::string("post_transform", "NONE"),
            attribute::int("n_targets", self.output.width() as i64),
            attribute::floats("base_values", &base),
            attribute::ints("nodes_treeids", &nodes.trees),
            attribute::ints("nodes_nodeids", &nodes.ids),
            attribute::strings("nodes_modes", &nodes.modes),
            attribute::ints("nodes_featureids", &nodes.columns),
            attribute::floats("nodes_values", &nodes.thresholds),
            attribute::ints("nodes_missing_value_tracks_true", &nodes.missing_left),
            attribute::ints("nodes_truenodeids", &nodes.left),
            attribute::ints("nodes_falsenodeids", &nodes.right),
            attribute::ints("target_treeids", &leaves.trees),
            attribute::ints("target_nodeids", &leaves.ids),
            attribute::ints("target_ids", &leaves.targets),
            attribute::floats("target_weights", &leaves.weights),
        ]
    }

    fn tables(&self) -> (NodeTable, LeafTable) {
        let mut nodes = NodeTable::default();
        let mut leaves = LeafTable::default();
        let leaf_width = self.output.leaf_width();
        let per_round = self.output.trees_per_round();
        // Two classes share a score, which is that of the second.
        let first_target = self.output.width() - self.output.scores();
        for (tree_id, tree) in self.trees.iter().enumerate() {
            for (id, node) in tree.nodes.iter().enumerate() {
                nodes.push(tree_id, id, node);
                let Node::Leaf(leaf) = node else { continue };
                let first_value = *leaf as usize * leaf_width;
                for (place, value) in tree.values[first_value..first_value + leaf_width].iter().enumerate() {
                    leaves.trees.push(tree_id as i64);
                    leaves.ids.push(id as i64);
                    leaves.targets.push((first_target + tree_id % per_round + place) as i64);
                    leaves.weights.push(*value);
                }
            }
        }
        (nodes, leaves)
    }
}

impl NodeTable {
    fn push(&mut self, tree: usize, id: usize, node: &Node) {
        let (mode, split) = match node {
            Node::Split(split) => ("BRANCH_LEQ", *split),
            Node::Leaf(_) => (
                "LEAF",
                Split { column: 0, threshold: 0.0, missing_left: false, left: 0, right: 0, gain: 0.0 },
            ),
        };
        self.trees.push(tree as i64);
        self.ids.push(id as i64);
        self.modes.push(mode);
        self.columns.push(i64::from(split.column));
        self.thresholds.push(split.threshold);
        self.missing_left.push(i64::from(split.missing_left));
        self.left.push(i64::from(split.left));
        self.right.push(i64::from(split.right));
    }
}
