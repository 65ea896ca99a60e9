//! How requests become runs.

use std::time::Duration;

use tokio::task::JoinSet;
use yard_serving::{QueueOptions, RequestContext, Serving, ServingError, ServingSettings};
use yard_types::{Coded, ErrorCode, Selector};

use crate::world::{
    BAD, Behaviour, Run, SPINS, STANDS_STILL, World, answers, background, expected, rows, settings, version,
};

/// One worker, so that what comes while a run is held waits together.
fn one_worker() -> ServingSettings {
    let mut settings = settings();
    settings.queue.workers = Some(1.try_into().unwrap());
    settings
}

async fn serve_one(
    settings: ServingSettings,
    behaviour: Behaviour,
) -> (std::sync::Arc<World>, crate::world::AtGate, Serving) {
    let (world, at_gate) = World::new();
    world.add(&version("m", 1), behaviour);
    let serving = world.serve(settings);
    let report = serving.start_all().await.unwrap();
    assert!(report.failed.is_empty(), "{report:?}");
    (world, at_gate, serving)
}

/// Sends the requests side by side, each of them queued before the next; gives the answers in the order of sending.
async fn send(
    serving: &Serving,
    requests: &[(&[f32], RequestContext)],
) -> JoinSet<(usize, Result<Vec<f32>, ServingError>)> {
    let lease = serving.find("m", &Selector::Production).unwrap();
    let mut answered = JoinSet::new();
    for (place, (values, context)) in requests.iter().enumerate() {
        let (lease, inputs, context) = (lease.clone(), rows(values), *context);
        let before = serving.in_flight();
        answered.spawn(async move {
            let prediction = lease.predict(inputs, context).await;
            (place, prediction.map(|prediction| answers(&prediction)))
        });
        while serving.in_flight() == before {
            tokio::task::yield_now().await;
        }
    }
    answered
}

async fn collect(
    mut answered: JoinSet<(usize, Result<Vec<f32>, ServingError>)>,
) -> Vec<Result<Vec<f32>, ServingError>> {
    let mut results: Vec<_> = (0..answered.len()).map(|_| None).collect();
    while let Some(result) = answered.join_next().await {
        let (place, result) = result.unwrap();
        results[place] = Some(result);
    }
    results.into_iter().map(Option::unwrap).collect()
}

const NOW: RequestContext = RequestContext { class: yard_serving::QueueClass::Interactive, deadline: None };

#[tokio::test]
async fn joined_requests_get_their_own_rows_back() {
    let (world, mut at_gate, serving) = serve_one(one_worker(), Behaviour::gated()).await;
    let held = send(&serving, &[(&[0.0], NOW)]).await;
    at_gate.recv().await.unwrap();
    let requests: [&[f32]; 4] = [&[1.0], &[2.0, 3.0], &[4.0], &[5.0, 6.0, 7.0]];
    let sent = send(&serving, &requests.map(|values| (values, NOW))).await;
    world.open_gate();
    for (result, values) in collect(sent).await.into_iter().zip(requests) {
        assert_eq!(result.unwrap(), expected(1, values));
    }
    collect(held).await.remove(0).unwrap();
    assert_eq!(world.run_rows(), [vec![0.0], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]]);
    let metrics = serving.metrics().remove(0);
    assert_eq!((metrics.requests, metrics.rows, metrics.batches), (5, 8, 2));
    assert!((metrics.batch_rows.sum - 8.0).abs() < 1e-9);
    assert_eq!(metrics.queue_seconds.count, 5);
    assert_eq!(metrics.failures, []);
}

#[tokio::test]
async fn what_can_be_read_at_once_runs_at_once_on_the_io_thread() {
    let (world, _at_gate, serving) = serve_one(settings(), Behaviour::light()).await;
    let lease = serving.find("m", &Selector::Production).unwrap();
    let mut answered = JoinSet::new();
    for value in 0_u8..64 {
        let lease = lease.clone();
        answered.spawn(async move { (value, lease.predict(rows(&[f32::from(value)]), NOW).await.unwrap()) });
    }
    while let Some(result) = answered.join_next().await {
        let (value, prediction) = result.unwrap();
        assert_eq!(answers(&prediction), expected(1, &[f32::from(value)]));
        assert_eq!(prediction.batch_rows, 64);
    }
    let runs = world.runs();
    assert_eq!(runs.len(), 1);
    assert!(!runs[0].thread.starts_with("yard-compute"), "{runs:?}");
}

