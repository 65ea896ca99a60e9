//! What is refused, and what becomes of those who leave or are late.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use yard_serving::{Lease, QueueClass, RequestContext, Serving, ServingError, ServingSettings};
use yard_types::{Coded, ErrorCode, Selector, Tensor, TensorData};

use crate::world::{
    AtGate, Behaviour, ENDLESS, World, answers, background, expected, rows, settings, version,
};

async fn serve_one(settings: ServingSettings, behaviour: Behaviour) -> (Arc<World>, AtGate, Serving, Lease) {
    let (world, at_gate) = World::new();
    world.add(&version("m", 1), behaviour);
    let serving = world.serve(settings);
    let lease = serving.open("m", &Selector::Production).await.unwrap();
    (world, at_gate, serving, lease)
}

fn narrow() -> ServingSettings {
    let mut settings = settings();
    settings.queue.workers = Some(1.try_into().unwrap());
    settings.queue.interactive_length = 2.try_into().unwrap();
    settings.queue.background_length = 1.try_into().unwrap();
    settings
}

/// Sends a request and comes back when it is queued.
async fn queue(
    serving: &Serving,
    lease: &Lease,
    value: f32,
    context: RequestContext,
) -> tokio::task::JoinHandle<Result<Vec<f32>, ServingError>> {
    let before = serving.in_flight();
    let lease = lease.clone();
    let task = tokio::spawn(async move {
        lease.predict(rows(&[value]), context).await.map(|prediction| answers(&prediction))
    });
    while serving.in_flight() == before {
        tokio::task::yield_now().await;
    }
    task
}

