//! Stopping in good order.

use std::time::Duration;

use tokio::time::Instant;
use yard_serving::{RequestContext, ServingError, ShutdownReport};
use yard_types::{Coded, ErrorCode, Selector};

use crate::world::{Behaviour, ENDLESS, World, answers, expected, rows, settings, version};

const PRODUCTION: Selector = Selector::Production;

#[tokio::test]
async fn what_was_admitted_is_finished_and_the_rest_refused() {
    let (world, mut at_gate) = World::new();
    world.add(&version("m", 1), Behaviour::gated());
    world.add(&version("light", 1), Behaviour::light());
    let mut settings = settings();
    settings.queue.workers = Some(1.try_into().unwrap());
    let serving = world.serve(settings);
    serving.start_all().await.unwrap();
    let lease = serving.find("m", &PRODUCTION).unwrap();
    let mut admitted = Vec::new();
    for value in [1.0, 2.0, 3.0] {
        let lease = lease.clone();
        admitted.push(tokio::spawn(async move {
            let prediction = lease.predict(rows(&[value]), RequestContext::default()).await.unwrap();
            assert_eq!(answers(&prediction), expected(1, &[value]));
        }));
    }
    at_gate.recv().await.unwrap();
    while serving.in_flight() < 3 {
        tokio::task::yield_now().await;
    }
    let stopping = tokio::spawn({
        let serving = serving.clone();
        let deadline = (Instant::now() + Duration::from_secs(60)).into_std();
        async move { serving.shutdown(deadline).await }
    });
    while serving.is_ready() {
        tokio::task::yield_now().await;
    }
    let refused = lease.predict(rows(&[4.0]), RequestContext::default()).await.unwrap_err();
    assert!(matches!(refused, ServingError::Stopping), "{refused:?}");
    assert_eq!(refused.code(), ErrorCode::Unavailable);
    let light = serving.find("light", &PRODUCTION).unwrap();
    assert!(light.predict(rows(&[4.0]), RequestContext::default()).await.is_err());
    assert!(matches!(
        serving.open("m", &Selector::Version("2".parse().unwrap())).await,
        Err(ServingError::Stopping)
    ));
    assert!(!stopping.is_finished());
    drop((lease, light));
    world.open_gate();
    for request in admitted {
        request.await.unwrap();
    }
    assert_eq!(stopping.await.unwrap(), ShutdownReport { finished: true, abandoned: 0 });
    assert_eq!((World::count(&world.models_alive), World::count(&world.guards_alive)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_finish_in_time_is_stopped() {
    let (world, _at_gate) = World::new();
    world.add(&version("m", 1), Behaviour { joining_allowed: false, ..Behaviour::heavy() });
    let mut settings = settings();
    settings.queue.workers = Some(1.try_into().unwrap());
    let serving = world.serve(settings);
    let lease = serving.open("m", &PRODUCTION).await.unwrap();
    let mut endless = Vec::new();
    for _ in 0..3 {
        let lease = lease.clone();
        endless.push(tokio::spawn(async move {
            lease.predict(rows(&[ENDLESS]), RequestContext::default()).await
        }));
    }
    while serving.in_flight() < 3 {
        tokio::task::yield_now().await;
    }
    drop(lease);
    let began = Instant::now();
    let report = serving.shutdown((began + Duration::from_secs(5)).into_std()).await;
    assert_eq!(report, ShutdownReport { finished: false, abandoned: 3 });
    for request in endless {
        let error = request.await.unwrap().unwrap_err();
        assert!(matches!(error, ServingError::Stopping), "{error:?}");
    }
    // The engine lets go in its own time, which the runtime's held clock does not know.
    while World::count(&world.guards_alive) > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(World::count(&world.models_alive), 0);
}

#[test]
fn what_outlives_the_runtime_is_unloaded_all_the_same() {
    let (world, _at_gate) = World::new();
    world.add(&version("m", 1), Behaviour::light());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (serving, lease) = runtime.block_on(async {
        let serving = world.serve(settings());
        let lease = serving.open("m", &PRODUCTION).await.unwrap();
        (serving, lease)
    });
    drop(runtime);
    assert_eq!(World::count(&world.models_alive), 1);
    drop(serving);
    drop(lease);
    assert_eq!((World::count(&world.models_alive), World::count(&world.guards_alive)), (0, 0));
}