#[tokio::test]
async fn rows_are_not_joined_unless_that_was_proven_harmless() {
    let behaviour = Behaviour { joining_allowed: false, ..Behaviour::gated() };
    let (world, mut at_gate, serving) = serve_one(one_worker(), behaviour).await;
    let sent = send(&serving, &[(&[1.0], NOW), (&[2.0], NOW), (&[3.0], NOW)]).await;
    at_gate.recv().await.unwrap();
    world.open_gate();
    collect(sent).await.into_iter().for_each(|result| drop(result.unwrap()));
    assert_eq!(world.run_rows(), [[1.0], [2.0], [3.0]]);
}

#[tokio::test]
async fn a_run_stays_within_the_largest_batch() {
    let mut settings = one_worker();
    settings.queue.max_batch = 2.try_into().unwrap();
    let (world, mut at_gate, serving) = serve_one(settings, Behaviour::gated()).await;
    let held = send(&serving, &[(&[0.0], NOW)]).await;
    at_gate.recv().await.unwrap();
    let sent = send(&serving, &[(&[1.0], NOW), (&[2.0], NOW), (&[3.0], NOW), (&[4.0, 5.0, 6.0], NOW)]).await;
    world.open_gate();
    collect(sent).await.into_iter().for_each(|result| drop(result.unwrap()));
    collect(held).await.remove(0).unwrap();
    assert_eq!(world.run_rows(), [vec![0.0], vec![1.0, 2.0], vec![3.0], vec![4.0, 5.0, 6.0]]);
}

#[tokio::test]
async fn rows_join_only_as_far_as_nobody_waits_long_for_the_whole() {
    // Of a model that takes 8 ms a row, two rows fit into 20 ms.
    let settings = ServingSettings { max_joined_run: Duration::from_millis(20), ..one_worker() };
    let behaviour = Behaviour { single_run: Some(Duration::from_millis(8)), ..Behaviour::gated() };
    let (world, mut at_gate, serving) = serve_one(settings, behaviour).await;
    let held = send(&serving, &[(&[0.0], NOW)]).await;
    at_gate.recv().await.unwrap();
    let sent = send(&serving, &[(&[1.0], NOW), (&[2.0], NOW), (&[3.0], NOW)]).await;
    world.open_gate();
    collect(sent).await.into_iter().for_each(|result| drop(result.unwrap()));
    collect(held).await.remove(0).unwrap();
    assert_eq!(world.run_rows(), [vec![0.0], vec![1.0, 2.0], vec![3.0]]);
}

#[tokio::test]
async fn rows_of_unknown_cost_join_only_after_one_was_measured() {
    let behaviour = Behaviour { single_run: None, ..Behaviour::gated() };
    // Whatever a run takes, many of them fit into an hour.
    let (world, mut at_gate, serving) = serve_one(one_worker(), behaviour).await;
    let held = send(&serving, &[(&[0.0], NOW)]).await;
    at_gate.recv().await.unwrap();
    let sent = send(&serving, &[(&[1.0], NOW), (&[2.0], NOW)]).await;
    world.open_gate();
    collect(sent).await.into_iter().for_each(|result| drop(result.unwrap()));
    collect(held).await.remove(0).unwrap();
    assert_eq!(world.run_rows(), [vec![0.0], vec![1.0, 2.0]]);

    // And nothing fits into no time: nothing is ever joined.
    let settings = ServingSettings { max_joined_run: Duration::ZERO, ..one_worker() };
    let behaviour = Behaviour { single_run: None, ..Behaviour::gated() };
    let (world, mut at_gate, serving) = serve_one(settings, behaviour).await;
    let held = send(&serving, &[(&[0.0], NOW)]).await;
    at_gate.recv().await.unwrap();
    let sent = send(&serving, &[(&[1.0], NOW), (&[2.0], NOW)]).await;
    world.open_gate();
    collect(sent).await.into_iter().for_each(|result| drop(result.unwrap()));
    collect(held).await.remove(0).unwrap();
    assert_eq!(world.run_rows(), [[0.0], [1.0], [2.0]]);
}

