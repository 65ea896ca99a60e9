//! What is in memory, and why.

use std::time::Duration;

use yard_serving::{QueueOptions, RequestContext, Serving, ServingError, ServingSettings};
use yard_types::{Coded, ErrorCode, Selector, VersionRef};

use crate::world::{Behaviour, World, alias, answers, expected, name, number, rows, settings, version};

const PRODUCTION: Selector = Selector::Production;

fn loaded(serving: &Serving) -> Vec<(String, u32)> {
    let mut loaded = Vec::new();
    for model in serving.status() {
        for version in model.versions {
            if version.state == yard_serving::VersionStatusState::Ready {
                loaded.push((model.model.to_string(), version.version.get()));
            }
        }
    }
    loaded
}

async fn answer_of(serving: &Serving, selector: &Selector) -> Vec<f32> {
    let lease = serving.open("m", selector).await.unwrap();
    answers(&lease.predict(rows(&[1.0]), RequestContext::default()).await.unwrap())
}

#[tokio::test]
async fn selectors_lead_to_their_versions() {
    let (world, _at_gate) = World::new();
    for number in 1..=3 {
        world.add(&version("m", number), Behaviour::light());
    }
    world.point("canary", &version("m", 2));
    let serving = world.serve(settings());
    serving.start_all().await.unwrap();
    assert_eq!(loaded(&serving), [("m".to_owned(), 1)]);
    assert_eq!(answer_of(&serving, &PRODUCTION).await, expected(1, &[1.0]));
    assert_eq!(answer_of(&serving, &alias("production")).await, expected(1, &[1.0]));
    assert_eq!(answer_of(&serving, &alias("canary")).await, expected(2, &[1.0]));
    assert_eq!(answer_of(&serving, &Selector::Version(number(3))).await, expected(3, &[1.0]));
    assert_eq!(serving.find("m", &alias("canary")).unwrap().version(), number(2));
    assert_eq!(serving.find("m", &PRODUCTION).unwrap().signature().inputs[0].name, "x");
}

#[tokio::test]
async fn what_does_not_exist_is_said_to_not_exist() {
    let (world, _at_gate) = World::new();
    world.add(&version("m", 1), Behaviour::light());
    for lazy_load in [true, false] {
        let serving = world.serve(ServingSettings { lazy_load, ..settings() });
        for (model, selector) in [
            ("nobody", PRODUCTION),
            ("../m", PRODUCTION),
            ("m", Selector::Version(number(9))),
            ("m", alias("canary")),
        ] {
            assert!(matches!(serving.find(model, &selector), Err(ServingError::NotLoaded { .. })));
            let error = serving.open(model, &selector).await.unwrap_err();
            assert_eq!(error.code(), ErrorCode::NotFound, "{model} {selector}: {error:?}");
        }
        assert!(serving.load(&version("m", 9)).await.is_err());
        assert!(serving.load(&version("nobody", 1)).await.is_err());
        assert!(serving.load_model(&name("nobody")).await.is_err());
        serving.refresh(&name("nobody")).await.unwrap();
        assert_eq!(serving.status(), []);
    }
    assert_eq!(World::count(&world.loads), 0);
    assert_eq!(World::count(&world.guards_alive), 0);
}

#[tokio::test]
async fn without_lazy_loading_only_aliases_and_loads_bring_a_version_in() {
    let (world, _at_gate) = World::new();
    for number in 1..=3 {
        world.add(&version("m", number), Behaviour::light());
    }
    world.point("canary", &version("m", 2));
    let serving = world.serve(ServingSettings { lazy_load: false, ..settings() });
    serving.start_all().await.unwrap();
    assert_eq!(loaded(&serving), [("m".to_owned(), 1), ("m".to_owned(), 2)]);
    let third = Selector::Version(number(3));
    assert!(matches!(serving.open("m", &third).await, Err(ServingError::NotLoaded { .. })));
    serving.load(&version("m", 3)).await.unwrap();
    assert_eq!(answer_of(&serving, &third).await, expected(3, &[1.0]));
    // Loaded on request, it stays whatever the aliases do.
    serving.refresh(&name("m")).await.unwrap();
    assert!(serving.find("m", &third).is_ok());
}

#[tokio::test]
async fn a_hundred_who_ask_at_once_load_it_once() {
    let (world, mut at_gate) = World::new();
    world.add(&version("m", 1), Behaviour { gated_loads: true, ..Behaviour::light() });
    let serving = world.serve(settings());
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let serving = serving.clone();
        asking.spawn(async move { serving.open("m", &PRODUCTION).await.map(drop) });
    }
    at_gate.recv().await.unwrap();
    world.open_gate();
    while let Some(opened) = asking.join_next().await {
        opened.unwrap().unwrap();
    }
    assert_eq!(World::count(&world.loads), 1);
    assert_eq!(World::count(&world.models_alive), 1);
}

