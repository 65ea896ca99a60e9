//! One budget of memory for all models.

use std::{sync::Arc, time::Duration};

use yard_serving::{
    MemoryStatus, RequestContext, Serving, ServingError, ServingSettings, Shortage, VersionStatusState,
};
use yard_types::{Coded, ErrorCode, Selector};

use crate::world::{Behaviour, World, answers, expected, name, number, rows, settings, version};

pub(crate) const PRODUCTION: Selector = Selector::Production;

pub(crate) fn sized(memory_bytes: u64) -> Behaviour {
    Behaviour { memory_bytes, ..Behaviour::light() }
}

pub(crate) fn budget(memory_budget_bytes: u64) -> ServingSettings {
    ServingSettings { memory_budget_bytes, ..settings() }
}

/// Models of which version 1 takes so many bytes.
pub(crate) fn world(models: &[(&str, u64)]) -> Arc<World> {
    let (world, _at_gate) = World::new();
    for (model, bytes) in models {
        world.add(&version(model, 1), sized(*bytes));
    }
    world
}

pub(crate) async fn ask(serving: &Serving, model: &str) -> Result<(), ServingError> {
    let lease = serving.open(model, &PRODUCTION).await?;
    let prediction = lease.predict(rows(&[1.0]), RequestContext::default()).await?;
    assert_eq!(answers(&prediction), expected(lease.version().get(), &[1.0]));
    Ok(())
}

/// Models with a version in this state.
fn in_state(serving: &Serving, state: &VersionStatusState) -> Vec<String> {
    let with = |status: &yard_serving::ModelStatus| {
        status.versions.iter().any(|version| version.state == *state).then(|| status.model.to_string())
    };
    serving.status().iter().filter_map(with).collect()
}

pub(crate) fn ready(serving: &Serving) -> Vec<String> {
    in_state(serving, &VersionStatusState::Ready)
}

pub(crate) fn evicted(serving: &Serving) -> Vec<String> {
    in_state(serving, &VersionStatusState::Evicted)
}

/// Lets all that can go on go on.
pub(crate) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// A load in a task of its own.
pub(crate) fn opening(
    serving: &Serving,
    model: &'static str,
) -> tokio::task::JoinHandle<Result<(), ServingError>> {
    let serving = serving.clone();
    tokio::spawn(async move { serving.open(model, &PRODUCTION).await.map(drop) })
}

