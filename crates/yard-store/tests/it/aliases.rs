//! Promote, roll back, archive.

use std::{cell::Cell, sync::Arc};

use proptest::{prelude::*, test_runner::Config};
use yard_registry::RegistryError;
use yard_types::{AliasName, Coded as _, ErrorCode, Selector, VersionNumber};

use crate::yard::{Yard, actor, model};

fn number(number: u32) -> VersionNumber {
    VersionNumber::new(number).unwrap()
}

fn production() -> AliasName {
    AliasName::production()
}

async fn with_versions(count: u32) -> Yard {
    let yard = Yard::new().await;
    for index in 1..=count {
        let content = index.to_string();
        assert_eq!(yard.push("m", &[("model.onnx", &content)]).await.unwrap().version, number(index));
    }
    yard
}

impl Yard {
    async fn promote(&self, version: u32) -> Result<Option<VersionNumber>, RegistryError> {
        self.registry.promote(&model("m"), &production(), number(version), &actor()).await
    }

    async fn rollback(&self) -> Result<(u32, u32), RegistryError> {
        let moved = self.registry.rollback(&model("m"), &production(), &actor()).await;
        moved.map(|(from, to)| (from.get(), to.get()))
    }

    async fn in_production(&self) -> u32 {
        self.registry.resolve(&model("m"), &Selector::Production).await.unwrap().number.get()
    }
}

#[tokio::test]
async fn an_operator_promotes_and_goes_back_step_by_step() {
    let yard = with_versions(3).await;
    assert_eq!(yard.in_production().await, 1);
    assert!(matches!(yard.rollback().await, Err(RegistryError::NothingToRollBack { .. })));
    assert_eq!(yard.promote(2).await.unwrap(), Some(number(1)));
    assert_eq!(yard.promote(3).await.unwrap(), Some(number(2)));
    assert_eq!(yard.rollback().await.unwrap(), (3, 2));
    assert_eq!(yard.in_production().await, 2);
    let yard = yard.reopen().await;
    assert_eq!(yard.rollback().await.unwrap(), (2, 1));
    let error = yard.rollback().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
    assert_eq!(yard.in_production().await, 1);
}

#[tokio::test]
async fn a_long_history_is_read_as_far_back_as_it_takes() {
    let yard = with_versions(2).await;
    for _ in 0..100 {
        yard.promote(2).await.unwrap();
        yard.rollback().await.unwrap();
    }
    assert!(matches!(yard.rollback().await, Err(RegistryError::NothingToRollBack { .. })));
    yard.promote(2).await.unwrap();
    assert_eq!(yard.rollback().await.unwrap(), (2, 1));
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let yard = with_versions(1).await;
    let canary: AliasName = "canary".parse().unwrap();
    let resolve = async |name: &str, selector: &str| {
        let selector = Selector::parse(selector).unwrap();
        yard.registry.resolve(&model(name), &selector).await.unwrap_err()
    };
    assert!(matches!(resolve("x", "1").await, RegistryError::UnknownModel(_)));
    assert!(matches!(resolve("x", "canary").await, RegistryError::UnknownModel(_)));
    assert!(matches!(resolve("m", "2").await, RegistryError::UnknownVersion { .. }));
    assert!(matches!(resolve("m", "canary").await, RegistryError::UnknownAlias { .. }));
    assert!(matches!(yard.promote(2).await, Err(RegistryError::UnknownVersion { .. })));
    let promoted = yard.registry.promote(&model("x"), &canary, number(1), &actor()).await;
    assert!(matches!(promoted, Err(RegistryError::UnknownModel(_))));
    let rolled_back = yard.registry.rollback(&model("m"), &canary, &actor()).await;
    assert!(matches!(rolled_back, Err(RegistryError::UnknownAlias { .. })));
    let removed = yard.registry.remove_alias(&model("m"), &canary, &actor()).await;
    assert!(matches!(removed, Err(RegistryError::UnknownAlias { .. })));
    let archived = yard.registry.archive(&model("m"), number(2), &actor()).await;
    assert!(matches!(archived, Err(RegistryError::UnknownVersion { .. })));
}

#[tokio::test]
async fn an_archived_version_is_out_of_service_for_good() {
    let yard = with_versions(3).await;
    let canary: AliasName = "canary".parse().unwrap();
    let archive = async |version| yard.registry.archive(&model("m"), number(version), &actor()).await;
    yard.registry.promote(&model("m"), &canary, number(2), &actor()).await.unwrap();
    let error = archive(2).await.unwrap_err();
    assert!(matches!(&error, RegistryError::InUse { alias, .. } if *alias == canary), "{error}");
    yard.registry.remove_alias(&model("m"), &canary, &actor()).await.unwrap();
    archive(2).await.unwrap();
    archive(2).await.unwrap();
    let named = yard.registry.resolve(&model("m"), &Selector::Version(number(2))).await.unwrap_err();
    assert!(matches!(named, RegistryError::Archived { .. }));
    assert!(matches!(yard.promote(2).await, Err(RegistryError::Archived { .. })));
    assert_eq!(yard.registry.versions(&model("m")).await.unwrap().len(), 3, "its record stays");
    // The same bytes again are a new version: the archived one is not brought back unasked.
    let again = yard.push("m", &[("model.onnx", "2")]).await.unwrap();
    assert_eq!((again.version, again.created), (number(4), true));
    let stays = yard.registry.remove_alias(&model("m"), &production(), &actor()).await;
    assert!(matches!(stays, Err(RegistryError::ProductionStays)));
}

