//! Callers of every kind at once: no answer is lost, none goes to the wrong caller, and nothing stays behind.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use yard_serving::{Lease, QueueClass, QueueOptions, RequestContext, ServingError, ServingSettings};
use yard_types::{ErrorCode, Selector};

use crate::world::{BAD, Behaviour, World, answers, expected, rows, settings, version};

const CALLERS: u32 = 32;
const REQUESTS_EACH: u32 = 300;

/// A small generator, so that a failure can be repeated from its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.0 >> 33).unwrap() % bound
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_caller_gets_its_own_answer_or_a_reason() {
    let alone = |behaviour: Behaviour| Behaviour { joining_allowed: false, ..behaviour };
    let behaviours =
        [Behaviour::light(), Behaviour::heavy(), alone(Behaviour::light()), alone(Behaviour::heavy())];
    for behaviour in behaviours {
        for max_queue_delay in [Duration::ZERO, Duration::from_micros(200)] {
            let queue = QueueOptions {
                max_batch: 8.try_into().unwrap(),
                max_queue_delay,
                interactive_length: 12.try_into().unwrap(),
                background_length: 6.try_into().unwrap(),
                ..settings().queue
            };
            let settings = ServingSettings { queue, ..settings() };
            // Anything that is stranded shows as a time-out here.
            tokio::time::timeout(Duration::from_secs(60), storm(&behaviour, settings)).await.unwrap();
        }
    }
}

async fn storm(behaviour: &Behaviour, settings: ServingSettings) {
    let (world, _at_gate) = World::new();
    world.add(&version("m", 1), behaviour.clone());
    let serving = world.serve(settings);
    let lease = serving.open("m", &Selector::Production).await.unwrap();
    let mut callers = tokio::task::JoinSet::new();
    for seed in 0..CALLERS {
        callers.spawn(call(lease.clone(), seed));
    }
    let mut answered = 0;
    while let Some(caller) = callers.join_next().await {
        answered += caller.unwrap();
    }
    assert!(answered > 0);
    assert_eq!(serving.in_flight(), 0);
    let metrics = loop {
        // The last runs of callers who left may still go on.
        let metrics = serving.metrics().remove(0);
        if metrics.running + metrics.queued_interactive + metrics.queued_background == 0 {
            break metrics;
        }
        // What is left in the queue of callers who left goes with the next request.
        let _ = lease.predict(rows(&[0.0]), RequestContext::default()).await;
    };
    let failed: u64 = metrics.failures.iter().map(|(_, count)| count).sum();
    assert!(metrics.requests >= u64::from(CALLERS * REQUESTS_EACH));
    assert!(metrics.requests - failed >= u64::from(answered));
    drop(lease);
    assert!(serving.unload(&version("m", 1)).await.unwrap());
    assert_eq!(World::count(&world.guards_alive), 0);
}

/// Sends requests of every kind; says how many were answered.
async fn call(lease: Lease, seed: u32) -> u32 {
    let mut dice = Dice(u64::from(seed) * 7919 + 1);
    let mut answered = 0;
    for _ in 0..REQUESTS_EACH {
        let mut values: Vec<f32> =
            (0..=dice.below(4)).map(|_| f32::from(u16::try_from(dice.below(1000)).unwrap())).collect();
        let bad = dice.below(20) == 0;
        if bad {
            values.push(BAD);
        }
        let class = if dice.below(3) == 0 { QueueClass::Background } else { QueueClass::Interactive };
        let life = Duration::from_micros(u64::from(dice.below(500)));
        let deadline = (dice.below(4) == 0).then(|| tokio::time::Instant::now().into_std() + life);
        let patience = (dice.below(4) == 0).then(|| dice.below(6));
        let request = pin!(lease.predict(rows(&values), RequestContext { class, deadline }));
        let Some(result) = wait_for(request, patience).await else { continue };
        match result {
            Ok(prediction) => {
                assert!(!bad);
                assert_eq!(answers(&prediction), expected(1, &values));
                answered += 1;
            }
            Err(ServingError::QueueFull { .. }) => tokio::task::yield_now().await,
            Err(ServingError::DeadlineExceeded { .. }) => assert!(deadline.is_some()),
            Err(ServingError::Predict(error)) => {
                let late = matches!(error, yard_engine::PredictError::Terminated) && deadline.is_some();
                let refused = yard_types::Coded::code(&error) == ErrorCode::InvalidArgument && bad;
                assert!(late || refused, "{error:?}");
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    answered
}

/// Waits for the answer, or for so many looks at it.
async fn wait_for<T>(
    mut request: std::pin::Pin<&mut impl Future<Output = T>>,
    patience: Option<u32>,
) -> Option<T> {
    let Some(mut looks) = patience else { return Some(request.await) };
    poll_fn(|context| match request.as_mut().poll(context) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending if looks == 0 => Poll::Ready(None),
        Poll::Pending => {
            looks -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}
