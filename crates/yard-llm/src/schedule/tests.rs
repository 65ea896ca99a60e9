use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A request as it will be, decided before it comes.
#[derive(Debug, Clone)]
struct Plan {
    arrives: usize,
    prompt: usize,
    answer: usize,
    tenant: usize,
    priority: Priority,
    cancelled_at: Option<usize>,
}

#[derive(Debug)]
struct Live {
    plan: Plan,
    /// Tokens there are.
    tokens: usize,
    /// Tokens that are known, if it runs.
    length: Option<usize>,
    pages: usize,
}

/// An engine without a model: it does what it is told and complains when it cannot be done.
struct Rehearsal {
    pages: usize,
    free: usize,
    step_tokens: usize,
    most_running: usize,
    live: BTreeMap<u64, Live>,
    served: [u64; 3],
    /// When each request ended.
    ended: BTreeMap<u64, usize>,
    preemptions: usize,
}

impl Rehearsal {
    fn running(&self) -> Vec<Running> {
        let view = |(number, live): (&u64, &Live)| {
            let length = live.length?;
            Some(Running {
                number: *number,
                priority: live.plan.priority,
                served: self.served[live.plan.tenant],
                length,
                unseen: live.tokens - length,
                guessed: if live.tokens - length == 1 { live.plan.prompt % 4 } else { 0 },
                pages: live.pages,
            })
        };
        self.live.iter().filter_map(view).collect()
    }

    fn candidate(&self) -> Option<Candidate> {
        let waiting = self.live.iter().filter(|(_, live)| live.length.is_none());
        let number = first_in_line(waiting.map(|(number, live)| Waiting {
            number: *number,
            priority: live.plan.priority,
            served: self.served[live.plan.tenant],
        }))?;
        let live = &self.live[&number];
        let pages = (live.tokens + 1).div_ceil(PAGE_POSITIONS).min(self.pages);
        let priority = live.plan.priority;
        let below = self.live.values().filter(|one| one.length.is_some() && one.plan.priority < priority);
        let room = self.free + below.map(|one| one.pages).sum::<usize>();
        let served = self.served[live.plan.tenant];
        Some(Candidate { number, priority, served, pages, alone: Alone { pages, room } })
    }

    fn give_back(&mut self, number: u64) {
        let live = self.live.get_mut(&number).unwrap();
        assert!(live.length.take().is_some(), "only one that runs has pages");
        self.free += std::mem::take(&mut live.pages);
    }

    /// One step; `false` if there was nothing to do.
    fn step(&mut self, now: usize) -> bool {
        let mut may_enter = true;
        for _ in 0..=2 * self.live.len() + 1 {
            let running = self.running();
            let candidate = if may_enter { self.candidate() } else { None };
            let room = Room { pages: self.free, tokens: self.step_tokens, running: self.most_running };
            match next_move(&running, candidate.as_ref(), &room) {
                Move::Admit(number) => {
                    assert!(running.len() < self.most_running);
                    let live = self.live.get_mut(&number).unwrap();
                    assert!(live.length.is_none());
                    live.length = Some(0);
                }
                Move::Preempt(number) => {
                    let lowest = running.iter().min_by_key(|one| one.rank()).unwrap();
                    assert_eq!(lowest.number, number);
                    may_enter = candidate.is_some_and(|one| one.priority > lowest.priority);
                    self.preemptions += 1;
                    self.give_back(number);
                }
                Move::Run(parts) => {
                    self.run(&parts, now);
                    return !parts.is_empty();
                }
            }
        }
        panic!("no run came of it");
    }

