//! The numbered migrations, in the binary.

use sqlx::{
    SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

/// Number, name and text of every migration. A migration that was released is never edited: its checksum stands in the
/// databases of others. Numbers need not be without gaps: the registry counts from 1, access from 100,
/// jobs and data sets from 200, budgets, usage, weights and batches from 300.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "registry", include_str!("../../migrations/0001_registry.sql")),
    (100, "access", include_str!("../../migrations/0100_access.sql")),
    (200, "jobs", include_str!("../../migrations/0200_jobs.sql")),
    (210, "datasets", include_str!("../../migrations/0210_datasets.sql")),
    (300, "usage", include_str!("../../migrations/0300_usage.sql")),
    (310, "weight", include_str!("../../migrations/0310_weight.sql")),
    (320, "batches", include_str!("../../migrations/0320_batches.sql")),
];

/// All of them. Made at run time: the macro that does it at build time would compile the SQL library twice.
pub(super) fn migrator() -> Migrator {
    let migrations = MIGRATIONS
        .iter()
        .map(|(number, name, text)| {
            Migration::new(*number, (*name).into(), MigrationType::Simple, text.into_sql_str(), false)
        })
        .collect();
    Migrator::with_migrations(migrations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_in_order_and_numbered_once() {
        assert!(MIGRATIONS.is_sorted_by(|left, right| left.0 < right.0));
    }
}
