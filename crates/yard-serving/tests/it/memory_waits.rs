//! Waiting for room, and what becomes of those who wait in vain.

use std::time::Duration;

use tokio::time::Instant;
use yard_serving::{RequestContext, ServingError, ServingSettings, Shortage, VersionStatusState};
use yard_types::Selector;

use crate::{
    memory::{PRODUCTION, ask, budget, evicted, opening, ready, settle, sized, world},
    world::{PANIC, World, alias, name, number, rows, settings, version},
};

/// As long as nobody waits for anything but what ends by itself.
const A_MOMENT: Duration = Duration::from_secs(1);

fn is_busy(error: &ServingError) -> bool {
    matches!(error, ServingError::NoMemory { shortage: Shortage::Busy, .. })
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_for_a_model_are_refused_together() {
    let world = world(&[("a", 60), ("b", 60)]);
    let settings = budget(100);
    let wait = settings.memory_wait;
    let serving = world.serve(settings);
    let lease = serving.open("a", &PRODUCTION).await.unwrap();
    let hold = lease.hold();
    let began = Instant::now();
    let waiting: Vec<_> = (0..10).map(|_| opening(&serving, "b")).collect();
    for task in waiting {
        let refused = task.await.unwrap().unwrap_err();
        assert!(is_busy(&refused), "{refused:?}");
    }
    let waited = began.elapsed();
    assert!(waited >= wait && waited < wait + A_MOMENT, "{waited:?}");
    assert!(serving.unload(&version("b", 1)).await.unwrap());
    assert!(began.elapsed() < wait + A_MOMENT);
    drop((hold, lease));
    serving.load(&version("b", 1)).await.unwrap();
    assert_eq!(ready(&serving), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn an_unload_is_not_held_up_by_those_who_wait() {
    let world = world(&[("a", 60), ("b", 60)]);
    let serving = world.serve(budget(100));
    let lease = serving.open("a", &PRODUCTION).await.unwrap();
    let _hold = lease.hold();
    let waiting: Vec<_> = (0..10).map(|_| opening(&serving, "b")).collect();
    settle().await;
    let began = Instant::now();
    assert!(serving.unload_model(&name("b")).await.unwrap());
    for task in waiting {
        task.await.unwrap().unwrap_err();
    }
    assert!(began.elapsed() < A_MOMENT, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn only_so_many_wait_with_a_load_that_has_no_room() {
    let world = world(&[("a", 60), ("b", 60)]);
    let serving = world.serve(budget(100));
    let lease = serving.open("a", &PRODUCTION).await.unwrap();
    let hold = lease.hold();
    let first = opening(&serving, "b");
    settle().await;
    let (mut waiting, mut refused) = (Vec::new(), 0);
    for task in (0..100).map(|_| opening(&serving, "b")).collect::<Vec<_>>() {
        settle().await;
        if task.is_finished() {
            assert!(is_busy(&task.await.unwrap().unwrap_err()));
            refused += 1;
        } else {
            waiting.push(task);
        }
    }
    assert_eq!((waiting.len(), refused), (63, 37));
    // Whoever leaves makes place for another.
    let leaves = waiting.pop().unwrap();
    leaves.abort();
    assert!(leaves.await.unwrap_err().is_cancelled());
    settle().await;
    waiting.extend([first, opening(&serving, "b")]);
    settle().await;
    assert!(waiting.iter().all(|task| !task.is_finished()));
    drop((hold, lease));
    for task in waiting {
        task.await.unwrap().unwrap();
    }
    assert_eq!((ready(&serving), evicted(&serving)), (vec!["b".into()], vec!["a".into()]));
}

#[tokio::test]
async fn what_can_never_fit_is_a_failed_load_at_the_start() {
    let world = world(&[("a", 40), ("huge", 101)]);
    let serving = world.serve(budget(100));
    let report = serving.start_all().await.unwrap();
    assert!(
        matches!(
            &report.failed[..],
            [(model, ServingError::NoMemory { shortage: Shortage::TooLarge, .. })] if *model == name("huge")
        ),
        "{report:?}"
    );
    assert!(serving.is_ready());
    assert_eq!((ready(&serving), evicted(&serving)), (vec!["a".into()], vec![]));
    let status = serving.status();
    let huge = status.iter().find(|status| status.model == name("huge")).unwrap();
    assert!(
        matches!(&huge.versions[0].state, VersionStatusState::Failed { reason } if reason.contains("101 bytes")),
        "{huge:?}"
    );
    // No request has to wait before it is told the same.
    let refused = serving.open("huge", &PRODUCTION).await.unwrap_err();
    assert!(
        matches!(&refused, ServingError::NoMemory { needs: 101, shortage: Shortage::TooLarge, .. }),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refresh_does_not_wait_for_what_it_has_loaded_itself() {
    let world = world(&[("m", 60)]);
    world.add(&version("m", 2), sized(60));
    world.point("canary", &version("m", 2));
    let serving = world.serve(ServingSettings { lazy_load: false, ..budget(100) });
    let began = Instant::now();
    let report = serving.start_all().await.unwrap();
    assert!(
        matches!(&report.failed[..], [(_, ServingError::NoMemory { shortage: Shortage::Kept, .. })]),
        "{report:?}"
    );
    assert!(began.elapsed() < A_MOMENT, "{:?}", began.elapsed());
    assert_eq!(serving.find("m", &PRODUCTION).unwrap().version(), number(1));
    assert!(serving.find("m", &alias("canary")).is_err());
}

#[tokio::test]
async fn a_version_that_broke_down_is_not_said_to_come_back_where_nothing_loads_it() {
    let world = world(&[("a", 60), ("b", 60)]);
    let serving = world.serve(ServingSettings { lazy_load: false, ..budget(100) });
    serving.start_all().await.unwrap();
    let (broken, other) = if ready(&serving) == ["a"] { ("a", "b") } else { ("b", "a") };
    let lease = serving.find(broken, &PRODUCTION).unwrap();
    for _ in 0..3 {
        lease.predict(rows(&[PANIC]), RequestContext::default()).await.unwrap_err();
    }
    drop(lease);
    let report = serving.refresh(&name(other)).await.unwrap();
    assert!(report.failed.is_empty(), "{report:?}");
    assert_eq!((ready(&serving), evicted(&serving)), (vec![other.to_owned()], vec![]));
    let status = serving.status();
    let broken = status.iter().find(|status| status.model == name(broken)).unwrap();
    assert!(
        broken.versions.iter().any(|version| matches!(version.state, VersionStatusState::Failed { .. })),
        "{broken:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_load_on_request_that_fails_changes_nothing() {
    let world = world(&[("a", 60), ("b", 60)]);
    let serving = world.serve(budget(100));
    ask(&serving, "a").await.unwrap();
    ask(&serving, "b").await.unwrap();
    let lease = serving.find("b", &PRODUCTION).unwrap();
    let hold = lease.hold();
    let refused = serving.load_model(&name("a")).await.unwrap_err();
    assert!(is_busy(&refused), "{refused:?}");
    assert_eq!((ready(&serving), evicted(&serving)), (vec!["b".into()], vec!["a".into()]));
    drop((hold, lease));
    // It comes back on request, and goes again for others: it was not loaded to stay.
    ask(&serving, "a").await.unwrap();
    ask(&serving, "b").await.unwrap();
    assert_eq!((ready(&serving), evicted(&serving)), (vec!["b".into()], vec!["a".into()]));
}

#[tokio::test]
async fn where_the_number_of_versions_is_reached_idle_models_leave_too() {
    let models = ["a", "b", "c"];
    let world = world(&models.map(|model| (model, 1)));
    let serving = world.serve(ServingSettings { max_loaded_versions: 2.try_into().unwrap(), ..settings() });
    let report = serving.start_all().await.unwrap();
    assert_eq!((report.loaded.len(), report.failed.len()), (2, 0), "{report:?}");
    assert_eq!((evicted(&serving).len(), serving.memory().evictions), (1, 0));
    for model in models {
        ask(&serving, model).await.unwrap();
        assert_eq!((ready(&serving).len(), evicted(&serving).len()), (2, 1));
    }
    // What stays is not touched.
    serving.load_model(&name("a")).await.unwrap();
    serving.load_model(&name("b")).await.unwrap();
    let refused = serving.open("c", &Selector::Production).await.unwrap_err();
    assert!(matches!(refused, ServingError::TooManyLoaded { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_model_is_told_to_go_before_its_memory_counts_as_free() {
    let world = world(&[("a", 60)]);
    let serving = world.serve(budget(100));
    ask(&serving, "a").await.unwrap();
    assert_eq!(World::count(&world.unloads), 0);
    assert!(serving.unload_model(&name("a")).await.unwrap());
    assert_eq!((World::count(&world.unloads), serving.memory().charged_bytes), (1, 0));
}
