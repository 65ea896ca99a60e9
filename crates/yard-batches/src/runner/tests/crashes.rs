//! Every line has one outcome, whenever a runner ends.

use proptest::prelude::*;

use super::*;

/// Every fifth line fails, so that there are both files.
fn fails(line: u32) -> bool {
    line.is_multiple_of(5)
}

fn bodies(lines: u32, takes: impl Fn(u32) -> u64) -> Vec<Value> {
    let status = |line: u32| if fails(line) { 422 } else { 200 };
    (1..=lines).map(|line| json!({"n": line, "status": status(line), "takes": takes(line)})).collect()
}

/// What must be so at the end, however often the runner was ended on the way.
async fn check_completed(world: &World, made: &Batch, lines: u32) {
    let ended = world.ended(made).await;
    assert_eq!(ended.status, BatchStatus::Completed);
    let (failed, answered): (Vec<u32>, Vec<u32>) = (1..=lines).partition(|line| fails(*line));
    let files = 1 + usize::from(!failed.is_empty());
    assert_eq!(world.names(&ended, false).await, names(answered));
    assert_eq!(world.names(&ended, true).await, names(failed));
    assert_eq!(ended.counts.done(), u64::from(lines));
    // Both files were made once.
    let query = crate::FileQuery {
        purpose: Some(crate::Purpose::BatchOutput),
        after: None,
        oldest_first: true,
        limit: 100,
        now: yard_types::Timestamp(0),
    };
    let (made_files, _) = world.batches.files(&made.owner, query).await.unwrap();
    assert_eq!(made_files.len(), files, "{made_files:?}");
}

/// A crash right before and right after each write that a batch makes.
#[tokio::test(start_paused = true)]
async fn a_crash_at_any_write_loses_and_repeats_nothing() {
    const LINES: u32 = 7;
    // Its beginning, each line, the end of its lines, and its end.
    const WRITES: u64 = LINES as u64 + 3;
    for is_kept in [false, true] {
        for write in 1..=WRITES + 1 {
            let world = World::new();
            let made = world.make(&owner("a"), &bodies(LINES, u64::from), "24h").await;
            world.store.crash_at(write, is_kept);
            let runner = world.run();
            if write <= WRITES {
                while !world.store.has_crashed() {
                    sleep(Duration::from_millis(1)).await;
                }
            } else {
                world.ended(&made).await;
                assert!(!world.store.has_crashed(), "there are {WRITES} writes");
            }
            runner.stop().await;
            world.store.mend();
            let runner = world.run();
            check_completed(&world, &made, LINES).await;
            runner.stop().await;
        }
    }
}

/// The same runner goes on when its store does.
#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_a_while_is_waited_for() {
    let world = World::new();
    let made = world.make(&owner("a"), &bodies(9, |_| 1), "24h").await;
    world.store.crash_at(4, false);
    let runner = world.run();
    while !world.store.has_crashed() {
        sleep(Duration::from_millis(1)).await;
    }
    sleep(Duration::from_secs(5)).await;
    assert!(!world.batch(&made).await.status.is_end());
    world.store.mend();
    check_completed(&world, &made, 9).await;
    assert_eq!(world.lines.begun(""), 9, "what was answered is not asked for again");
    runner.stop().await;
}

/// What was not written is what runs again: with three at once, three lines at most.
#[tokio::test(start_paused = true)]
async fn only_what_ran_is_run_again() {
    let world = World::new();
    let made = world.make(&owner("a"), &bodies(30, |_| 10), "24h").await;
    let runner = world.run();
    while world.batch(&made).await.counts.done() < 15 {
        sleep(Duration::from_millis(1)).await;
    }
    runner.stop().await;
    assert_eq!(world.lines.running(), 0);
    let runner = world.run();
    check_completed(&world, &made, 30).await;
    assert!((30..=33).contains(&world.lines.begun("")), "{}", world.lines.begun(""));
    runner.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Runners that are ended at random moments, each after some milliseconds, lines that take different times.
    #[test]
    fn however_often_runners_end_each_line_has_one_outcome(
        lives in prop::collection::vec(0_u64..40, 0..12),
        takes in prop::collection::vec(1_u64..12, 1..24),
        refused in prop::collection::vec(any::<bool>(), 24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let world = World::new();
            let lines = u32::try_from(takes.len()).unwrap();
            let mut bodies = bodies(lines, |line| takes[line as usize - 1]);
            for (body, refused) in bodies.iter_mut().zip(&refused) {
                body["refusals"] = json!(u64::from(*refused));
            }
            let made = world.make(&owner("a"), &bodies, "24h").await;
            for life in &lives {
                let runner = world.run();
                sleep(Duration::from_millis(*life)).await;
                runner.stop().await;
                assert_eq!(world.lines.running(), 0);
            }
            let runner = world.run();
            check_completed(&world, &made, lines).await;
            runner.stop().await;
        });
    }
}