#[tokio::test]
async fn one_bad_row_fails_nobody_else() {
    for behaviour in [Behaviour::gated(), Behaviour::light()] {
        let gated = behaviour.gated_runs;
        let (world, mut at_gate, serving) = serve_one(one_worker(), behaviour).await;
        let held = send(&serving, &[(&[0.0], NOW)]).await;
        if gated {
            at_gate.recv().await.unwrap();
        }
        let sent = send(&serving, &[(&[1.0], NOW), (&[2.0, BAD], NOW), (&[3.0], NOW)]).await;
        world.open_gate();
        let results = collect(sent).await;
        collect(held).await.remove(0).unwrap();
        assert_eq!(results[0].as_ref().unwrap(), &expected(1, &[1.0]));
        assert_eq!(results[1].as_ref().unwrap_err().code(), ErrorCode::InvalidArgument);
        assert_eq!(results[2].as_ref().unwrap(), &expected(1, &[3.0]));
    }
}

#[tokio::test]
async fn a_model_that_mixes_rows_is_found_out_and_nobody_gets_a_wrong_answer() {
    let behaviour = Behaviour { mixes_rows: true, ..Behaviour::gated() };
    let (world, mut at_gate, serving) = serve_one(one_worker(), behaviour).await;
    let held = send(&serving, &[(&[0.0], NOW)]).await;
    at_gate.recv().await.unwrap();
    let sent = send(&serving, &[(&[1.0], NOW), (&[2.0], NOW)]).await;
    world.open_gate();
    let results = collect(sent).await;
    collect(held).await.remove(0).unwrap();
    assert_eq!(results[0].as_ref().unwrap(), &expected(1, &[1.0]));
    assert_eq!(results[1].as_ref().unwrap(), &expected(1, &[2.0]));
    assert_eq!(world.run_rows(), [vec![0.0], vec![1.0, 2.0], vec![1.0], vec![2.0]]);
    assert!(!serving.status()[0].versions[0].joins_rows);
}

#[tokio::test]
async fn background_work_never_goes_before_interactive_work() {
    let (world, mut at_gate, serving) = serve_one(one_worker(), Behaviour::gated()).await;
    let held = send(&serving, &[(&[0.0], NOW)]).await;
    at_gate.recv().await.unwrap();
    let back = background();
    let sent = send(&serving, &[(&[1.0], back), (&[2.0], back), (&[3.0], NOW), (&[4.0], NOW)]).await;
    world.open_gate();
    collect(sent).await.into_iter().for_each(|result| drop(result.unwrap()));
    collect(held).await.remove(0).unwrap();
    assert_eq!(world.run_rows(), [vec![0.0], vec![3.0, 4.0], vec![1.0, 2.0]]);
}

#[tokio::test]
async fn background_work_leaves_a_worker_to_interactive_work() {
    let (world, mut at_gate, serving) = serve_one(settings(), Behaviour::gated()).await;
    let back = background();
    let first = send(&serving, &[(&[1.0], back)]).await;
    at_gate.recv().await.unwrap();
    let second = send(&serving, &[(&[2.0], back)]).await;
    let urgent = send(&serving, &[(&[3.0], NOW)]).await;
    // The interactive request reaches the engine while the first run is held and the second may not begin.
    assert_eq!(at_gate.recv().await, Some(3.0));
    world.open_gate();
    for sent in [first, second, urgent] {
        collect(sent).await.remove(0).unwrap();
    }
    assert_eq!(world.run_rows(), [[1.0], [3.0], [2.0]]);
}

#[tokio::test(start_paused = true)]
async fn a_lone_request_waits_only_where_a_delay_was_set() {
    let (world, _at_gate, serving) = serve_one(settings(), Behaviour::light()).await;
    let lease = serving.find("m", &Selector::Production).unwrap();
    let began = tokio::time::Instant::now();
    lease.predict(rows(&[1.0]), NOW).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);

    world.tune("m", QueueOptions { max_queue_delay: Duration::from_millis(5), ..settings().queue });
    serving.refresh(&"m".parse().unwrap()).await.unwrap();
    let began = tokio::time::Instant::now();
    let first = lease.predict(rows(&[2.0]), NOW);
    let second = async {
        tokio::time::sleep(Duration::from_millis(3)).await;
        lease.predict(rows(&[3.0]), NOW).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.unwrap().batch_rows, second.unwrap().batch_rows), (2, 2));
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(5) && waited < Duration::from_millis(7), "{waited:?}");
}

