//! Engines that fail and break down, loads that fail, work that stands still.

use std::time::Duration;

use yard_serving::{RequestContext, ServingError, VersionStatusState};
use yard_types::{Coded, ErrorCode, Selector};

use crate::world::{Behaviour, PANIC, World, answers, expected, name, number, rows, settings, version};

const PRODUCTION: Selector = Selector::Production;

#[tokio::test]
async fn a_panic_costs_one_request_and_three_in_a_row_cost_the_version() {
    for behaviour in [Behaviour::light(), Behaviour::heavy()] {
        let (world, _at_gate) = World::new();
        world.add(&version("m", 1), behaviour);
        let serving = world.serve(settings());
        let lease = serving.open("m", &PRODUCTION).await.unwrap();
        let context = RequestContext::default();
        for _ in 0..5 {
            let error = lease.predict(rows(&[PANIC]), context).await.unwrap_err();
            assert!(matches!(error, ServingError::Panicked { .. }), "{error:?}");
            assert_eq!(error.code(), ErrorCode::Internal);
            lease.predict(rows(&[1.0]), context).await.unwrap();
        }
        assert_eq!(serving.metrics()[0].panics, 5);
        for _ in 0..3 {
            assert!(serving.find("m", &PRODUCTION).is_ok());
            lease.predict(rows(&[PANIC]), context).await.unwrap_err();
        }
        assert!(matches!(serving.find("m", &PRODUCTION), Err(ServingError::NotLoaded { .. })));
        assert!(matches!(serving.status()[0].versions[0].state, VersionStatusState::Failed { .. }));
        // Whoever asks next gets it loaded anew.
        let lease = serving.open("m", &PRODUCTION).await.unwrap();
        assert_eq!(answers(&lease.predict(rows(&[1.0]), context).await.unwrap()), expected(1, &[1.0]));
        assert_eq!(World::count(&world.loads), 2);
    }
}

#[tokio::test]
async fn a_panic_in_a_joined_run_fails_nobody_else() {
    let (world, _at_gate) = World::new();
    world.add(&version("m", 1), Behaviour::light());
    let serving = world.serve(settings());
    let lease = serving.open("m", &PRODUCTION).await.unwrap();
    let context = RequestContext::default();
    let (first, broken, last) = tokio::join!(
        lease.predict(rows(&[1.0]), context),
        lease.predict(rows(&[PANIC]), context),
        lease.predict(rows(&[3.0]), context),
    );
    assert_eq!(answers(&first.unwrap()), expected(1, &[1.0]));
    assert!(matches!(broken, Err(ServingError::Panicked { .. })));
    assert_eq!(answers(&last.unwrap()), expected(1, &[3.0]));
}