#[tokio::test]
async fn a_load_goes_on_when_its_caller_leaves() {
    let (world, mut at_gate) = World::new();
    world.add(&version("m", 1), Behaviour { gated_loads: true, ..Behaviour::light() });
    let serving = world.serve(settings());
    let leaves = tokio::spawn({
        let serving = serving.clone();
        async move { serving.open("m", &PRODUCTION).await.map(drop) }
    });
    at_gate.recv().await.unwrap();
    leaves.abort();
    assert!(leaves.await.unwrap_err().is_cancelled());
    world.open_gate();
    serving.open("m", &PRODUCTION).await.unwrap();
    assert_eq!(World::count(&world.loads), 1);
}

#[tokio::test]
async fn an_unloaded_version_stays_away_until_it_is_loaded() {
    let (world, _at_gate) = World::new();
    world.add(&version("m", 1), Behaviour::light());
    world.add(&version("m", 2), Behaviour::light());
    let serving = world.serve(settings());
    serving.start_all().await.unwrap();
    serving.load(&version("m", 2)).await.unwrap();
    assert!(serving.unload(&version("m", 1)).await.unwrap());
    assert_eq!(World::count(&world.guards_alive), 1);
    assert!(matches!(serving.open("m", &PRODUCTION).await, Err(ServingError::NotLoaded { .. })));
    serving.refresh(&name("m")).await.unwrap();
    assert!(matches!(serving.open("m", &PRODUCTION).await, Err(ServingError::NotLoaded { .. })));
    serving.load(&version("m", 1)).await.unwrap();
    assert_eq!(answer_of(&serving, &PRODUCTION).await, expected(1, &[1.0]));

    assert!(serving.unload_model(&name("m")).await.unwrap());
    assert_eq!(World::count(&world.guards_alive), 0);
    assert!(serving.status()[0].barred);
    for selector in [PRODUCTION, Selector::Version(number(2))] {
        assert!(matches!(serving.open("m", &selector).await, Err(ServingError::NotLoaded { .. })));
    }
    serving.refresh(&name("m")).await.unwrap();
    assert_eq!(loaded(&serving), []);
    serving.load_model(&name("m")).await.unwrap();
    assert_eq!(answer_of(&serving, &PRODUCTION).await, expected(1, &[1.0]));
}

#[tokio::test]
async fn unloading_waits_for_those_who_hold_the_version() {
    let (world, mut at_gate) = World::new();
    world.add(&version("m", 1), Behaviour::gated());
    let serving = world.serve(settings());
    let lease = serving.open("m", &PRODUCTION).await.unwrap();
    let held = tokio::spawn(async move { lease.predict(rows(&[1.0]), RequestContext::default()).await });
    at_gate.recv().await.unwrap();
    let unloading = tokio::spawn({
        let serving = serving.clone();
        async move { serving.unload(&version("m", 1)).await }
    });
    while serving.find("m", &PRODUCTION).is_ok() {
        tokio::task::yield_now().await;
    }
    let status = serving.status().remove(0).versions.remove(0);
    assert_eq!(status.state, yard_serving::VersionStatusState::Draining);
    assert!(!unloading.is_finished());
    assert_eq!(World::count(&world.models_alive), 1);
    world.open_gate();
    assert_eq!(answers(&held.await.unwrap().unwrap()), expected(1, &[1.0]));
    assert!(unloading.await.unwrap().unwrap());
    assert_eq!((World::count(&world.models_alive), World::count(&world.guards_alive)), (0, 0));
}

#[tokio::test]
async fn a_prepared_version_that_no_alias_came_to_is_let_go() {
    let (world, _at_gate) = World::new();
    world.add(&version("m", 1), Behaviour::light());
    world.add(&version("m", 2), Behaviour::light());
    let serving = world.serve(settings());
    serving.start_all().await.unwrap();
    let first = serving.prepare(&version("m", 2)).await.unwrap();
    let second = serving.prepare(&version("m", 2)).await.unwrap();
    assert_eq!(World::count(&world.models_alive), 2);
    assert_eq!(serving.find("m", &PRODUCTION).unwrap().version(), number(1));
    // Another move may refresh meanwhile, and one of the two may be through before the other.
    for holder in [None, Some(first)] {
        drop(holder);
        serving.refresh(&name("m")).await.unwrap();
        assert_eq!(loaded(&serving), [("m".to_owned(), 1), ("m".to_owned(), 2)]);
    }
    drop(second);
    serving.refresh(&name("m")).await.unwrap();
    assert_eq!(loaded(&serving), [("m".to_owned(), 1)]);
    world.remove("m");
    serving.refresh(&name("m")).await.unwrap();
    assert_eq!(
        serving.status().iter().map(|status| status.versions.len()).sum::<usize>(),
        draining(&serving)
    );
}

fn draining(serving: &Serving) -> usize {
    let versions = serving.status().into_iter().flat_map(|status| status.versions);
    versions.filter(|version| version.state == yard_serving::VersionStatusState::Draining).count()
}

