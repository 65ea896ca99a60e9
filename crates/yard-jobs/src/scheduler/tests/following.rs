//! Following jobs.

use super::*;
use crate::{EventBody, JobEvent};

#[tokio::test(start_paused = true)]
async fn a_follower_sees_what_is_written_in_its_order() {
    let yard = Yard::new();
    let id = yard.submit("gate 1 save:1 2 finish").await;
    yard.launcher.at_gate().await;
    let mut follower = yard.jobs.follow(id);
    let before = yard.jobs.events(id, 0, 99).await.unwrap();
    let other = yard.submit("1 finish").await;
    yard.launcher.open(1);
    yard.ended(other).await;
    let mut seen: Vec<JobEvent> = Vec::new();
    loop {
        let Followed::Event(event) = follower.next().await else { panic!("{seen:?}") };
        let done = event.body == EventBody::State(JobState::Succeeded);
        seen.push(event);
        if done {
            break;
        }
    }
    assert!(seen.is_sorted_by(|left, right| left.sequence < right.sequence));
    assert!(seen.iter().all(|event| event.job == id));
    let last = before.last().map_or(0, |event| event.sequence);
    let kept = yard.jobs.events(id, last, 99).await.unwrap();
    // What was read again is what was seen, but for progress that was replaced.
    assert!(kept.iter().all(|event| seen.contains(event)), "{kept:?} {seen:?}");
    assert_eq!(seen.len(), kept.len() + 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_follower_is_told_that_it_missed_some_and_reads_them_again() {
    let small = |options: &mut SchedulerOptions| options.event_buffer = NonZeroUsize::new(2).unwrap();
    let yard = Yard::with(Arc::new(crate::NoSearches), small);
    let id = yard.submit("gate 1 2 3 4 finish").await;
    yard.launcher.at_gate().await;
    let mut follower = yard.jobs.follow(id);
    yard.launcher.open(1);
    let job = yard.ended(id).await;
    assert_eq!(follower.next().await, Followed::Missed);
    let again = yard.jobs.events(id, 0, 99).await.unwrap();
    assert_eq!(again.last().map(|event| event.sequence), Some(job.sequence));
    assert_eq!(again.len(), 4 + 4 + 1 + 1, "metrics, lines, the last progress and the state");
    let Followed::Event(event) = follower.next().await else { panic!() };
    assert!(event.sequence <= job.sequence);
}
