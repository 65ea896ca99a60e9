//! The plan of a text classifier.

use yard_spec::{TextClassifierModel, TrainingSpec};

use crate::{TextPlan, TrainingError};

/// The text classifier of a specification for so many numbers of words and so many classes.
pub(crate) fn text_plan(
    spec: &TrainingSpec,
    keys: &TextClassifierModel,
    words: usize,
    classes: usize,
) -> Result<TextPlan, TrainingError> {
    let plan = TextPlan {
        words,
        max_tokens: keys.max_tokens,
        width: keys.width,
        heads: keys.heads,
        blocks: keys.blocks,
        hidden: keys.hidden,
        dropout: keys.dropout as f32,
        classes,
    };
    plan.check(spec.training.batch_size)?;
    Ok(plan)
}
