use std::sync::Barrier;

use super::*;

fn pool(threads: usize) -> ThreadPool {
    ThreadPool::new(NonZeroUsize::new(threads).unwrap()).unwrap()
}

#[test]
fn every_thread_runs_the_task_once() {
    for threads in [1, 2, 3, 7] {
        let pool = pool(threads);
        for _ in 0..200 {
            let counts: Vec<AtomicUsize> = (0..threads).map(|_| AtomicUsize::new(0)).collect();
            pool.run(&|index| {
                counts[index].fetch_add(1, Ordering::Relaxed);
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
        }
    }
}

#[test]
fn the_tasks_of_a_run_are_on_different_threads() {
    let pool = pool(3);
    let barrier = Barrier::new(3);
    // Would never end if two of them shared a thread.
    pool.run(&|_| {
        barrier.wait();
    });
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
fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
    let pool = pool(3);
    for broken in 0..3 {
        let finished = AtomicUsize::new(0);
        let result = catch_unwind(AssertUnwindSafe(|| {
            pool.run(&|index| {
                assert_ne!(index, broken, "part {index} is broken");
                finished.fetch_add(1, Ordering::Relaxed);
            });
        }));
        let payload = result.unwrap_err();
        assert!(payload.downcast_ref::<String>().unwrap().contains(&format!("part {broken} is broken")));
        assert_eq!(finished.load(Ordering::Relaxed), 2);
    }
    let count = AtomicUsize::new(0);
    pool.run(&|_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(count.load(Ordering::Relaxed), 3);
}

#[test]
fn work_inside_work_runs_on_its_own_thread() {
    let (outer, other) = (pool(2), pool(2));
    let count = AtomicUsize::new(0);
    outer.run(&|_| {
        outer.for_each(10, 3, &|range| {
            count.fetch_add(range.len(), Ordering::Relaxed);
        });
        other.run(&|_| {
            count.fetch_add(100, Ordering::Relaxed);
        });
    });
    assert_eq!(count.load(Ordering::Relaxed), 2 * (10 + 2 * 100));
}

#[test]
fn callers_on_several_threads_take_turns() {
    let pool = pool(2);
    let inside = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    pool.run(&|index| {
                        if index == 0 {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            inside.fetch_sub(1, Ordering::SeqCst);
                        }
                    });
                }
            });
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn an_idle_pool_sleeps() {
    let pool = pool(3);
    let identities = Mutex::new(Vec::new());
    pool.run(&|index| {
        if index > 0 {
            // The link's target ends with the number of the thread that reads it.
            let link = std::fs::read_link("/proc/thread-self").unwrap();
            identities.lock().unwrap().push(link);
        }
    });
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
