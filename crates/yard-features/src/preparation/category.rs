//! A column of categories.

use yard_data::{Table, Values};

use super::{column, wrong_type};
use crate::{FeatureError, PreparationOptions};

/// One-hot: a column for each category of the training rows. A missing category, which a request writes as an empty
/// text, and one that was not learned are all zeros.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CategoryColumn {
    pub(super) name: String,
    /// Sorted as the data have them; never empty, never an empty text.
    pub(super) levels: Vec<String>,
}

impl CategoryColumn {
    /// Learns from the training rows. The text is the value of a column that is the same in all of them.
    pub(super) fn fit(
        name: &str,
        codes: &[u32],
        levels: &[String],
        train: &[usize],
        options: &PreparationOptions,
    ) -> Result<(Self, Option<String>), FeatureError> {
        let mut is_used = vec![false; levels.len()];
        let mut has_missing = false;
        for row in train {
            match is_used.get_mut(codes[*row] as usize) {
                Some(is_used) => *is_used = true,
                None => has_missing = true,
            }
        }
        let used = levels.iter().zip(is_used).filter(|(_, is_used)| *is_used);
        let mut used: Vec<String> = used.map(|(level, _)| level.clone()).collect();
        let with_empty = used.len();
        used.retain(|level| !level.is_empty());
        has_missing |= used.len() < with_empty;
        if used.is_empty() {
            return Err(FeatureError::NoValues { column: name.to_owned() });
        }
        if used.len() > options.max_categories {
            return Err(FeatureError::TooManyCategories {
                column: name.to_owned(),
                found: used.len(),
                limit: options.max_categories,
            });
        }
        let constant = (used.len() == 1 && !has_missing).then(|| format!("`{}`", used[0]));
        Ok((Self { name: name.to_owned(), levels: used }, constant))
    }

    /// Writes the prepared rows into the columns from `place` of rows that are `width` wide and zero so far.
    pub(super) fn apply(
        &self,
        table: &Table,
        rows: &[usize],
        into: &mut [f32],
        place: usize,
        width: usize,
    ) -> Result<(), FeatureError> {
        let column = column(table, &self.name)?;
        let Values::Categories { codes, levels } = &column.values else {
            return Err(wrong_type(column, "categories"));
        };
        // Another table may number its categories in another way.
        let position = |level: &String| self.levels.iter().position(|known| known == level);
        let positions: Vec<Option<usize>> = levels.iter().map(position).collect();
        for (prepared, row) in into.chunks_exact_mut(width).zip(rows) {
            let position = positions.get(codes[*row] as usize).copied().flatten();
            if let Some(position) = position {
                prepared[place + position] = 1.0;
            }
        }
        Ok(())
    }
}
