//! Thread pools for runs.
//!
//! RTen runs a model inside a thread pool; a pool that several runs shared would make them wait for each other. So each
//! run takes a pool for itself and leaves it to the next. There are as many pools as there were ever runs at once.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use rten::ThreadPool;

type Idle = Mutex<Vec<Arc<ThreadPool>>>;

/// The pools of one size, shared by all models of the process.
#[derive(Debug, Clone)]
pub(super) struct Pools {
    threads: NonZeroUsize,
    idle: Arc<Idle>,
}

impl Pools {
    pub(super) fn of(threads: NonZeroUsize) -> Self {
        static BY_SIZE: OnceLock<Mutex<HashMap<NonZeroUsize, Arc<Idle>>>> = OnceLock::new();
        let by_size = BY_SIZE.get_or_init(Mutex::default);
        let mut by_size = by_size.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = Arc::clone(by_size.entry(threads).or_default());
        Self { threads, idle }
    }

    pub(super) fn take(&self) -> Arc<ThreadPool> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| Arc::new(ThreadPool::with_num_threads(self.threads.get())))
    }

    pub(super) fn give_back(&self, pool: Arc<ThreadPool>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(pool);
    }
}
