use std::collections::VecDeque;

use proptest::{collection::vec, prelude::*};

use super::*;

const MS: Duration = Duration::from_millis(1);

fn request(now: Instant, rows: usize, key: u64) -> Waiting {
    Waiting {
        class: QueueClass::Interactive,
        rows,
        join_key: Some(key),
        arrived: now,
        deadline: now + 1000 * MS,
        left: false,
    }
}

fn limits(max_rows: usize) -> BatchLimits {
    BatchLimits { max_rows, max_delay: Duration::ZERO, background_allowed: true }
}

/// Which of the requests run, or what happens instead.
fn check(waiting: &[Waiting], limits: &BatchLimits, now: Instant, expected: &[Fate], verdict: Verdict) {
    let decision = next_batch(waiting.iter().copied(), limits, now);
    assert_eq!((decision.fates.as_slice(), decision.verdict), (expected, verdict), "{waiting:?}");
}

const INTERACTIVE: QueueClass = QueueClass::Interactive;
const BACKGROUND: QueueClass = QueueClass::Background;

#[test]
fn takes_what_waits_up_to_the_limit() {
    let now = clock::now();
    let waiting = [2, 3, 3, 1].map(|rows| request(now, rows, 0));
    let run = |rows| Verdict::Run { class: INTERACTIVE, rows };
    check(&waiting, &limits(64), now, &[Fate::Run; 4], run(9));
    check(&waiting, &limits(8), now, &[Fate::Run; 3], run(8));
    // Three do not fit any more, and the single row behind them does not overtake.
    check(&waiting, &limits(7), now, &[Fate::Run; 2], run(5));
    check(&[], &limits(7), now, &[], Verdict::Idle);
}

#[test]
fn a_request_larger_than_the_limit_runs_alone() {
    let now = clock::now();
    let waiting = [100, 1].map(|rows| request(now, rows, 0));
    check(&waiting, &limits(8), now, &[Fate::Run], Verdict::Run { class: INTERACTIVE, rows: 100 });
    let waiting = [1, 100].map(|rows| request(now, rows, 0));
    check(&waiting, &limits(8), now, &[Fate::Run], Verdict::Run { class: INTERACTIVE, rows: 1 });
}

#[test]
fn joins_rows_of_the_same_shape_alone() {
    let now = clock::now();
    let waiting = [0, 1, 0].map(|key| request(now, 1, key));
    let expected = [Fate::Run, Fate::Stay, Fate::Run];
    check(&waiting, &limits(8), now, &expected, Verdict::Run { class: INTERACTIVE, rows: 2 });
    let alone = Waiting { join_key: None, ..request(now, 1, 0) };
    check(&[alone, alone], &limits(8), now, &[Fate::Run], Verdict::Run { class: INTERACTIVE, rows: 1 });
}

#[test]
fn those_who_left_or_are_late_never_run() {
    let now = clock::now();
    let left = Waiting { left: true, ..request(now, 1, 0) };
    let late = Waiting { deadline: now, ..request(now, 1, 0) };
    let good = request(now, 1, 0);
    let expected = [Fate::Left, Fate::Expired, Fate::Run, Fate::Left];
    check(
        &[left, late, good, left],
        &limits(8),
        now,
        &expected,
        Verdict::Run { class: INTERACTIVE, rows: 1 },
    );
    check(&[left, late], &limits(8), now, &[Fate::Left, Fate::Expired], Verdict::Idle);
}

#[test]
fn background_runs_only_when_nobody_interactive_waits() {
    let now = clock::now();
    let interactive = request(now, 1, 0);
    let background = Waiting { class: BACKGROUND, ..interactive };
    let left = Waiting { left: true, ..interactive };
    let run = |class| Verdict::Run { class, rows: 1 };
    check(&[interactive, background], &limits(8), now, &[Fate::Run], run(INTERACTIVE));
    check(&[left, background], &limits(8), now, &[Fate::Left, Fate::Run], run(BACKGROUND));
    let blocked = BatchLimits { background_allowed: false, ..limits(8) };
    check(&[background], &blocked, now, &[], Verdict::Blocked);
    check(&[interactive, background], &blocked, now, &[Fate::Run], run(INTERACTIVE));
}

#[test]
fn with_a_delay_the_oldest_waits_until_the_batch_is_full() {
    let now = clock::now();
    let limits = BatchLimits { max_delay: 5 * MS, ..limits(4) };
    let one = request(now, 1, 0);
    check(&[one], &limits, now, &[Fate::Stay], Verdict::WaitUntil(now + 5 * MS));
    check(&[one], &limits, now + 5 * MS, &[Fate::Run], Verdict::Run { class: INTERACTIVE, rows: 1 });
    check(&[one; 4], &limits, now, &[Fate::Run; 4], Verdict::Run { class: INTERACTIVE, rows: 4 });
    let hurried = Waiting { deadline: now + 3 * MS, ..one };
    let run = Verdict::Run { class: INTERACTIVE, rows: 2 };
    check(&[one, hurried], &limits, now, &[Fate::Run, Fate::Run], run);
    let alone = Waiting { join_key: None, ..one };
    check(&[alone], &limits, now, &[Fate::Run], Verdict::Run { class: INTERACTIVE, rows: 1 });
}

