//! Specifications to start from, one for each kind of model and a few more.
//!
//! Each trains on a data set that comes with the program, with no network, in well under a minute on one core.

/// A specification to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    /// What it is called.
    pub kind: &'static str,
    /// What it shows, in one line.
    pub description: &'static str,
    /// The specification, in TOML, with comments.
    pub toml: &'static str,
}

/// Every example.
pub const fn examples() -> &'static [Example] {
    &EXAMPLES
}

/// The example of this name.
pub fn example(kind: &str) -> Option<&'static Example> {
    EXAMPLES.iter().find(|example| example.kind == kind)
}

static EXAMPLES: [Example; 14] = [
    Example {
        kind: "linear",
        description: "linear regression on the diabetes data",
        toml: include_str!("examples/linear.toml"),
    },
    Example {
        kind: "logistic",
        description: "logistic regression on the breast cancer data",
        toml: include_str!("examples/logistic.toml"),
    },
    Example {
        kind: "mlp",
        description: "a network of dense layers on handwritten digits",
        toml: include_str!("examples/mlp.toml"),
    },
    Example {
        kind: "cnn",
        description: "a convolutional network on handwritten digits",
        toml: include_str!("examples/cnn.toml"),
    },
    Example {
        kind: "decision-tree",
        description: "one decision tree on the iris data",
        toml: include_str!("examples/decision-tree.toml"),
    },
    Example {
        kind: "boosted-trees",
        description: "gradient-boosted trees on the breast cancer data",
        toml: include_str!("examples/boosted-trees.toml"),
    },
    Example {
        kind: "boosted-trees-regression",
        description: "gradient-boosted trees that predict a number, on the diabetes data",
        toml: include_str!("examples/boosted-trees-regression.toml"),
    },
    Example {
        kind: "text-classifier",
        description: "a small transformer on short texts",
        toml: include_str!("examples/text-classifier.toml"),
    },
    Example {
        kind: "cross-validation",
        description: "logistic regression on the wine data, judged by five folds",
        toml: include_str!("examples/cross-validation.toml"),
    },
    Example {
        kind: "search",
        description: "random search over learning rate, width and batch size of a network",
        toml: include_str!("examples/search.toml"),
    },
    Example {
        kind: "search-models",
        description: "a grid over kinds of model on the wine data",
        toml: include_str!("examples/search-models.toml"),
    },
    Example {
        kind: "article-classifier",
        description: "100 numbers to 10 classes: dense 128 relu, dense 10 softmax, Adam, cross-entropy",
        toml: include_str!("examples/article-classifier.toml"),
    },
    Example {
        kind: "article-regression",
        description: "10 numbers to one: a dense layer, squared error, SGD at 0.01",
        toml: include_str!("examples/article-regression.toml"),
    },
    Example {
        kind: "article-convolution",
        description: "pictures of 3x32x32 to 10 classes through a convolution from 3 to 6 channels",
        toml: include_str!("examples/article-convolution.toml"),
    },
];

#[cfg(test)]
mod tests;
