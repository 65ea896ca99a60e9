//! What an earlier data set leads one to expect of the next.

use crate::schema::{ColumnSpec, ColumnType, Domain, Role, Schema, sort_levels};
use crate::statistics::{ColumnKind, ColumnStatistics, Statistics};

/// The schema of a data set of which only the statistics were kept: ranges are those that were seen, and a column of
/// words that come again and again has no other words.
pub fn schema_of(statistics: &Statistics) -> Schema {
    Schema { columns: statistics.columns.iter().map(column).collect() }
}

fn column(seen: &ColumnStatistics) -> ColumnSpec {
    // As many words as values are no categories.
    let repeated = seen.distinct.is_some_and(|distinct| distinct.value * 2 <= seen.words);
    let range = seen.numbers.as_ref().map(|numbers| Domain::Range { min: numbers.min, max: numbers.max });
    let (kind, domain) = match seen.kind {
        ColumnKind::Number => (ColumnType::Number, range.unwrap_or(Domain::Any)),
        ColumnKind::Text if seen.values_complete && repeated => {
            let mut levels: Vec<String> = seen.values.iter().map(|value| value.value.clone()).collect();
            sort_levels(&mut levels);
            (ColumnType::Category, Domain::Levels(levels))
        }
        ColumnKind::Text => (if repeated { ColumnType::Category } else { ColumnType::Text }, Domain::Any),
        ColumnKind::Block => (ColumnType::Image, Domain::Any),
        // Nothing is known of it: whatever comes is welcome.
        ColumnKind::Empty => (ColumnType::Category, Domain::Any),
    };
    // Statistics keep no shapes, only how many elements there were.
    let shape = if kind == ColumnType::Image {
        let elements = seen.numbers.as_ref().map_or(0, |numbers| numbers.count / seen.blocks.max(1));
        vec![usize::try_from(elements).unwrap_or(usize::MAX).max(1)]
    } else {
        Vec::new()
    };
    ColumnSpec {
        name: seen.name.clone(),
        kind,
        role: Role::Feature,
        nullable: seen.missing > 0,
        domain,
        shape,
    }
}
