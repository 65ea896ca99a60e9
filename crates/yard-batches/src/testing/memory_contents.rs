//! Bytes by digest, in memory.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};
use yard_types::Digest;

use crate::{ByteStream, ContentError, Contents, Hold, StagedContent};

type Kept = Arc<Mutex<HashMap<Digest, Bytes>>>;

/// Bytes by digest, in memory. Clones are the same. It knows no rows, and so deletes nothing by itself.
#[derive(Debug, Clone, Default)]
pub struct MemoryContents {
    kept: Kept,
    collections: Arc<AtomicU64>,
}

struct Staged {
    kept: Kept,
    digest: Digest,
    content: Bytes,
}

impl MemoryContents {
    /// Keeps these bytes.
    pub fn put(&self, content: impl Into<Bytes>) -> Digest {
        let content = content.into();
        let digest = digest(&content);
        self.kept.lock().unwrap().insert(digest, content);
        digest
    }

    /// These bytes are lost.
    pub fn lose(&self, digest: &Digest) {
        self.kept.lock().unwrap().remove(digest);
    }

    /// How often it was to delete what no row names.
    pub fn collections(&self) -> u64 {
        self.collections.load(Ordering::SeqCst)
    }

    /// The bytes of this digest.
    pub fn get(&self, digest: &Digest) -> Option<Bytes> {
        self.kept.lock().unwrap().get(digest).cloned()
    }
}

fn digest(content: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(content).into())
}

#[async_trait]
impl Contents for MemoryContents {
    async fn stage(
        &self,
        mut content: ByteStream,
        limit: u64,
    ) -> Result<Box<dyn StagedContent>, ContentError> {
        let mut all = Vec::new();
        while let Some(piece) = content.next().await {
            all.extend_from_slice(&piece.map_err(ContentError::Interrupted)?);
            if all.len() as u64 > limit {
                return Err(ContentError::TooLarge { limit });
            }
        }
        let (digest, content) = (digest(&all), Bytes::from(all));
        Ok(Box::new(Staged { kept: Arc::clone(&self.kept), digest, content }))
    }

    async fn hold(&self) -> Hold {
        Hold::new(())
    }

    async fn read(&self, digest: &Digest) -> Result<(u64, ByteStream), ContentError> {
        let content = self.get(digest).ok_or(ContentError::Missing(*digest))?;
        let length = content.len() as u64;
        // In small pieces, so that lines come in parts.
        let pieces: Vec<_> =
            content.chunks(7).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
        Ok((length, Box::pin(stream::iter(pieces))))
    }

    async fn collect(&self) -> Result<u64, ContentError> {
        self.collections.fetch_add(1, Ordering::SeqCst);
        Ok(0)
    }
}

#[async_trait]
impl StagedContent for Staged {
    fn digest(&self) -> Digest {
        self.digest
    }

    fn bytes(&self) -> u64 {
        self.content.len() as u64
    }

    async fn publish(self: Box<Self>) -> Result<(), ContentError> {
        self.kept.lock().unwrap().insert(self.digest, self.content.clone());
        Ok(())
    }
}