#[tokio::test]
async fn room_is_made_by_what_was_asked_for_longest_ago() {
    let (world, _at_gate) = World::new();
    for number in 1..=4 {
        world.add(&version("m", number), Behaviour::light());
    }
    let serving = world.serve(ServingSettings { max_loaded_versions: 3.try_into().unwrap(), ..settings() });
    serving.start_all().await.unwrap();
    for number_asked in [2, 3] {
        answer_of(&serving, &Selector::Version(number(number_asked))).await;
    }
    // Times are kept in microseconds.
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(1)).await;
    answer_of(&serving, &Selector::Version(number(2))).await;
    answer_of(&serving, &Selector::Version(number(4))).await;
    assert_eq!(loaded(&serving), [1, 2, 4].map(|number| ("m".to_owned(), number)));
    // What was loaded on request is not touched.
    for number in [1, 2, 4] {
        serving.load(&version("m", number)).await.unwrap();
    }
    let refused = serving.open("m", &Selector::Version(number(3))).await.unwrap_err();
    assert!(matches!(refused, ServingError::TooManyLoaded { .. }), "{refused:?}");
    assert_eq!(loaded(&serving), [1, 2, 4].map(|number| ("m".to_owned(), number)));
}

#[tokio::test]
async fn changed_options_reach_a_loaded_version() {
    let (world, _at_gate) = World::new();
    world.add(&version("m", 1), Behaviour::light());
    let serving = world.serve(settings());
    serving.start_all().await.unwrap();
    let before = serving.find("m", &PRODUCTION).unwrap();
    assert!(!before.shares_prefixes(), "nothing is shared unless the options say so");
    let own = QueueOptions { max_batch: 1.try_into().unwrap(), share_prefixes: true, ..settings().queue };
    world.tune("m", own);
    serving.refresh(&name("m")).await.unwrap();
    let lease = serving.find("m", &PRODUCTION).unwrap();
    assert!(lease.shares_prefixes() && before.shares_prefixes());
    let context = RequestContext::default();
    let (first, second) =
        tokio::join!(lease.predict(rows(&[1.0]), context), lease.predict(rows(&[2.0]), context));
    assert_eq!((first.unwrap().batch_rows, second.unwrap().batch_rows), (1, 1));
    assert_eq!(World::count(&world.loads), 1);
}

/// Threads of this process that serving has started.
fn own_threads() -> usize {
    let tasks = fs_err::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs_err::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.starts_with("yard-")).count()
}

#[tokio::test]
async fn services_are_those_of_the_versions_in_service() {
    let (world, _at_gate) = World::new();
    for reference in [version("a", 1), version("a", 2), version("b", 7)] {
        world.add(&reference, Behaviour::heavy());
    }
    let serving = world.serve(settings());
    assert!(serving.services::<u32>().is_empty(), "asking loads nothing");
    for reference in [version("a", 1), version("a", 2), version("b", 7)] {
        serving.load(&reference).await.unwrap();
    }
    let services = || -> Vec<(VersionRef, u32)> {
        serving.services::<u32>().into_iter().map(|(version, service)| (version, *service)).collect()
    };
    assert_eq!(services(), [(version("a", 1), 1), (version("a", 2), 2), (version("b", 7), 7)]);
    assert!(serving.services::<String>().is_empty(), "of another type");
    // One that drains serves those who hold it, and is no longer among them.
    let lease = serving.find("b", &Selector::Version(number(7))).unwrap();
    let unloading = tokio::spawn({
        let serving = serving.clone();
        async move { serving.unload(&version("b", 7)).await }
    });
    while serving.find("b", &Selector::Version(number(7))).is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(services(), [(version("a", 1), 1), (version("a", 2), 2)]);
    assert_eq!(lease.service::<u32>().as_deref(), Some(&7));
    drop(lease);
    assert!(unloading.await.unwrap().unwrap());
}

#[tokio::test]
async fn two_hundred_loads_and_unloads_leave_nothing_behind() {
    let (world, _at_gate) = World::new();
    world.add(&version("m", 1), Behaviour::light());
    world.add(&version("m", 2), Behaviour::heavy());
    let serving = world.serve(settings());
    // Each test has a process of its own under nextest; elsewhere the threads of others would be counted.
    let alone = std::env::var_os("NEXTEST").is_some();
    let runtime = tokio::runtime::Handle::current();
    // Two that compute and the watchdog; a thread gives itself its name only after it has begun.
    let (tasks, threads) = (runtime.metrics().num_alive_tasks(), 3);
    while alone && own_threads() < threads {
        std::thread::yield_now();
    }
    for round in 0..200_u32 {
        let reference = version("m", round % 2 + 1);
        serving.load(&reference).await.unwrap();
        let lease = serving.find("m", &Selector::Version(reference.version)).unwrap();
        lease.predict(rows(&[1.0]), RequestContext::default()).await.unwrap();
        drop(lease);
        assert!(serving.unload(&reference).await.unwrap());
        assert_eq!((World::count(&world.models_alive), World::count(&world.guards_alive)), (0, 0));
    }
    assert_eq!(World::count(&world.loads), 200);
    while runtime.metrics().num_alive_tasks() > tasks {
        tokio::task::yield_now().await;
    }
    if alone {
        assert_eq!(own_threads(), threads);
        drop(serving);
        // The threads end by themselves once nobody needs them.
        while own_threads() > 0 {
            std::thread::yield_now();
        }
    }
}
