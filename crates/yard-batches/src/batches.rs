//! The rules of files and batches, for whoever asks for them.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::sync::Notify;
use yard_types::Timestamp;

use crate::{
    Batch, BatchError, BatchId, BatchStatus, BatchStore, BatchStoreError, Contents, Counts, Endpoint, FileId,
    Moments, Owner, Purpose, Window,
};

/// Most batches of an owner that have ended and are still shown.
const MOST_ENDED: u64 = 1_000;
/// What may be noted with a batch: members, and the bytes of their names and values.
const MOST_METADATA: usize = 16;
const LONGEST_KEY: usize = 64;
const LONGEST_VALUE: usize = 512;

/// Limits. `Default` is what the reference documents.
#[derive(Debug, Clone)]
pub struct BatchOptions {
    /// Most bytes of an uploaded file. Default: 100 MiB.
    pub max_file_bytes: u64,
    /// Most files of an owner; what batches write does not count. Default: 1,000.
    pub max_files: u64,
    /// Most bytes of all files of an owner together, those that batches write among them. Default: 2 GiB.
    pub max_bytes: u64,
    /// Most batches of an owner that have not ended. Default: 20.
    pub max_open: u64,
    /// Most lines of a batch. Default: 50,000.
    pub max_lines: u64,
    /// Most bytes of a line. Default: 1 MiB.
    pub max_line_bytes: usize,
    /// Lines of all batches that run at once. Default: 8.
    pub lines_at_once: NonZeroUsize,
    /// Owners whose batches run at once. Default: 16.
    pub owners_at_once: NonZeroUsize,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            max_file_bytes: 100 << 20,
            max_files: 1_000,
            max_bytes: 2 << 30,
            max_open: 20,
            max_lines: 50_000,
            max_line_bytes: 1 << 20,
            lines_at_once: NonZeroUsize::new(8).unwrap_or(NonZeroUsize::MIN),
            owners_at_once: NonZeroUsize::new(16).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A batch to be made, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBatch {
    /// The file with its lines.
    pub input_file: String,
    /// What its lines ask for.
    pub endpoint: String,
    /// How long it may take.
    pub window: String,
    /// What its maker notes.
    pub metadata: BTreeMap<String, String>,
}

/// What batches do, for who watches over the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Activity {
    /// Batches that have not ended, when the runner last looked.
    pub open: u64,
    /// Lines that were answered since the start of the process.
    pub answered: u64,
    /// Lines that were refused or failed since then.
    pub refused: u64,
}

/// Files and batches. Cheap to clone; clones are the same.
#[derive(Clone)]
pub struct Batches {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) store: Arc<dyn BatchStore>,
    pub(crate) contents: Arc<dyn Contents>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: BatchOptions,
    /// There may be a batch to begin.
    pub(crate) wake: Notify,
    /// There may be bytes that no row names. So it may be at the start: nobody knows what was deleted before.
    pub(crate) has_garbage: AtomicBool,
    /// As [`Activity`] has them.
    pub(crate) open: AtomicU64,
    pub(crate) answered: AtomicU64,
    pub(crate) refused: AtomicU64,
    /// The batches that are being worked on, and who is told when one is called off.
    under_way: Mutex<HashMap<BatchId, Arc<Notify>>>,
}