const NOW: RequestContext = RequestContext { class: QueueClass::Interactive, deadline: None };

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_says_when_to_come_back() {
    let (world, mut at_gate, serving, lease) = serve_one(narrow(), Behaviour::gated()).await;
    let mut tasks = vec![queue(&serving, &lease, 0.0, NOW).await];
    at_gate.recv().await.unwrap();
    for value in [1.0, 2.0] {
        tasks.push(queue(&serving, &lease, value, NOW).await);
    }
    let refused = lease.predict(rows(&[3.0]), NOW).await.unwrap_err();
    assert!(matches!(refused, ServingError::QueueFull { class: QueueClass::Interactive, .. }), "{refused:?}");
    assert_eq!(refused.code(), ErrorCode::Unavailable);
    assert!(refused.retry_after().unwrap() > Duration::ZERO);
    // The classes do not take one another's room.
    tasks.push(queue(&serving, &lease, 4.0, background()).await);
    let refused = lease.predict(rows(&[5.0]), background()).await.unwrap_err();
    assert!(matches!(refused, ServingError::QueueFull { class: QueueClass::Background, .. }), "{refused:?}");
    let metrics = serving.metrics().remove(0);
    assert_eq!((metrics.queued_interactive, metrics.queued_background, metrics.running), (2, 1, 1));
    assert_eq!(metrics.failures, [(ErrorCode::Unavailable, 2)]);
    world.open_gate();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_full_server_refuses_every_model_alike() {
    let settings = ServingSettings { max_in_flight: 2.try_into().unwrap(), ..settings() };
    let (world, mut at_gate, serving, lease) = serve_one(settings, Behaviour::gated()).await;
    world.add(&version("other", 1), Behaviour::light());
    let other = serving.open("other", &Selector::Production).await.unwrap();
    let first = queue(&serving, &lease, 0.0, NOW).await;
    at_gate.recv().await.unwrap();
    let second = queue(&serving, &lease, 1.0, NOW).await;
    for lease in [&lease, &other] {
        let refused = lease.predict(rows(&[2.0]), NOW).await.unwrap_err();
        assert!(matches!(refused, ServingError::Overloaded { .. }), "{refused:?}");
        assert!(refused.retry_after().is_some());
    }
    world.open_gate();
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(serving.in_flight(), 0);
    other.predict(rows(&[2.0]), NOW).await.unwrap();
}

#[tokio::test]
async fn drops_requests_whose_caller_left() {
    let (world, mut at_gate, serving, lease) = serve_one(narrow(), Behaviour::gated()).await;
    let held = queue(&serving, &lease, 0.0, NOW).await;
    at_gate.recv().await.unwrap();
    let stays = queue(&serving, &lease, 1.0, NOW).await;
    let leaves = queue(&serving, &lease, 2.0, NOW).await;
    leaves.abort();
    assert!(leaves.await.unwrap_err().is_cancelled());
    // It gives its place in the queue to another.
    let next = queue(&serving, &lease, 3.0, NOW).await;
    world.open_gate();
    for task in [held, stays, next] {
        task.await.unwrap().unwrap();
    }
    assert_eq!(world.run_rows(), [vec![0.0], vec![1.0, 3.0]]);
    assert_eq!(serving.metrics()[0].failures, [(ErrorCode::Cancelled, 1)]);
}

#[tokio::test]
async fn a_run_that_nobody_waits_for_is_stopped_and_its_worker_is_free() {
    let (_world, mut at_gate, serving, lease) = serve_one(narrow(), Behaviour::heavy()).await;
    let leaves = queue(&serving, &lease, ENDLESS, NOW).await;
    assert_eq!(at_gate.recv().await, Some(ENDLESS));
    leaves.abort();
    // The only worker answers again.
    assert_eq!(answers(&lease.predict(rows(&[1.0]), NOW).await.unwrap()), expected(1, &[1.0]));
}

#[tokio::test(start_paused = true)]
async fn a_run_past_its_deadline_is_stopped() {
    let (_world, _at_gate, _serving, lease) = serve_one(narrow(), Behaviour::heavy()).await;
    let began = tokio::time::Instant::now();
    let deadline = Some(began.into_std() + Duration::from_millis(200));
    let late = lease.predict(rows(&[ENDLESS]), RequestContext { deadline, ..NOW }).await.unwrap_err();
    assert_eq!(late.code(), ErrorCode::DeadlineExceeded);
    assert!(began.elapsed() >= Duration::from_millis(200) && began.elapsed() < Duration::from_secs(1));
    // The worker is free again. A compute thread works by the real clock.
    tokio::time::resume();
    assert_eq!(answers(&lease.predict(rows(&[1.0]), NOW).await.unwrap()), expected(1, &[1.0]));
}

#[tokio::test(start_paused = true)]
async fn the_model_s_own_timeout_counts_where_the_request_brings_none() {
    let mut settings = narrow();
    settings.queue.timeout = Duration::from_millis(300);
    let (_world, _at_gate, _serving, lease) = serve_one(settings, Behaviour::heavy()).await;
    let began = tokio::time::Instant::now();
    let late = lease.predict(rows(&[ENDLESS]), NOW).await.unwrap_err();
    assert_eq!(late.code(), ErrorCode::DeadlineExceeded);
    assert!(began.elapsed() >= Duration::from_millis(300) && began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_request_that_is_late_on_arrival_never_runs() {
    for behaviour in [Behaviour::light(), Behaviour::heavy()] {
        let (world, _at_gate, serving, lease) = serve_one(settings(), behaviour).await;
        let deadline = Some(tokio::time::Instant::now().into_std());
        let late = lease.predict(rows(&[1.0]), RequestContext { deadline, ..NOW }).await.unwrap_err();
        assert!(matches!(late, ServingError::DeadlineExceeded { .. }), "{late:?}");
        lease.predict(rows(&[2.0]), NOW).await.unwrap();
        assert_eq!(world.run_rows(), [[2.0]]);
        assert_eq!(serving.metrics()[0].failures, [(ErrorCode::DeadlineExceeded, 1)]);
    }
}

#[tokio::test]
async fn inputs_that_do_not_fit_are_the_caller_s_mistake() {
    let (world, _at_gate, serving, lease) = serve_one(settings(), Behaviour::light()).await;
    let wide = Tensor::new(vec![1, 3], TensorData::Fp32(vec![0.0; 3])).unwrap();
    let whole = Tensor::new(vec![1, 2], TensorData::Int64(vec![0; 2])).unwrap();
    let none = Tensor::new(vec![0, 2], TensorData::Fp32(Vec::new())).unwrap();
    let fits = rows(&[1.0]).remove(0);
    for inputs in [vec![], vec![wide], vec![whole], vec![none], vec![fits.clone(), fits]] {
        let error = lease.predict(inputs, NOW).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{error}");
    }
    assert!(world.runs().is_empty());
    assert_eq!(serving.metrics()[0].rows, 0);
}

#[tokio::test]
async fn a_request_dropped_while_its_batch_gathers_strands_nobody() {
    for behaviour in [Behaviour::light(), Behaviour::heavy()] {
        let (_world, _at_gate, serving, lease) = serve_one(settings(), behaviour).await;
        {
            let mut first = pin!(lease.predict(rows(&[1.0]), NOW));
            let pending = first.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(pending.is_pending());
        }
        assert_eq!(answers(&lease.predict(rows(&[2.0]), NOW).await.unwrap()), expected(1, &[2.0]));
        assert_eq!(serving.in_flight(), 0);
    }
}

#[tokio::test]
async fn a_runtime_that_ends_with_its_requests_strands_no_other() {
    let (_world, _at_gate, serving, lease) = serve_one(settings(), Behaviour::light()).await;
    let elsewhere = {
        let lease = lease.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let mut request = Box::pin(async move { lease.predict(rows(&[1.0]), NOW).await.map(drop) });
            // Polled once, which starts the drain over there; then the runtime ends before the drain has begun.
            runtime.block_on(poll_fn(|context| {
                assert!(request.as_mut().poll(context).is_pending());
                Poll::Ready(())
            }));
            request
        })
        .join()
        .unwrap()
    };
    let abandoned = elsewhere.await.unwrap_err();
    assert!(matches!(abandoned, ServingError::Interrupted { .. }), "{abandoned:?}");
    assert_eq!(answers(&lease.predict(rows(&[2.0]), NOW).await.unwrap()), expected(1, &[2.0]));
    assert_eq!(serving.in_flight(), 0);
}