fn any_waiting(base: Instant) -> impl Strategy<Value = Vec<Waiting>> {
    let one = (any::<bool>(), 1_usize..20, proptest::option::of(0_u64..3), 0_u32..10, any::<u8>());
    vec(one, 0..60).prop_map(move |rows| {
        let mut waiting: Vec<Waiting> = rows
            .into_iter()
            .enumerate()
            .map(|(place, (background, rows, join_key, life, dice))| Waiting {
                class: if background { BACKGROUND } else { INTERACTIVE },
                rows,
                join_key,
                arrived: base + u32::try_from(place).unwrap() * MS / 100,
                deadline: base + life * MS,
                left: dice < 30,
            })
            .collect();
        waiting.sort_by_key(|request| request.class == BACKGROUND);
        waiting
    })
}

proptest! {
    /// Runs a whole queue down, batch by batch, and checks each batch and the whole.
    #[test]
    fn every_request_has_one_fate_and_every_batch_keeps_the_rules(
        (base, waiting) in Just(clock::now()).prop_flat_map(|base| (Just(base), any_waiting(base))),
        max_rows in 1_usize..40,
        delay in 0_u32..4,
    ) {
        let now = base + 3 * MS;
        let limits = BatchLimits { max_rows, max_delay: delay * MS, background_allowed: true };
        let mut queue: VecDeque<(usize, Waiting)> = waiting.iter().copied().enumerate().collect();
        let mut order = Vec::new();
        let mut clock = now;
        while !queue.is_empty() {
            let before: Vec<_> = queue.iter().copied().collect();
            let decision = next_batch(before.iter().map(|(_, request)| *request), &limits, clock);
            prop_assert!(decision.fates.len() <= before.len());
            let mut ran = Vec::new();
            let mut stay = VecDeque::new();
            for (place, (id, request)) in before.iter().enumerate() {
                match decision.fates.get(place).copied().unwrap_or(Fate::Stay) {
                    Fate::Run => ran.push((*id, *request)),
                    Fate::Stay => stay.push_back((*id, *request)),
                    Fate::Left => prop_assert!(request.left),
                    Fate::Expired => prop_assert!(!request.left && request.deadline <= clock),
                }
            }
            let oldest_alive = before.iter().find(|(_, request)| !request.left && request.deadline > clock);
            match decision.verdict {
                Verdict::Run { class, rows } => {
                    prop_assert_eq!(ran.first(), oldest_alive, "the oldest runs first");
                    prop_assert_eq!(rows, ran.iter().map(|(_, request)| request.rows).sum::<usize>());
                    prop_assert!(rows <= max_rows || ran.len() == 1);
                    prop_assert!(ran.iter().all(|(_, request)| request.class == class && !request.left));
                    prop_assert!(ran.iter().all(|(_, request)| request.deadline > clock));
                    let key = ran[0].1.join_key;
                    prop_assert!(ran.len() == 1 || key.is_some());
                    prop_assert!(ran.iter().all(|(_, request)| request.join_key == key));
                    if class == BACKGROUND {
                        let interactive = stay.iter().any(|(_, request)| request.class == INTERACTIVE);
                        prop_assert!(!interactive);
                    }
                }
                Verdict::WaitUntil(until) => {
                    prop_assert!(ran.is_empty());
                    prop_assert!(until > clock && until <= oldest_alive.unwrap().1.arrived + limits.max_delay);
                    prop_assert!(before.iter().filter(|(_, request)| !request.left && request.deadline > clock)
                        .take(1).all(|(_, request)| request.deadline > until));
                    clock = until;
                }
                Verdict::Idle => prop_assert!(stay.is_empty() && ran.is_empty()),
                Verdict::Blocked => prop_assert!(false, "background was allowed"),
            }
            order.extend(ran.iter().map(|(id, request)| (*id, *request)));
            queue = stay;
        }
        // Nobody runs twice, and those of one class and key run in the order of their arrival.
        for (place, (id, request)) in order.iter().enumerate() {
            for (later, other) in &order[place + 1..] {
                prop_assert_ne!(id, later);
                if request.class == other.class && request.join_key == other.join_key {
                    prop_assert!(id < later);
                }
            }
        }
        // Whoever is alive to the end has run.
        for (id, request) in waiting.iter().enumerate() {
            if !request.left && request.deadline > clock {
                prop_assert!(order.iter().any(|(ran, _)| *ran == id), "request {} was lost", id);
            }
        }
    }
}
