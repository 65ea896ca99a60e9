//! How many memory plans a session may keep.
//!
//! ONNX Runtime remembers, for each combination of input shapes, where each value of a run lies in one block of memory.
//! That saves a fifth of the time of a convolutional network. It forgets none of them, one or two kB each, and whoever
//! sends inputs chooses the shapes: so the combinations are counted here, and a session with too many is exchanged
//! for one that makes no plans.

use std::{
    collections::HashSet,
    collections::hash_map::RandomState,
    fmt,
    hash::{BuildHasher, Hash, Hasher},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use ort::session::Session;
use yard_types::Tensor;

/// Some megabytes of plans at most. Clients that vary one dimension stay below, as a rule.
const MOST_SHAPES: usize = 1024;

/// Opens the model once more, without memory plans.
pub(super) type Reopen = Box<dyn Fn() -> Option<Session> + Send + Sync>;

/// A session, and what follows it when it has made too many memory plans.
pub(super) struct PlannedSession {
    session: RwLock<Arc<Session>>,
    /// None where inputs have one shape, or a session makes no plans.
    shapes: Option<Shapes>,
}

struct Shapes {
    reopen: Reopen,
    random: RandomState,
    /// The last one, since mostly the same comes again.
    last: AtomicU64,
    seen: Mutex<HashSet<u64>>,
    is_over: AtomicBool,
}

impl PlannedSession {
    /// A session for inputs of any shape, if it can be opened again.
    pub(super) fn new(session: Session, reopen: Option<Reopen>) -> Self {
        let shapes = reopen.map(|reopen| Shapes {
            reopen,
            random: RandomState::new(),
            last: AtomicU64::new(0),
            seen: Mutex::new(HashSet::new()),
            is_over: AtomicBool::new(false),
        });
        Self { session: RwLock::new(Arc::new(session)), shapes }
    }

    /// The session to run these inputs with.
    pub(super) fn of(&self, inputs: &[Tensor]) -> Arc<Session> {
        if let Some(shapes) = &self.shapes
            && shapes.are_too_many(inputs)
            && let Some(session) = (shapes.reopen)()
        {
            shapes.is_over.store(true, Ordering::Relaxed);
            *self.session.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(session);
        }
        Arc::clone(&self.session.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the session makes no more plans.
    pub(super) fn is_exchanged(&self) -> bool {
        self.shapes.as_ref().is_some_and(|shapes| shapes.is_over.load(Ordering::Relaxed))
    }
}

impl Shapes {
    /// True for one caller when the limit is reached. Should opening fail it is true again after as many more shapes.
    fn are_too_many(&self, inputs: &[Tensor]) -> bool {
        let mut hasher = self.random.build_hasher();
        inputs.iter().for_each(|input| input.shape().hash(&mut hasher));
        let hash = hasher.finish();
        if self.last.swap(hash, Ordering::Relaxed) == hash || self.is_over.load(Ordering::Relaxed) {
            return false;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(hash);
        let too_many = seen.len() > MOST_SHAPES;
        if too_many {
            *seen = HashSet::new();
        }
        too_many
    }
}

impl fmt::Debug for PlannedSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PlannedSession")
            .field("is_exchanged", &self.is_exchanged())
            .finish_non_exhaustive()
    }
}
