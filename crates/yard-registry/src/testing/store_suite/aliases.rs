//! Aliases and their moves.

use yard_types::{Timestamp, VersionNumber};

use super::{Store, actor, alias, model, number, versions_of};
use crate::{AliasMove, MoveKind, StoreError};

async fn promote(store: &Store, name: &str, to: u32) -> Result<Option<VersionNumber>, StoreError> {
    store.move_alias(&model("m"), &alias(name), number(to), Timestamp(50), &actor("mover")).await
}

async fn moves(store: &Store, name: &str) -> Vec<AliasMove> {
    store.alias_moves(&model("m"), &alias(name), 1000).await.unwrap()
}

async fn target(store: &Store, name: &str) -> Option<u32> {
    store.alias(&model("m"), &alias(name)).await.unwrap().map(|record| record.version.get())
}

/// A move tells where the alias was; a move to where it is already is none.
pub async fn an_alias_goes_where_it_is_moved(store: Store) {
    versions_of(&store, "m", 3).await;
    versions_of(&store, "n", 1).await;
    assert_eq!(promote(&store, "canary", 2).await.unwrap(), None);
    assert_eq!(promote(&store, "canary", 3).await.unwrap(), Some(number(2)));
    assert_eq!(promote(&store, "canary", 3).await.unwrap(), Some(number(3)));
    assert_eq!((target(&store, "canary").await, target(&store, "production").await), (Some(3), Some(1)));
    let told: Vec<_> =
        moves(&store, "canary").await.iter().map(|step| (step.kind, step.from, step.to)).collect();
    let promotion = MoveKind::Promotion;
    assert_eq!(told, [(promotion, Some(number(2)), Some(number(3))), (promotion, None, Some(number(2)))]);
    let newest = &moves(&store, "canary").await[0];
    assert_eq!((newest.at, &newest.by, &newest.alias), (Timestamp(50), &actor("mover"), &alias("canary")));

    let of_model = store.aliases_of(&model("m")).await.unwrap();
    let names: Vec<&str> = of_model.iter().map(|record| record.alias.as_str()).collect();
    assert_eq!(names, ["canary", "production"]);
    assert_eq!(store.aliases().await.unwrap().len(), 3, "those of the other model are among all");
}

/// Each move begins where the one before it ended.
pub async fn concurrent_moves_form_one_history(store: Store) {
    versions_of(&store, "m", 4).await;
    let mut tasks = Vec::new();
    for step in 0..40 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move { promote(&store, "canary", 1 + step % 4).await.unwrap() }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let mut history = moves(&store, "canary").await;
    history.reverse();
    assert_eq!(history[0].from, None);
    for pair in history.windows(2) {
        assert_eq!(pair[0].to, pair[1].from, "{pair:?}");
        assert!(pair[0].sequence < pair[1].sequence && pair[1].from != pair[1].to, "{pair:?}");
    }
    assert_eq!(history.last().unwrap().to.map(VersionNumber::get), target(&store, "canary").await);
}

/// Neither to what is not there nor to what is archived.
pub async fn only_ready_versions_are_pointed_at(store: Store) {
    versions_of(&store, "m", 2).await;
    store.archive_version(&model("m"), number(2), Timestamp(20), &actor("a")).await.unwrap();
    assert!(matches!(promote(&store, "canary", 2).await, Err(StoreError::Conflict(_))));
    assert!(matches!(promote(&store, "canary", 3).await, Err(StoreError::Missing(_))));
    let elsewhere =
        store.move_alias(&model("n"), &alias("canary"), number(1), Timestamp(50), &actor("a")).await;
    assert!(matches!(elsewhere, Err(StoreError::Missing(_))));
    assert_eq!((target(&store, "canary").await, moves(&store, "canary").await), (None, vec![]));
}

/// What was decided by an older history is refused, and nothing moves.
pub async fn a_rollback_needs_the_history_it_was_decided_by(store: Store) {
    versions_of(&store, "m", 3).await;
    promote(&store, "production", 2).await.unwrap();
    let seen = moves(&store, "production").await[0].sequence;
    promote(&store, "production", 3).await.unwrap();
    let roll_back = async |name: &str, to, newest| {
        let (model, alias) = (model("m"), alias(name));
        store.roll_back_alias(&model, &alias, number(to), newest, Timestamp(60), &actor("undoer")).await
    };
    assert!(matches!(roll_back("production", 1, seen).await, Err(StoreError::Conflict(_))));
    assert_eq!(target(&store, "production").await, Some(3));
    let newest = moves(&store, "production").await[0].sequence;
    assert!(matches!(roll_back("production", 9, newest).await, Err(StoreError::Missing(_))));
    assert!(matches!(roll_back("canary", 1, newest).await, Err(StoreError::Missing(_))));
    roll_back("production", 2, newest).await.unwrap();
    let last = &moves(&store, "production").await[0];
    assert_eq!((last.kind, last.from, last.to), (MoveKind::Rollback, Some(number(3)), Some(number(2))));
    assert_eq!((last.at, &last.by), (Timestamp(60), &actor("undoer")));
    assert_eq!(target(&store, "production").await, Some(2));
    assert!(matches!(roll_back("production", 1, newest).await, Err(StoreError::Conflict(_))));
}

/// The removal is told among the moves.
pub async fn an_alias_can_be_removed_but_not_production(store: Store) {
    versions_of(&store, "m", 1).await;
    let remove =
        async |name: &str| store.remove_alias(&model("m"), &alias(name), Timestamp(70), &actor("a")).await;
    assert!(matches!(remove("canary").await, Err(StoreError::Missing(_))));
    assert!(matches!(remove("production").await, Err(StoreError::Conflict(_))));
    promote(&store, "canary", 1).await.unwrap();
    remove("canary").await.unwrap();
    assert_eq!((target(&store, "canary").await, target(&store, "production").await), (None, Some(1)));
    let last = &moves(&store, "canary").await[0];
    assert_eq!((last.kind, last.from, last.to), (MoveKind::Removal, Some(number(1)), None));
    assert_eq!(promote(&store, "canary", 1).await.unwrap(), None, "it begins anew");
}

/// At most as many as are asked for, of one alias or of one version.
pub async fn moves_are_told_newest_first(store: Store) {
    versions_of(&store, "m", 3).await;
    for to in [2, 3, 1, 2] {
        promote(&store, "production", to).await.unwrap();
    }
    promote(&store, "canary", 3).await.unwrap();
    let some = store.alias_moves(&model("m"), &alias("production"), 2).await.unwrap();
    assert_eq!(some.iter().map(|step| step.to.unwrap().get()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(moves(&store, "production").await.len(), 5);

    let of_three = store.moves_of_version(&model("m"), number(3), 10).await.unwrap();
    let told: Vec<_> = of_three.iter().map(|step| (step.alias.as_str(), step.to.unwrap().get())).collect();
    assert_eq!(told, [("canary", 3), ("production", 1), ("production", 3)]);
    assert_eq!(store.moves_of_version(&model("m"), number(3), 1).await.unwrap().len(), 1);
}
