//! Counting messages before they are decoded.
//!
//! A decoded message takes up to a few hundred bytes, an empty one in a file takes two. Without a limit, a file of some
//! megabytes could ask for gigabytes.

use std::ops::Range;

use crate::{
    OnnxError,
    wire::{LENGTH_DELIMITED, fields},
};

/// Most messages of one file: graphs of large language models have some hundred thousand.
pub(crate) const MAX_MESSAGES: usize = 2_000_000;
/// How deeply messages may be nested; what the decoder allows as well.
const MAX_DEPTH: usize = 100;

/// The messages that can hold many others.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    SparseTensor,
    Function,
    Training,
    ValueInfo,
    Type,
    TypePart,
    Shape,
    Leaf,
}

impl Kind {
    /// What the field of this number holds, where that is a message or a byte string.
    const fn child(self, number: u32) -> Option<Self> {
        Some(match (self, number) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) | (Self::Training, 1 | 2) => Self::Graph,
            (Self::Model, 20) => Self::Training,
            (Self::Model, 25) => Self::Function,
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Node, 5) | (Self::Function, 11) => Self::Attribute,
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => Self::Tensor,
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Self::SparseTensor,
            (Self::Graph, 11..=13) | (Self::Function, 12) => Self::ValueInfo,
            (Self::ValueInfo, 2) | (Self::Attribute, 14 | 15) => Self::Type,
            (Self::Type, 1 | 4 | 5 | 7 | 8 | 9) => Self::TypePart,
            // A tensor's shape, or the type inside a sequence, a map or an optional: both have shapes or types below.
            (Self::TypePart, 1 | 2) => Self::Shape,
            (Self::Shape, _) => Self::TypePart,
            (Self::Model, 8 | 14)
            | (Self::Tensor, 6 | 13)
            | (Self::Node, 1 | 2)
            | (Self::Attribute, 9)
            | (Self::Function, 4 | 5 | 6 | 9) => Self::Leaf,
            _ => return None,
        })
    }
}

/// Refuses a file that holds more messages than [`MAX_MESSAGES`] or nests them too deeply.
pub(crate) fn check_messages(bytes: &[u8]) -> Result<(), OnnxError> {
    let mut counted = 0;
    count(bytes, 0..bytes.len(), Kind::Model, 0, &mut counted)
}

fn count(
    bytes: &[u8],
    range: Range<usize>,
    kind: Kind,
    depth: usize,
    counted: &mut usize,
) -> Result<(), OnnxError> {
    if depth > MAX_DEPTH {
        return Err(OnnxError::malformed(format!("its messages are nested more than {MAX_DEPTH} deep")));
    }
    for field in fields(bytes, range) {
        let field = field?;
        if field.wire_type != LENGTH_DELIMITED {
            continue;
        }
        let Some(child) = kind.child(field.number) else { continue };
        *counted += 1;
        if *counted > MAX_MESSAGES {
            return Err(OnnxError::malformed(format!("it holds more than {MAX_MESSAGES} messages")));
        }
        match child {
            Kind::Leaf => {}
            // A byte string may stand where a type has a message; the decoder decides, so faults are not final here.
            Kind::TypePart | Kind::Shape => {
                let _ = count(bytes, field.value, child, depth + 1, counted);
                if *counted > MAX_MESSAGES {
                    return Err(OnnxError::malformed(format!("it holds more than {MAX_MESSAGES} messages")));
                }
            }
            _ => count(bytes, field.value, child, depth + 1, counted)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::put_delimiter;

    #[test]
    fn a_small_file_cannot_ask_for_millions_of_messages() {
        let nodes: Vec<u8> = [0x0a, 0].repeat(MAX_MESSAGES);
        let mut model = Vec::new();
        put_delimiter(&mut model, 7, nodes.len());
        model.extend(nodes);
        let error = check_messages(&model).unwrap_err();
        assert!(error.to_string().contains("more than 2000000 messages"), "{error}");
    }

    #[test]
    fn deep_nesting_is_refused() {
        let mut graph = Vec::new();
        for level in 0..300 {
            let number = [7, 1, 5, 6, 1, 5, 6][level % 7].min(6);
            let mut outer = Vec::new();
            put_delimiter(&mut outer, number, graph.len());
            outer.extend(graph);
            graph = outer;
        }
        // A chain graph -> node -> attribute -> graph, closed by the model.
        let mut chain = Vec::new();
        for level in 0..300 {
            let mut outer = Vec::new();
            put_delimiter(&mut outer, [6, 5, 1][level % 3], chain.len());
            outer.extend(chain);
            chain = outer;
        }
        let mut model = Vec::new();
        put_delimiter(&mut model, 7, chain.len());
        model.extend(chain);
        let error = check_messages(&model).unwrap_err();
        assert!(error.to_string().contains("nested"), "{error}");
    }
}