#[tokio::test]
async fn a_large_request_leaves_the_io_thread_to_its_clients() {
    let (world, _at_gate, serving) = serve_one(settings(), Behaviour::light()).await;
    let lease = serving.find("m", &Selector::Production).unwrap();
    let many: Vec<f32> = (0_u8..100).map(f32::from).collect();
    let (large, small) = tokio::join!(lease.predict(rows(&many), NOW), lease.predict(rows(&[7.0]), NOW));
    assert_eq!(answers(&large.unwrap()), expected(1, &many));
    assert_eq!(answers(&small.unwrap()), expected(1, &[7.0]));
    let on_compute = |run: &Run| run.thread.starts_with("yard-compute");
    let runs = world.runs();
    assert!(runs.iter().all(|run| on_compute(run) == (run.rows.len() == 100)), "{runs:?}");
    assert!(serving.status()[0].versions[0].inline);
}

#[tokio::test]
async fn a_run_that_holds_the_io_thread_is_stopped_and_its_model_moves() {
    let settings = ServingSettings { inline_limit: Duration::from_millis(2), ..settings() };
    let (world, _at_gate, serving) = serve_one(settings, Behaviour::light()).await;
    let lease = serving.find("m", &Selector::Production).unwrap();
    let endless = tokio::spawn({
        let lease = lease.clone();
        async move { lease.predict(rows(&[SPINS]), NOW).await }
    });
    // Once it was stopped here, it goes on over there, where it harms nobody.
    while serving.status()[0].versions[0].inline {
        tokio::task::yield_now().await;
    }
    assert_eq!(answers(&lease.predict(rows(&[1.0]), NOW).await.unwrap()), expected(1, &[1.0]));
    assert!(!endless.is_finished());
    endless.abort();
    let threads: Vec<bool> = world.runs().iter().map(|run| run.thread.starts_with("yard-compute")).collect();
    assert_eq!(threads.first(), Some(&false));
    assert!(threads[1..].iter().all(|on_compute| *on_compute));
}

/// A machine that stands still under a small model must not drive it off the I/O thread for good.
#[tokio::test]
async fn a_run_that_is_kept_from_computing_does_not_move_its_model() {
    let settings = ServingSettings { inline_limit: Duration::from_millis(20), ..settings() };
    let (world, _at_gate, serving) = serve_one(settings, Behaviour::light()).await;
    let lease = serving.find("m", &Selector::Production).unwrap();
    for round in 1..=5 {
        // Stopped on the I/O thread without having computed, run again elsewhere, answered all the same.
        let answer = lease.predict(rows(&[STANDS_STILL]), NOW).await.unwrap();
        assert_eq!(answers(&answer), expected(1, &[STANDS_STILL]), "round {round}");
        assert_eq!(answers(&lease.predict(rows(&[1.0]), NOW).await.unwrap()), expected(1, &[1.0]));
        assert!(serving.status()[0].versions[0].inline, "round {round}");
    }
    let stopped = world.runs().iter().filter(|run| run.thread.starts_with("yard-compute")).count();
    assert_eq!(stopped, 5);
    // Again and again without a good run in between is no accident.
    for _ in 0..3 {
        lease.predict(rows(&[STANDS_STILL]), NOW).await.unwrap();
    }
    assert!(!serving.status()[0].versions[0].inline);
}

#[tokio::test]
async fn a_model_that_is_slower_than_at_proof_leaves_the_io_thread() {
    let settings = ServingSettings { inline_below: Duration::from_nanos(50), ..settings() };
    let behaviour = Behaviour { single_run: Some(Duration::from_nanos(1)), ..Behaviour::light() };
    let (_world, _at_gate, serving) = serve_one(settings, behaviour).await;
    let lease = serving.find("m", &Selector::Production).unwrap();
    assert!(serving.status()[0].versions[0].inline);
    for _ in 0..100 {
        lease.predict(rows(&[1.0]), NOW).await.unwrap();
    }
    assert!(!serving.status()[0].versions[0].inline);
}
