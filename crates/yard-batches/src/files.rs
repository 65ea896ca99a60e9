//! The rules of files.

use std::{fmt, sync::atomic::Ordering};

use crate::{
    BatchError, BatchStoreError, Batches, ByteStream, ContentError, FileId, FileQuery, Owner, Purpose,
    StagedContent, StoredFile, batches::cut,
};

/// Longest name of a file, in bytes.
const LONGEST_NAME: usize = 256;

/// A file to be kept, whose bytes are there.
pub struct NewFile {
    /// What its sender calls it.
    pub name: String,
    /// For how long it is kept, in seconds; `None` for as long as nobody deletes it.
    pub lifetime_seconds: Option<u32>,
    /// Its bytes.
    pub content: Box<dyn StagedContent>,
}

impl fmt::Debug for NewFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NewFile").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Batches {
    /// Takes in the bytes of a file that is to be kept, if there is room for it.
    pub async fn stage(
        &self,
        owner: &Owner,
        content: ByteStream,
    ) -> Result<Box<dyn StagedContent>, BatchError> {
        let options = &self.shared.options;
        let room = self.room(owner).await?;
        let limit = options.max_file_bytes.min(room);
        match self.shared.contents.stage(content, limit).await {
            Err(ContentError::TooLarge { limit }) if limit < options.max_file_bytes => {
                Err(BatchError::NoRoom(options.max_bytes))
            }
            other => Ok(other?),
        }
    }

    /// Bytes that a further file of an owner may have, which is at least one.
    async fn room(&self, owner: &Owner) -> Result<u64, BatchError> {
        let options = &self.shared.options;
        let usage = self.shared.store.usage(owner).await?;
        if usage.uploaded >= options.max_files {
            return Err(BatchError::TooManyFiles(options.max_files));
        }
        match options.max_bytes.saturating_sub(usage.bytes) {
            0 => Err(BatchError::NoRoom(options.max_bytes)),
            room => Ok(room),
        }
    }

    /// Keeps a file for batches.
    pub async fn add_file(&self, owner: &Owner, new: NewFile) -> Result<StoredFile, BatchError> {
        if new.name.len() > LONGEST_NAME || new.name.chars().any(char::is_control) {
            let message =
                format!("the name of a file has at most {LONGEST_NAME} bytes and no control characters");
            return Err(BatchError::Member { member: "file", message });
        }
        let created_at = self.shared.clock.now();
        let lifetime = new.lifetime_seconds.map(|seconds| i64::from(seconds) * 1_000);
        let file = StoredFile {
            id: FileId::random().map_err(BatchError::Random)?,
            owner: owner.clone(),
            purpose: Purpose::Batch,
            name: new.name,
            digest: new.content.digest(),
            bytes: new.content.bytes(),
            created_at,
            expires_at: lifetime.map(|lifetime| created_at.plus_milliseconds(lifetime)),
        };
        // Others may have come meanwhile. What is refused here is never published, and so leaves no garbage.
        let options = &self.shared.options;
        if self.room(owner).await? < file.bytes {
            return Err(BatchError::NoRoom(options.max_bytes));
        }
        let _nothing_is_deleted = self.shared.contents.hold().await;
        new.content.publish().await?;
        let inserted = self.shared.store.insert_file(&file, options.max_files, options.max_bytes).await;
        if inserted.is_err() {
            self.shared.has_garbage.store(true, Ordering::Relaxed);
        }
        match inserted {
            Err(BatchStoreError::TooMany(most)) => Err(BatchError::TooManyFiles(most)),
            Err(BatchStoreError::NoRoom(most)) => Err(BatchError::NoRoom(most)),
            other => Ok(other.map(|()| file)?),
        }
    }

    /// One file.
    pub async fn file(&self, owner: &Owner, id: &FileId) -> Result<StoredFile, BatchError> {
        let found = self.shared.store.file(owner, id, self.shared.clock.now()).await?;
        found.ok_or_else(|| BatchError::UnknownFile(id.clone()))
    }

    /// A page of files, and whether there are more. `query.now` is set here.
    pub async fn files(
        &self,
        owner: &Owner,
        query: FileQuery,
    ) -> Result<(Vec<StoredFile>, bool), BatchError> {
        let limit = query.limit;
        let after = query.after.clone();
        let query = FileQuery { limit: limit.saturating_add(1), now: self.shared.clock.now(), ..query };
        let page = self.shared.store.files(owner, &query).await;
        let page = page.map_err(|error| match (error, after) {
            (BatchStoreError::Missing(_), Some(after)) => BatchError::UnknownFile(after),
            (error, _) => error.into(),
        })?;
        Ok(cut(page, limit))
    }

    /// Reads a file; how many bytes it has comes first.
    pub async fn read_file(&self, owner: &Owner, id: &FileId) -> Result<(u64, ByteStream), BatchError> {
        let file = self.file(owner, id).await?;
        Ok(self.shared.contents.read(&file.digest).await?)
    }

    /// Deletes a file. A batch that reads it goes on.
    pub async fn remove_file(&self, owner: &Owner, id: &FileId) -> Result<(), BatchError> {
        // One that is gone by its time is gone for its owner as well.
        self.file(owner, id).await?;
        match self.shared.store.remove_file(owner, id).await {
            Err(BatchStoreError::Missing(_)) => Err(BatchError::UnknownFile(id.clone())),
            other => {
                self.shared.has_garbage.store(true, Ordering::Relaxed);
                Ok(other?)
            }
        }
    }
}