#[tokio::test]
async fn a_rollback_to_an_archived_version_is_refused() {
    let yard = with_versions(2).await;
    yard.promote(2).await.unwrap();
    yard.registry.archive(&model("m"), number(1), &actor()).await.unwrap();
    assert!(matches!(yard.rollback().await, Err(RegistryError::Archived { .. })));
    assert_eq!(yard.in_production().await, 2);
}

#[tokio::test]
async fn a_rollback_that_was_looked_up_is_not_made_over_the_move_of_another() {
    let yard = with_versions(3).await;
    yard.promote(2).await.unwrap();
    let (name, alias) = (model("m"), production());
    let looked_up = yard.registry.rollback_target(&name, &alias).await.unwrap();
    assert_eq!((looked_up.from, looked_up.to), (number(2), number(1)));
    assert_eq!(yard.in_production().await, 2, "looking changes nothing");
    // There and back: the alias points where it did, but not for the same reason.
    yard.promote(3).await.unwrap();
    yard.promote(2).await.unwrap();
    let error = yard.registry.roll_back_to(&name, &alias, &looked_up, &actor()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict, "{error}");
    assert_eq!(yard.in_production().await, 2);
    let looked_up = yard.registry.rollback_target(&name, &alias).await.unwrap();
    yard.registry.roll_back_to(&name, &alias, &looked_up, &actor()).await.unwrap();
    assert_eq!(yard.in_production().await, 3);
    assert!(yard.registry.roll_back_to(&name, &alias, &looked_up, &actor()).await.is_err(), "made once only");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rollbacks_at_once_each_undo_another_promotion() {
    let yard = Arc::new(with_versions(6).await);
    for version in 2..=6 {
        yard.promote(version).await.unwrap();
    }
    let rollbacks: Vec<_> = (0..5)
        .map(|_| {
            let yard = Arc::clone(&yard);
            tokio::spawn(async move { yard.rollback().await.unwrap().1 })
        })
        .collect();
    let mut reached = Vec::new();
    for rollback in rollbacks {
        reached.push(rollback.await.unwrap());
    }
    reached.sort_unstable();
    assert_eq!(reached, [1, 2, 3, 4, 5]);
    assert_eq!(yard.in_production().await, 1);
}

#[derive(Debug, Clone)]
enum Step {
    Promote(u32),
    Rollback,
    Remove,
}

/// What an alias is, in the plainest terms: where it has been, as a stack.
fn expected(stack: &mut Vec<u32>, step: &Step) -> Option<u32> {
    match step {
        Step::Promote(version) => {
            if stack.last() != Some(version) {
                stack.push(*version);
            }
        }
        Step::Rollback if stack.len() > 1 => drop(stack.pop()),
        Step::Rollback => {}
        Step::Remove => stack.clear(),
    }
    stack.last().copied()
}

#[test]
fn any_run_of_moves_ends_where_the_plain_model_says() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let yard = runtime.block_on(with_versions(3));
    let aliases_used = Cell::new(0);
    let step = prop_oneof![
        5 => (1u32..=3).prop_map(Step::Promote),
        3 => Just(Step::Rollback),
        1 => Just(Step::Remove),
    ];
    let mut runner = proptest::test_runner::TestRunner::new(Config { cases: 48, ..Config::default() });
    let run = runner.run(&prop::collection::vec(step, 1..24), |steps| {
        aliases_used.set(aliases_used.get() + 1);
        let alias: AliasName = format!("alias-{}", aliases_used.get()).parse().unwrap();
        let mut stack = Vec::new();
        for step in &steps {
            runtime
                .block_on(async {
                    let (registry, name, by) = (&yard.registry, model("m"), actor());
                    // What cannot be done is refused; the state afterwards is what counts here.
                    match step {
                        Step::Promote(version) => {
                            registry.promote(&name, &alias, number(*version), &by).await.map(drop)
                        }
                        Step::Rollback => registry.rollback(&name, &alias, &by).await.map(drop),
                        Step::Remove => registry.remove_alias(&name, &alias, &by).await,
                    }
                })
                .ok();
            let want = expected(&mut stack, step);
            let aliases = runtime.block_on(yard.registry.aliases_of(&model("m"))).unwrap();
            let got = aliases.iter().find(|record| record.alias == alias).map(|record| record.version.get());
            prop_assert_eq!(got, want, "after {:?} of {:?}", step, steps);
        }
        Ok(())
    });
    run.unwrap();
}
