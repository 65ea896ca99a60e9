//! Batches that are called off, whose time is over, or that wait for a budget.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_called_off_keeps_what_is_done() {
    let world = World::new();
    let runner = world.run();
    let mut bodies = vec![json!({"n": 1}), json!({"n": 2, "status": 400})];
    bodies.extend((3..=9).map(|n| json!({"n": n, "takes": 1_000_000})));
    let made = world.make(&owner("a"), &bodies, "24h").await;
    while world.batch(&made).await.counts.done() < 2 || world.lines.running() < 3 {
        sleep(Duration::from_millis(1)).await;
    }
    let cancelling = world.batches.cancel(&owner("a"), &made.id).await.unwrap();
    assert_eq!(cancelling.status, BatchStatus::Cancelling);
    let ended = world.ended(&made).await;
    assert_eq!(ended.status, BatchStatus::Cancelled);
    assert_eq!(world.lines.running(), 0, "lines that ran are given up");
    assert_eq!(world.names(&ended, false).await, names([1]));
    assert_eq!(world.names(&ended, true).await, names(2..=9));
    let errors = world.file(&ended, true).await;
    assert_eq!(errors[0]["response"]["status_code"], 400);
    assert_eq!(errors[1]["error"]["code"], "batch_cancelled");
    assert!(world.batches.cancel(&owner("a"), &made.id).await.is_err());
    assert!(world.batches.cancel(&owner("b"), &made.id).await.is_err());
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_waits_for_its_turn_can_be_called_off() {
    let world = World::new();
    let runner = world.run();
    let first = world.make(&owner("a"), &[json!({"first": 1, "takes": 3_000_000})], "24h").await;
    while world.lines.running() < 1 {
        sleep(Duration::from_millis(1)).await;
    }
    let made = world.make(&owner("a"), &[json!({"n": 1})], "24h").await;
    let cancelled = world.batches.cancel(&owner("a"), &made.id).await.unwrap();
    assert_eq!((cancelled.status, cancelled.counts.total), (BatchStatus::Cancelled, 0));
    assert!(cancelled.output_file.is_none() && cancelled.error_file.is_none());
    assert!(world.batches.cancel(&owner("a"), &made.id).await.is_err());
    assert_eq!(world.batch(&first).await.status, BatchStatus::InProgress);
    assert_eq!(world.ended(&first).await.status, BatchStatus::Completed);
    assert_eq!(world.lines.begun("\"n\""), 0);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_time_is_over_while_it_waits_for_its_turn_ends() {
    let world = World::new();
    let runner = world.run();
    let first = world.make(&owner("a"), &[json!({"first": 1, "takes": 20_000_000})], "24h").await;
    let made = world.make(&owner("a"), &[json!({"n": 1})], "1h").await;
    let ended = world.ended(&made).await;
    assert_eq!((ended.status, ended.counts.total), (BatchStatus::Expired, 1));
    assert_eq!(world.names(&ended, true).await, names([1]));
    let took = ended.moments.ended.unwrap().0 - made.created_at.0;
    assert!((3_600_000..3_700_000).contains(&took), "{took}");
    assert_eq!(world.batch(&first).await.status, BatchStatus::InProgress);
    assert_eq!(world.lines.begun("\"n\""), 0);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_time_is_over_tells_what_was_not_done() {
    let world = World::new();
    let runner = world.run();
    let long = json!({"n": 2, "takes": 7_200_000});
    let longer = json!({"n": 4, "takes": 10_800_000});
    let bodies = [json!({"n": 1}), long, json!({"n": 3}), longer];
    let made = world.make(&owner("a"), &bodies, "1h").await;
    let ended = world.ended(&made).await;
    assert_eq!(ended.status, BatchStatus::Expired);
    assert_eq!(world.names(&ended, false).await, names([1, 3]));
    assert_eq!(world.names(&ended, true).await, names([2, 4]));
    assert_eq!(world.file(&ended, true).await[0]["error"]["code"], "batch_expired");
    let took = ended.moments.ended.unwrap().0 - made.created_at.0;
    assert!((3_600_000..3_700_000).contains(&took), "{took}");
    assert_eq!(world.lines.running(), 0);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_must_wait_is_asked_again() {
    let world = World::new();
    let runner = world.run();
    let bodies: Vec<Value> = (1..=6).map(|n| json!({"n": n, "refusals": n % 3 * 4})).collect();
    let ended = world.ended(&world.make(&owner("a"), &bodies, "24h").await).await;
    assert_eq!((ended.status, ended.counts.completed), (BatchStatus::Completed, 6));
    assert_eq!(world.lines.begun(""), 6 + 2 * (4 + 8));
    // Answers that came too late are not asked for without end.
    let late = [json!({"late": 1, "status": 504}), json!({"late": 2})];
    let ended = world.ended(&world.make(&owner("a"), &late, "24h").await).await;
    assert_eq!((ended.counts.completed, ended.counts.failed), (1, 1));
    assert_eq!(world.lines.begun("\"late\":1"), 20);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn refusals_without_end_last_as_long_as_the_window() {
    let world = World::new();
    let runner = world.run();
    let made = world.make(&owner("a"), &[json!({"n": 1, "refusals": 1_000_000})], "1h").await;
    let ended = world.ended(&made).await;
    assert_eq!((ended.status, ended.counts.done()), (BatchStatus::Expired, 0));
    // Pauses grow to a minute.
    assert!((55..90).contains(&world.lines.begun("")), "{}", world.lines.begun(""));
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn lines_that_must_wait_do_not_hold_up_the_others() {
    let world = World::new();
    let runner = world.run();
    let mut bodies: Vec<Value> = (1..=5).map(|n| json!({"n": n, "refusals": 1_000_000})).collect();
    bodies.extend((6..=9).map(|n| json!({"n": n})));
    let made = world.make(&owner("a"), &bodies, "1h").await;
    while world.batch(&made).await.counts.done() < 4 {
        sleep(Duration::from_millis(1)).await;
    }
    let ended = world.ended(&made).await;
    assert_eq!(ended.status, BatchStatus::Expired);
    assert_eq!(world.names(&ended, false).await, names(6..=9));
    assert_eq!(world.names(&ended, true).await, names(1..=5));
    assert!(world.lines.most_at_once() <= 3);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_input_is_lost_ends_with_what_is_done() {
    let world = World::new();
    let runner = world.run();
    let mut bodies = vec![json!({"n": 1}), json!({"n": 2, "status": 400})];
    bodies.extend((3..=5).map(|n| json!({"n": n, "takes": 1_000_000})));
    let made = world.make(&owner("a"), &bodies, "24h").await;
    while world.batch(&made).await.counts.done() < 2 {
        sleep(Duration::from_millis(1)).await;
    }
    runner.stop().await;
    world.contents.lose(&made.input_digest);
    let runner = world.run();
    let ended = world.ended(&made).await;
    assert_eq!((ended.status, ended.counts.total), (BatchStatus::Expired, 5));
    assert_eq!(world.names(&ended, false).await, names([1]));
    assert_eq!(world.names(&ended, true).await, names([2]));
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn lines_that_were_let_run_are_read_on_when_less_is_allowed() {
    let mut world = World::new();
    let made = world.make(&owner("a"), &[json!({"n": 1}), json!({"n": 2, "takes": 1_000})], "24h").await;
    let runner = world.run();
    while world.batch(&made).await.counts.done() < 1 {
        sleep(Duration::from_millis(1)).await;
    }
    runner.stop().await;
    let options = BatchOptions { max_line_bytes: 10, ..BatchOptions::default() };
    let clock = Arc::new(TokioClock::start());
    world.batches =
        Batches::new(Arc::clone(&world.store) as _, Arc::new(world.contents.clone()), clock, options);
    let runner = world.run();
    let ended = world.ended(&made).await;
    assert_eq!((ended.status, ended.counts.completed), (BatchStatus::Completed, 2));
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_goes_on_when_its_file_is_deleted() {
    let world = World::new();
    let made = world.make(&owner("a"), &[json!({"n": 1})], "24h").await;
    world.batches.remove_file(&owner("a"), &made.input_file).await.unwrap();
    assert!(world.batches.file(&owner("a"), &made.input_file).await.is_err());
    let runner = world.run();
    assert_eq!(world.ended(&made).await.status, BatchStatus::Completed);
    runner.stop().await;
}