impl fmt::Debug for Batches {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Batches").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

impl Batches {
    /// Puts the parts together. Nothing runs before [`crate::Runner::start`].
    pub fn new(
        store: Arc<dyn BatchStore>,
        contents: Arc<dyn Contents>,
        clock: Arc<dyn Clock>,
        options: BatchOptions,
    ) -> Self {
        let shared = Shared {
            store,
            contents,
            clock,
            options,
            wake: Notify::new(),
            has_garbage: AtomicBool::new(true),
            open: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            under_way: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// What batches do.
    pub fn activity(&self) -> Activity {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Shared { open, answered, refused, .. } = &*self.shared;
        Activity { open: read(open), answered: read(answered), refused: read(refused) }
    }
}

impl Batches {
    /// Makes a batch. It is a row when this returns.
    pub async fn create(&self, owner: &Owner, new: NewBatch) -> Result<Batch, BatchError> {
        let endpoint: Endpoint = new.endpoint.parse()?;
        let window: Window = new.window.parse()?;
        check_metadata(&new.metadata)?;
        let unknown = |_| BatchError::Member {
            member: "input_file_id",
            message: "'input_file_id' is no id of a file".to_owned(),
        };
        let input_file: FileId = new.input_file.parse().map_err(unknown)?;
        let options = &self.shared.options;
        if self.shared.store.usage(owner).await?.bytes >= options.max_bytes {
            // There would be no room for any answer.
            return Err(BatchError::NoRoom(options.max_bytes));
        }
        // The row of the batch keeps the bytes from here on, even if the file is deleted at this moment.
        let _nothing_is_deleted = self.shared.contents.hold().await;
        let file = self.file(owner, &input_file).await?;
        if file.purpose != Purpose::Batch {
            return Err(BatchError::NoInput(input_file));
        }
        let created_at = self.shared.clock.now();
        let batch = Batch {
            id: BatchId::random().map_err(BatchError::Random)?,
            owner: owner.clone(),
            endpoint,
            input_file,
            input_digest: file.digest,
            expires_at: created_at.plus_milliseconds(window.milliseconds()),
            window,
            metadata: new.metadata,
            status: BatchStatus::Validating,
            created_at,
            moments: Moments::default(),
            counts: Counts::default(),
            problems: Vec::new(),
            output_file: None,
            error_file: None,
        };
        match self.shared.store.insert_batch(&batch, options.max_open, MOST_ENDED).await {
            Err(BatchStoreError::TooMany(most)) => return Err(BatchError::TooManyBatches(most)),
            other => other?,
        }
        self.shared.wake.notify_one();
        Ok(batch)
    }

    /// One batch.
    pub async fn batch(&self, owner: &Owner, id: &BatchId) -> Result<Batch, BatchError> {
        let found = self.shared.store.batch(owner, id).await?;
        found.ok_or_else(|| BatchError::UnknownBatch(id.clone()))
    }

    /// A page of batches, the newest first, and whether there are more.
    pub async fn batches(
        &self,
        owner: &Owner,
        after: Option<&BatchId>,
        limit: u32,
    ) -> Result<(Vec<Batch>, bool), BatchError> {
        let page = self.shared.store.batches(owner, after, limit.saturating_add(1)).await;
        let page = page.map_err(|error| match (error, after) {
            (BatchStoreError::Missing(_), Some(after)) => BatchError::UnknownBatch(after.clone()),
            (error, _) => error.into(),
        })?;
        Ok(cut(page, limit))
    }

    /// Calls a batch off. Lines that run are given up; what is done stays. One of which no line was let run has ended then.
    pub async fn cancel(&self, owner: &Owner, id: &BatchId) -> Result<Batch, BatchError> {
        match self.shared.store.cancel(owner, id, self.shared.clock.now()).await {
            Ok(batch) => {
                self.shared.call_off(id);
                self.shared.has_garbage.store(true, Ordering::Relaxed);
                Ok(batch)
            }
            Err(BatchStoreError::Missing(_)) => Err(BatchError::UnknownBatch(id.clone())),
            Err(BatchStoreError::Conflict(_)) => {
                let status = self.batch(owner, id).await?.status;
                Err(BatchError::HasEnded { id: id.clone(), status })
            }
            Err(error) => Err(error.into()),
        }
    }
}

// === impl Shared ===

impl Shared {
    /// From now on whoever calls the batch off tells this.
    pub(crate) fn take_up(&self, id: &BatchId) -> Arc<Notify> {
        let notify = Arc::new(Notify::new());
        self.lock().insert(id.clone(), Arc::clone(&notify));
        notify
    }

    /// Nobody works on the batch any more.
    pub(crate) fn lay_down(&self, id: &BatchId) {
        self.lock().remove(id);
    }

    fn call_off(&self, id: &BatchId) {
        if let Some(notify) = self.lock().get(id) {
            // Kept for whoever is not waiting yet.
            notify.notify_one();
        }
        self.wake.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<BatchId, Arc<Notify>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn cut<T>(mut page: Vec<T>, limit: u32) -> (Vec<T>, bool) {
    let limit = limit as usize;
    let more = page.len() > limit;
    page.truncate(limit);
    (page, more)
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), BatchError> {
    let fits = metadata.len() <= MOST_METADATA
        && metadata.iter().all(|(key, value)| key.len() <= LONGEST_KEY && value.len() <= LONGEST_VALUE);
    if fits {
        return Ok(());
    }
    let message = format!(
        "'metadata' has at most {MOST_METADATA} members, with names of at most {LONGEST_KEY} bytes and texts of at most \
         {LONGEST_VALUE}"
    );
    Err(BatchError::Member { member: "metadata", message })
}