    fn run(&mut self, parts: &[(u64, usize)], now: usize) {
        let tokens: usize = parts.iter().map(|(_, tokens)| tokens).sum();
        assert!(tokens <= self.step_tokens);
        // Nobody who writes is left out.
        let writing = self.running().into_iter().filter(|one| one.unseen == 1);
        for one in writing {
            assert!(parts.iter().any(|(number, _)| *number == one.number), "{one:?}");
        }
        for (number, tokens) in parts {
            let live = self.live.get_mut(number).unwrap();
            let length = live.length.unwrap() + tokens;
            let more = length.div_ceil(PAGE_POSITIONS).saturating_sub(live.pages);
            self.free = self.free.checked_sub(more).expect("only pages that are free are taken");
            live.pages += more;
            self.served[live.plan.tenant] += *tokens as u64;
            // Guesses are always wrong here.
            let known = length.min(live.tokens);
            live.length = Some(known);
            let kept = known.div_ceil(PAGE_POSITIONS);
            self.free += live.pages - kept;
            live.pages = kept;
            if known == live.tokens {
                live.tokens += 1;
                if live.tokens == live.plan.prompt + live.plan.answer {
                    self.give_back(*number);
                    self.live.remove(number);
                    self.ended.insert(*number, now);
                }
            }
        }
    }
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let plan = (0..60_usize, 1..120_usize, 1..60_usize, 0..3_usize, any::<bool>(), 0..400_usize).prop_map(
        |(arrives, prompt, answer, tenant, background, cancelled)| Plan {
            arrives,
            prompt,
            answer,
            tenant,
            priority: if background { Priority::Background } else { Priority::Interactive },
            cancelled_at: (cancelled < 60).then_some(arrives + cancelled),
        },
    );
    prop::collection::vec(plan, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// However they come, and with how little room, all requests end, and nothing is handed out twice.
    #[test]
    fn all_come_to_their_end(
        plans in plans(), pages in 12..60_usize, most_running in 1..12_usize, spare_tokens in 1..60_usize,
    ) {
        let step_tokens = most_running + spare_tokens;
        let mut engine = Rehearsal {
            pages, free: pages, step_tokens, most_running,
            live: BTreeMap::new(), served: [0; 3], ended: BTreeMap::new(), preemptions: 0,
        };
        // All tokens might be run again and again by those that are first in rank, one by one.
        let work: usize = plans.iter().map(|plan| plan.prompt + plan.answer).sum();
        let bound = 500 + work * (1 + plans.len());
        for now in 0.. {
            for (number, plan) in (0..).zip(&plans).filter(|(_, plan)| plan.arrives == now) {
                let tokens = plan.prompt;
                engine.live.insert(number, Live { plan: plan.clone(), tokens, length: None, pages: 0 });
            }
            let gone: Vec<u64> = engine.live.iter()
                .filter(|(_, live)| live.plan.cancelled_at.is_some_and(|at| at <= now))
                .map(|(number, _)| *number)
                .collect();
            for number in gone {
                if engine.live[&number].length.is_some() {
                    engine.give_back(number);
                }
                engine.live.remove(&number);
            }
            let worked = engine.step(now);
            prop_assert!(worked || engine.live.is_empty(), "{:?} wait for nothing", engine.live);
            if now >= 60 && engine.live.is_empty() {
                break;
            }
            prop_assert!(now < bound, "{} have not ended", engine.live.len());
        }
        prop_assert_eq!(engine.free, pages);
        let expected = plans.iter().filter(|plan| plan.cancelled_at.is_none()).count();
        prop_assert!(engine.ended.len() >= expected);
    }

    /// A tenant that asks for much does not hold up one that asks for little.
    #[test]
    fn a_flood_of_one_tenant_holds_no_other_up(
        flood in 20..60_usize, prompt in 20..100_usize, answer in 5..40_usize, most_running in 2..6_usize,
    ) {
        let plan = |tenant, arrives| Plan {
            arrives, prompt, answer, tenant, priority: Priority::Interactive, cancelled_at: None,
        };
        let mut plans = vec![plan(0, 0); flood];
        plans.push(plan(1, 5));
        let mut engine = Rehearsal {
            pages: 200, free: 200, step_tokens: 64, most_running,
            live: BTreeMap::new(), served: [0; 3], ended: BTreeMap::new(), preemptions: 0,
        };
        for now in 0..100_000 {
            for (number, plan) in (0..).zip(&plans).filter(|(_, plan)| plan.arrives == now) {
                let tokens = plan.prompt;
                engine.live.insert(number, Live { plan: plan.clone(), tokens, length: None, pages: 0 });
            }
            engine.step(now);
            if now > 5 && engine.live.is_empty() {
                break;
            }
        }
        let last = flood as u64;
        // Those that ran when it came, and nobody else, end before it.
        let before = engine.ended.values().filter(|at| **at < engine.ended[&last]).count();
        prop_assert!(before <= 2 * most_running, "{} of {} ended before it", before, flood);
    }
}

fn running(number: u64, unseen: usize, length: usize) -> Running {
    let pages = length.div_ceil(PAGE_POSITIONS);
    let priority = Priority::Interactive;
    Running { number, priority, served: 0, length, unseen, guessed: 0, pages }
}

fn candidate(room: usize) -> Candidate {
    let alone = Alone { pages: 4, room };
    Candidate { number: 9, priority: Priority::Interactive, served: 0, pages: 4, alone }
}

#[test]
fn prompts_are_read_beside_those_who_write_with_what_is_left_of_a_step() {
    let all = [running(1, 1, 30), running(2, 500, 0), running(3, 1, 31), running(4, 9, 16)];
    let room = Room { pages: 100, tokens: 40, running: 8 };
    assert_eq!(next_move(&all, None, &room), Move::Run(vec![(1, 1), (3, 1), (2, 38)]));
    let room = Room { tokens: 510, ..room };
    assert_eq!(next_move(&all, None, &room), Move::Run(vec![(1, 1), (3, 1), (2, 500), (4, 8)]));
}

#[test]
fn guesses_take_only_what_is_left_over() {
    let guessing = |number, length| Running { guessed: 4, ..running(number, 1, length) };
    let all = [guessing(1, 30), guessing(2, 20), running(3, 10, 0)];
    // The first would need a page for its guesses, the second has room in its own, the third wants to read.
    let room = |pages, tokens| Room { pages, tokens, running: 8 };
    assert_eq!(next_move(&all, None, &room(2, 20)), Move::Run(vec![(1, 5), (2, 5), (3, 10)]));
    assert_eq!(next_move(&all, None, &room(1, 20)), Move::Run(vec![(1, 1), (2, 5), (3, 10)]));
    assert_eq!(next_move(&all, None, &room(2, 15)), Move::Run(vec![(1, 1), (2, 1), (3, 10)]));
    // Without a page for its first token, one that reads waits for those before it.
    assert_eq!(next_move(&all, None, &room(0, 20)), Move::Run(vec![(1, 1), (2, 5)]));
}

#[test]
fn the_lowest_in_rank_makes_room() {
    let background = Running { priority: Priority::Background, ..running(1, 1, 20) };
    let all = [background, running(2, 1, 32), running(3, 1, 32)];
    let room = Room { pages: 1, tokens: 40, running: 8 };
    assert_eq!(next_move(&all, None, &room), Move::Preempt(1));
    assert_eq!(next_move(&all[1..], None, &room), Move::Preempt(3));
    // The last one that needs a page gives up its own.
    let room = Room { pages: 0, tokens: 40, running: 8 };
    assert_eq!(next_move(&[running(2, 1, 31), running(3, 1, 32)], None, &room), Move::Preempt(3));
}

#[test]
fn who_waits_enters_when_it_and_those_who_run_have_room() {
    let candidate = candidate(0);
    let all = [running(1, 1, 20), running(2, 1, 20)];
    let room = |pages, running| Room { pages, tokens: 40, running };
    assert_eq!(next_move(&all, Some(&candidate), &room(6, 8)), Move::Admit(9));
    assert_eq!(next_move(&all, Some(&candidate), &room(5, 8)), Move::Run(vec![(1, 1), (2, 1)]));
    assert_eq!(next_move(&all, Some(&candidate), &room(50, 2)), Move::Run(vec![(1, 1), (2, 1)]));
    assert_eq!(next_move(&[], Some(&candidate), &room(4, 8)), Move::Admit(9));
}

#[test]
fn background_work_gives_way_where_that_helps() {
    // Without the first one there are four pages more.
    let with_room = |pages: usize| Room { pages, tokens: 40, running: 8 };
    let candidate = |room: &Room| candidate(room.pages + 4);
    let background = Running { priority: Priority::Background, ..running(1, 1, 60) };
    let all = [background, running(2, 1, 20)];
    let asked = |room: &Room| next_move(&all, Some(&candidate(room)), room);
    assert_eq!(asked(&with_room(1)), Move::Preempt(1));
    assert_eq!(asked(&with_room(0)), Move::Run(vec![(2, 1), (1, 1)]));
    let full = Room { pages: 90, tokens: 40, running: 2 };
    assert_eq!(asked(&full), Move::Preempt(1));
    let other = Candidate { priority: Priority::Background, ..candidate(&full) };
    assert_eq!(next_move(&all, Some(&other), &full), Move::Run(vec![(2, 1), (1, 1)]));
}

#[test]
fn a_long_prompt_keeps_nobody_at_the_door_who_comes_before_it() {
    let reading = Running { priority: Priority::Background, ..running(1, 100_000, 0) };
    let room = Room { pages: 10_000, tokens: 40, running: 8 };
    let urgent = candidate(10_000);
    assert_eq!(next_move(&[reading], Some(&urgent), &room), Move::Admit(9));
    let entered = running(9, 10, 0);
    assert_eq!(next_move(&[reading, entered], None, &room), Move::Run(vec![(9, 10), (1, 30)]));
    // Of equal priority it is the one whose tenant was served less.
    let reading = Running { served: 5, ..running(1, 100_000, 0) };
    let step = Move::Run(vec![(1, 40)]);
    assert_eq!(next_move(&[reading], Some(&Candidate { served: 4, ..urgent }), &room), Move::Admit(9));
    assert_eq!(next_move(&[reading], Some(&Candidate { served: 5, ..urgent }), &room), step);
}

#[test]
fn of_those_who_wait_the_least_served_comes_first() {
    let waiting = |number, priority, served| Waiting { number, priority, served };
    use Priority::{Background, Interactive};
    let all = [
        waiting(1, Background, 0),
        waiting(2, Interactive, 500),
        waiting(4, Interactive, 20),
        waiting(3, Interactive, 20),
    ];
    assert_eq!(first_in_line(all.into_iter()), Some(3));
    assert_eq!(first_in_line(all[..1].iter().copied()), Some(1));
    assert_eq!(first_in_line([].into_iter()), None);
}
