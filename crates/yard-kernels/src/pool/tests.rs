use std::sync::Barrier;

use super::*;

fn pool(threads: usize) -> ThreadPool {
    ThreadPool::new(NonZeroUsize::new(threads).unwrap()).unwrap()
}

#[test]
fn for_each_hands_out_every_item_once_in_pieces() {
    for threads in [1, 2, 5] {
        let pool = pool(threads);
        for (items, piece) in [(0, 4), (1, 4), (4, 4), (5, 4), (1000, 7), (10, 0), (3, 1)] {
            let counts: Vec<AtomicUsize> = (0..items).map(|_| AtomicUsize::new(0)).collect();
            pool.for_each(items, piece, &|range| {
                assert!(range.len() <= piece.max(1) && !range.is_empty());
                for index in range {
                    counts[index].fetch_add(1, Ordering::Relaxed);
                }
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{items} {piece}");
        }
    }
}

#[test]
fn many_small_jobs_in_a_row_are_all_done() {
    for threads in [2, 3, 8] {
        let pool = pool(threads);
        for items in 0..3000 {
            let sum = AtomicUsize::new(0);
            pool.for_each(items % 17, 1, &|range| {
                sum.fetch_add(range.start + 1, Ordering::Relaxed);
            });
            assert_eq!(sum.into_inner(), (0..=items % 17).sum::<usize>());
        }
    }
}

#[test]
fn all_threads_take_part() {
    let pool = pool(3);
    let barrier = Barrier::new(3);
    // Against the rules, pieces wait for one another: this would never end if fewer threads came.
    pool.for_each(3, 1, &|_| {
        barrier.wait();
    });
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
    for threads in [1, 3] {
        let pool = pool(threads);
        for broken in 0..30 {
            let finished = AtomicUsize::new(0);
            let result = catch_unwind(AssertUnwindSafe(|| {
                pool.for_each(30, 1, &|range| {
                    assert_ne!(range.start, broken, "piece {} is broken", range.start);
                    finished.fetch_add(1, Ordering::Relaxed);
                });
            }));
            let payload = result.unwrap_err();
            let message = payload.downcast_ref::<String>().unwrap();
            assert!(message.contains(&format!("piece {broken} is broken")));
            assert_eq!(finished.load(Ordering::Relaxed), 29);
        }
        let count = AtomicUsize::new(0);
        pool.for_each(10, 1, &|range| {
            count.fetch_add(range.len(), Ordering::Relaxed);
        });
        assert_eq!(count.into_inner(), 10);
    }
}

#[test]
fn work_inside_work_runs_on_its_own_thread() {
    let (outer, other) = (pool(2), pool(2));
    let count = AtomicUsize::new(0);
    outer.for_each(2, 1, &|_| {
        let here = std::thread::current().id();
        for pool in [&outer, &other] {
            pool.for_each(10, 3, &|range| {
                assert_eq!(std::thread::current().id(), here);
                count.fetch_add(range.len(), Ordering::Relaxed);
            });
        }
    });
    assert_eq!(count.into_inner(), 2 * 2 * 10);
}

#[test]
fn callers_on_several_threads_take_turns() {
    let pool = pool(2);
    let total = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..300 {
                    let own = AtomicUsize::new(0);
                    pool.for_each(5, 1, &|range| {
                        own.fetch_add(range.len(), Ordering::Relaxed);
                    });
                    total.fetch_add(own.into_inner(), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(total.into_inner(), 4 * 300 * 5);
}

#[cfg(target_os = "linux")]
#[test]
fn an_idle_pool_sleeps() {
    let pool = pool(3);
    let identities = Mutex::new(Vec::new());
    let barrier = Barrier::new(3);
    pool.for_each(3, 1, &|_| {
        barrier.wait();
        // The link's target ends with the number of the thread that reads it.
        let link = std::fs::read_link("/proc/thread-self").unwrap();
        if std::thread::current().name().is_some_and(|name| name.starts_with("kernels-")) {
            identities.lock().unwrap().push(link);
        }
    });
    assert_eq!(identities.lock().unwrap().len(), 2);
    for identity in identities.into_inner().unwrap() {
        let path = std::path::Path::new("/proc").join(identity).join("stat");
        let asleep = (0..10_000).any(|_| {
            let text = std::fs::read_to_string(&path).unwrap();
            let state = text.rsplit(") ").next().and_then(|rest| rest.chars().next());
            std::thread::yield_now();
            state == Some('S')
        });
        assert!(asleep, "a worker never rests");
    }
    drop(pool);
}