#[tokio::test]
async fn a_version_that_cannot_be_loaded_leaves_the_old_one_in_place() {
    let (world, _at_gate) = World::new();
    let (old, new) = (version("m", 1), version("m", 2));
    world.add(&old, Behaviour::heavy());
    world.add(&new, Behaviour { load_fails: true, ..Behaviour::heavy() });
    let serving = world.serve(settings());
    serving.start_all().await.unwrap();
    let error = serving.prepare(&new).await.unwrap_err();
    assert!(
        matches!(&error, ServingError::LoadFailed { version, reason } if *version == new && reason.contains("told to"))
    );
    // Even where the alias was moved regardless.
    world.point("production", &new);
    let report = serving.refresh(&new.model).await.unwrap();
    assert!(
        matches!(&report.failed[..], [(failed, ServingError::LoadFailed { .. })] if *failed == new.version)
    );
    let lease = serving.find("m", &PRODUCTION).unwrap();
    assert_eq!(lease.version(), old.version);
    assert_eq!(
        answers(&lease.predict(rows(&[1.0]), RequestContext::default()).await.unwrap()),
        expected(1, &[1.0])
    );
    let status = serving.status().remove(0);
    assert_eq!(status.aliases, [("production".parse().unwrap(), number(1))]);
    let failed = status.versions.iter().find(|version| version.version == number(2)).unwrap();
    assert!(matches!(&failed.state, VersionStatusState::Failed { reason } if reason.contains("told to")));
    // Mended, it takes over.
    world.add(&new, Behaviour::heavy());
    serving.refresh(&new.model).await.unwrap();
    assert_eq!(serving.find("m", &PRODUCTION).unwrap().version(), new.version);
    // What failed left nothing behind.
    drop(lease);
    while World::count(&world.guards_alive) > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_alias_that_cannot_switch_does_not_stop_another() {
    let (world, _at_gate) = World::new();
    let broken = Behaviour { load_fails: true, ..Behaviour::heavy() };
    for number in [1, 2] {
        world.add(&version("m", number), Behaviour::light());
    }
    let serving = world.serve(settings());
    world.point("canary", &version("m", 1));
    serving.start_all().await.unwrap();
    serving.open("m", &Selector::parse("canary").unwrap()).await.unwrap();
    world.add(&version("m", 3), broken);
    world.point("canary", &version("m", 3));
    world.point("production", &version("m", 2));
    let report = serving.refresh(&name("m")).await.unwrap();
    let failed: Vec<_> = report.failed.iter().map(|(version, _)| *version).collect();
    assert_eq!(failed, [number(3)]);
    assert_eq!(serving.find("m", &PRODUCTION).unwrap().version(), number(2));
    assert_eq!(serving.find("m", &Selector::parse("canary").unwrap()).unwrap().version(), number(1));
}

#[tokio::test]
async fn a_model_that_cannot_be_loaded_does_not_stop_the_others() {
    let (world, _at_gate) = World::new();
    world.add(&version("broken", 1), Behaviour { load_fails: true, ..Behaviour::heavy() });
    for model in ["a", "z"] {
        world.add(&version(model, 1), Behaviour::light());
    }
    let serving = world.serve(settings());
    assert!(!serving.is_ready());
    let mut report = serving.start_all().await.unwrap();
    assert!(serving.is_ready());
    report.loaded.sort();
    assert_eq!(report.loaded, [version("a", 1), version("z", 1)]);
    assert_eq!(report.failed.len(), 1);
    assert_eq!(report.failed[0].0, name("broken"));
}

#[tokio::test(start_paused = true)]
async fn a_failed_load_is_not_tried_again_by_every_request() {
    let (world, _at_gate) = World::new();
    world.add(&version("m", 1), Behaviour { load_fails: true, ..Behaviour::heavy() });
    let serving = world.serve(settings());
    for _ in 0..20 {
        let error = serving.open("m", &PRODUCTION).await.unwrap_err();
        assert!(matches!(error, ServingError::LoadFailed { .. }), "{error:?}");
        assert_eq!(error.code(), ErrorCode::Unavailable);
    }
    assert_eq!(World::count(&world.loads), 1);
    tokio::time::advance(Duration::from_secs(11)).await;
    serving.open("m", &PRODUCTION).await.unwrap_err();
    assert_eq!(World::count(&world.loads), 2);
    assert_eq!(World::count(&world.guards_alive), 0);
}

#[tokio::test]
async fn an_engine_that_is_not_here_is_named() {
    let (world, _at_gate) = World::new();
    world.add(&version("m", 1), Behaviour::heavy());
    let source = world.source();
    let serving = yard_serving::Serving::start(source, Vec::new(), settings()).unwrap();
    let error = serving.open("m", &PRODUCTION).await.unwrap_err();
    assert!(error.to_string().contains("'test'"), "{error}");
}

#[tokio::test]
async fn work_that_stands_still_is_seen() {
    let (world, mut at_gate) = World::new();
    world.add(&version("m", 1), Behaviour::gated());
    let serving = world.serve(settings());
    let lease = serving.open("m", &PRODUCTION).await.unwrap();
    let held = tokio::spawn({
        let lease = lease.clone();
        async move { lease.predict(rows(&[1.0]), RequestContext::default()).await }
    });
    at_gate.recv().await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(29)).await;
    assert!(!serving.is_stalled());
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(serving.is_stalled());
    assert!(serving.status()[0].versions[0].stalled);
    tokio::time::resume();
    world.open_gate();
    held.await.unwrap().unwrap();
    assert!(!serving.is_stalled());
    // Being idle is not standing still, and the first request after a long rest is not late.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3000)).await;
    assert!(!serving.is_stalled());
    tokio::time::resume();
    world.close_gate();
    let held = tokio::spawn(async move { lease.predict(rows(&[2.0]), RequestContext::default()).await });
    at_gate.recv().await.unwrap();
    assert!(!serving.is_stalled());
    world.open_gate();
    held.await.unwrap().unwrap();
}