#[tokio::test(start_paused = true)]
async fn what_was_not_used_for_longest_leaves_and_comes_back_when_it_is_asked_for() {
    let world = world(&[("a", 40), ("b", 40), ("c", 40)]);
    let serving = world.serve(budget(100));
    for model in ["a", "b", "a"] {
        ask(&serving, model).await.unwrap();
        // Times are kept in microseconds.
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    assert_eq!(serving.memory(), MemoryStatus { budget_bytes: 100, charged_bytes: 80, evictions: 0 });
    ask(&serving, "c").await.unwrap();
    assert_eq!((ready(&serving), evicted(&serving)), (vec!["a".into(), "c".into()], vec!["b".into()]));
    assert!(matches!(serving.find("b", &PRODUCTION), Err(ServingError::NotLoaded { .. })));
    tokio::time::advance(Duration::from_millis(1)).await;
    ask(&serving, "b").await.unwrap();
    assert_eq!((ready(&serving), evicted(&serving)), (vec!["b".into(), "c".into()], vec!["a".into()]));
    assert_eq!(serving.memory(), MemoryStatus { budget_bytes: 100, charged_bytes: 80, evictions: 2 });
    assert_eq!(World::count(&world.most_alive), 2);
    let status = serving.status();
    let bytes: Vec<u64> = status.iter().map(|model| model.versions[0].memory_bytes).collect();
    assert_eq!(bytes, [0, 40, 40]);
}

#[tokio::test]
async fn versions_that_a_request_named_leave_before_those_that_aliases_lead_to() {
    let world = world(&[("a", 40), ("b", 40)]);
    world.add(&version("a", 2), sized(40));
    let serving = world.serve(budget(100));
    ask(&serving, "a").await.unwrap();
    serving.open("a", &Selector::Version(number(2))).await.unwrap();
    ask(&serving, "b").await.unwrap();
    assert_eq!((ready(&serving), evicted(&serving)), (vec!["a".into(), "b".into()], vec![]));
    assert_eq!(serving.find("a", &PRODUCTION).unwrap().version(), number(1));
    assert!(serving.find("a", &Selector::Version(number(2))).is_err());
}

#[tokio::test]
async fn a_version_at_work_is_not_evicted_but_waited_for() {
    let world = world(&[("a", 60), ("b", 60)]);
    let serving = world.serve(budget(100));
    let lease = serving.open("a", &PRODUCTION).await.unwrap();
    let hold = lease.hold();
    let opening = opening(&serving, "b");
    while serving.in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    settle().await;
    assert!(!opening.is_finished());
    assert_eq!(ready(&serving), ["a"]);
    drop((hold, lease));
    opening.await.unwrap().unwrap();
    assert_eq!((ready(&serving), evicted(&serving)), (vec!["b".into()], vec!["a".into()]));
    assert_eq!(World::count(&world.most_alive), 1);
}

#[tokio::test]
async fn a_run_that_ends_makes_room() {
    let (world, mut at_gate) = World::new();
    world.add(&version("a", 1), Behaviour { memory_bytes: 60, ..Behaviour::gated() });
    world.add(&version("b", 1), sized(60));
    let serving = world.serve(budget(100));
    let running = tokio::spawn({
        let serving = serving.clone();
        async move { ask(&serving, "a").await }
    });
    at_gate.recv().await.unwrap();
    let opening = opening(&serving, "b");
    while serving.in_flight() < 2 {
        tokio::task::yield_now().await;
    }
    settle().await;
    assert!(!opening.is_finished());
    world.open_gate();
    running.await.unwrap().unwrap();
    opening.await.unwrap().unwrap();
    assert_eq!(ready(&serving), ["b"]);
}

#[tokio::test]
async fn memory_counts_until_the_model_is_gone() {
    let world = world(&[("a", 60), ("b", 60)]);
    let serving = world.serve(budget(100));
    let lease = serving.open("a", &PRODUCTION).await.unwrap();
    let opening = opening(&serving, "b");
    while serving.find("a", &PRODUCTION).is_ok() {
        tokio::task::yield_now().await;
    }
    settle().await;
    assert!(!opening.is_finished(), "somebody still has the evicted version");
    assert_eq!((serving.memory().charged_bytes, World::count(&world.loads)), (60, 1));
    lease.predict(rows(&[1.0]), RequestContext::default()).await.unwrap();
    drop(lease);
    opening.await.unwrap().unwrap();
    assert_eq!((World::count(&world.most_alive), World::count(&world.loads)), (1, 2));
    assert!(serving.unload_model(&name("b")).await.unwrap());
    assert_eq!(serving.memory().charged_bytes, 0);
}

#[tokio::test]
async fn what_cannot_fit_is_refused_with_the_numbers() {
    let world = world(&[("a", 60), ("b", 61), ("huge", 101)]);
    world.add(&version("broken", 1), Behaviour { load_fails: true, ..sized(100) });
    let serving = world.serve(ServingSettings { memory_wait: Duration::ZERO, ..budget(100) });
    ask(&serving, "broken").await.unwrap_err();
    assert_eq!(serving.memory().charged_bytes, 0, "a load that failed gives back what it took");

    let refused = serving.open("huge", &PRODUCTION).await.unwrap_err();
    assert!(
        matches!(
            &refused,
            ServingError::NoMemory { needs: 101, budget: 100, shortage: Shortage::TooLarge, .. }
        ),
        "{refused:?}"
    );
    assert_eq!((refused.code(), refused.retry_after()), (ErrorCode::Unavailable, None));
    let message = refused.to_string();
    assert!(
        ["huge version 1", "101", "100", "serving.memory_bytes"].iter().all(|part| message.contains(part)),
        "{message}"
    );

    let lease = serving.open("a", &PRODUCTION).await.unwrap();
    let hold = lease.hold();
    let refused = serving.open("b", &PRODUCTION).await.unwrap_err();
    assert!(
        matches!(&refused, ServingError::NoMemory { needs: 61, charged: 60, shortage: Shortage::Busy, .. }),
        "{refused:?}"
    );
    assert!(refused.retry_after().is_some(), "it will be idle again");
    assert!(refused.to_string().contains("60 of the 100 bytes"), "{refused}");
    drop((hold, lease));

    // Loaded on request, it stays, and nobody waits for it.
    serving.load_model(&name("a")).await.unwrap();
    let refused = serving.open("b", &PRODUCTION).await.unwrap_err();
    assert!(matches!(&refused, ServingError::NoMemory { shortage: Shortage::Kept, .. }), "{refused:?}");
    assert_eq!(refused.retry_after(), None);
    assert!(refused.to_string().contains("unload"), "{refused}");
    assert_eq!((ready(&serving), serving.memory().evictions), (vec!["a".into()], 0));
    assert!(serving.unload_model(&name("a")).await.unwrap());
    ask(&serving, "b").await.unwrap();
}

#[tokio::test]
async fn a_version_that_was_loaded_on_request_stays() {
    let world = world(&[("a", 40), ("b", 40), ("c", 40)]);
    let serving = world.serve(budget(100));
    serving.load(&version("a", 1)).await.unwrap();
    for model in ["b", "c", "b", "c"] {
        ask(&serving, model).await.unwrap();
    }
    assert_eq!((ready(&serving), evicted(&serving)), (vec!["a".into(), "c".into()], vec!["b".into()]));
}

#[tokio::test]
async fn both_versions_have_to_fit_for_a_promotion() {
    let world = world(&[("m", 60), ("other", 60)]);
    world.add(&version("m", 2), sized(60));
    let serving = world.serve(budget(100));
    serving.start_all().await.unwrap();
    ask(&serving, "m").await.unwrap();
    let refused = serving.prepare(&version("m", 2)).await.unwrap_err();
    assert!(matches!(&refused, ServingError::NoMemory { needs: 60, budget: 100, .. }), "{refused:?}");
    assert_eq!(serving.find("m", &PRODUCTION).unwrap().version(), number(1));
    ask(&serving, "m").await.unwrap();

    // Idle versions of others leave for it, and the old one does not.
    let serving = world.serve(budget(130));
    for model in ["m", "other"] {
        ask(&serving, model).await.unwrap();
    }
    let prepared = serving.prepare(&version("m", 2)).await.unwrap();
    assert_eq!((ready(&serving), evicted(&serving)), (vec!["m".into()], vec!["other".into()]));
    assert_eq!(serving.find("m", &PRODUCTION).unwrap().version(), number(1));
    world.point("production", &version("m", 2));
    drop(prepared);
    serving.refresh(&name("m")).await.unwrap();
    assert_eq!(serving.find("m", &PRODUCTION).unwrap().version(), number(2));
    ask(&serving, "other").await.unwrap();
    assert_eq!(ready(&serving), ["m", "other"]);
}

#[tokio::test]
async fn what_does_not_fit_at_the_start_is_left_for_its_first_request() {
    let models = ["a", "b", "c"];
    let world = world(&models.map(|model| (model, 40)));
    let serving = world.serve(budget(100));
    let report = serving.start_all().await.unwrap();
    assert_eq!((report.loaded.len(), report.failed.len()), (2, 0), "{report:?}");
    assert!(serving.is_ready());
    let left = evicted(&serving);
    assert_eq!((left.len(), serving.memory().evictions), (1, 0));
    // A refresh that has nothing to do with it does not bring it back.
    serving.refresh(&name(&left[0])).await.unwrap();
    assert_eq!(evicted(&serving), left);
    ask(&serving, &left[0]).await.unwrap();
    assert!(ready(&serving).contains(&left[0]));
}

#[tokio::test]
async fn without_lazy_loading_nothing_that_an_alias_leads_to_is_evicted() {
    let world = world(&[("a", 60), ("b", 60)]);
    let serving = world.serve(ServingSettings { lazy_load: false, ..budget(100) });
    let report = serving.start_all().await.unwrap();
    assert_eq!((report.loaded.len(), report.failed.len()), (1, 1), "{report:?}");
    assert!(
        matches!(&report.failed[0].1, ServingError::NoMemory { shortage: Shortage::Kept, .. }),
        "{report:?}"
    );
    assert!(serving.is_ready());
    assert_eq!((ready(&serving).len(), evicted(&serving).len(), serving.memory().evictions), (1, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_requests_to_three_models_of_which_two_fit_are_all_answered() {
    let models = ["a", "b", "c"];
    for behaviour in [Behaviour::light(), Behaviour::heavy()] {
        let (world, _at_gate) = World::new();
        for model in models {
            world.add(&version(model, 1), Behaviour { memory_bytes: 50, ..behaviour.clone() });
        }
        let serving = world.serve(budget(100));
        let mut asking = tokio::task::JoinSet::new();
        for request in 0..100 {
            let serving = serving.clone();
            asking.spawn(async move { ask(&serving, models[request % 3]).await });
        }
        // Anything that is stranded shows as a time-out here.
        let all = async {
            while let Some(asked) = asking.join_next().await {
                asked.unwrap().unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(60), all).await.unwrap();
        assert_eq!(World::count(&world.most_alive), 2);
        assert!(serving.memory().charged_bytes <= 100 && serving.memory().evictions > 0);
        for model in models {
            assert!(serving.unload_model(&name(model)).await.unwrap());
        }
        // The last of those that were evicted may still be on its way out.
        while serving.memory().charged_bytes > 0 {
            tokio::task::yield_now().await;
        }
    }
}
