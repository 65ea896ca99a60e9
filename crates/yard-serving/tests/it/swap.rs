//! Replacing a version under load.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
};

use yard_serving::{RequestContext, Serving};
use yard_types::Selector;

use crate::world::{Behaviour, World, answers, expected, name, rows, settings, version};

const SWAPS: u32 = 100;
const CALLERS: usize = 16;
const REQUESTS_EACH: usize = 2000;

/// Which versions may answer at this moment.
#[derive(Default)]
struct Live {
    /// The version that the last finished swap led to.
    since: AtomicU32,
    /// The version that the last swap that began leads to.
    until: AtomicU32,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_swaps_under_load_fail_no_request_and_no_version_answers_out_of_its_time() {
    for behaviour in [Behaviour::light(), Behaviour::heavy()] {
        swap_under_load(&behaviour).await;
    }
}

async fn swap_under_load(behaviour: &Behaviour) {
    let (world, _at_gate) = World::new();
    world.add(&version("m", 1), behaviour.clone());
    let serving = world.serve(settings());
    serving.start_all().await.unwrap();
    let live = Arc::new(Live::default());
    live.since.store(1, Ordering::SeqCst);
    live.until.store(1, Ordering::SeqCst);
    let swapped = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        callers.spawn(call(serving.clone(), Arc::clone(&live), Arc::clone(&swapped), Arc::clone(&answered)));
    }
    for number in 2..=SWAPS + 1 {
        let next = version("m", number);
        world.add(&next, behaviour.clone());
        // Some requests between any two swaps.
        let before = answered.load(Ordering::SeqCst);
        while answered.load(Ordering::SeqCst) < before + CALLERS {
            tokio::task::yield_now().await;
        }
        let prepared = serving.prepare(&next).await.unwrap();
        live.until.store(number, Ordering::SeqCst);
        world.point("production", &next);
        drop(prepared);
        serving.refresh(&name("m")).await.unwrap();
        live.since.store(number, Ordering::SeqCst);
    }
    swapped.store(true, Ordering::SeqCst);
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    assert!(answered.load(Ordering::SeqCst) >= CALLERS * REQUESTS_EACH);
    assert_eq!(World::count(&world.loads), SWAPS as usize + 1);
    // Every version but the last has gone, with its package.
    while World::count(&world.guards_alive) > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(World::count(&world.models_alive), 1);
}

async fn call(serving: Serving, live: Arc<Live>, swapped: Arc<AtomicBool>, answered: Arc<AtomicUsize>) {
    let mut requests = 0;
    while requests < REQUESTS_EACH || !swapped.load(Ordering::SeqCst) {
        requests += 1;
        let first = live.since.load(Ordering::SeqCst);
        let lease = serving.find("m", &Selector::Production).unwrap();
        let prediction = lease.predict(rows(&[1.0]), RequestContext::default()).await.unwrap();
        let last = live.until.load(Ordering::SeqCst);
        let number = lease.version().get();
        assert_eq!(answers(&prediction), expected(number, &[1.0]));
        assert!(
            (first..=last).contains(&number),
            "version {number} answered while {first}..={last} were live"
        );
        answered.fetch_add(1, Ordering::SeqCst);
    }
}
