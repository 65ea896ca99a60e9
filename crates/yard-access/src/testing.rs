//! Stores in memory and short-hands for this crate's own tests.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use yard_types::{Digest, Timestamp};

use crate::{
    AccessStoreError, AllowedModels, AuditEntry, AuditStore, KeyId, KeyRecord, KeyStore, NewAuditEntry,
    PreviousSecret, Principal, QueueWeight, Role, SecretHash, StoredKey, TokenBudget, UsageFilter, UsageRow,
    UsageStore, UsedTokens, UtcDay, principal::ActiveKey,
};

/// Both stores in memory; can be told to fail.
#[derive(Debug, Default)]
pub(crate) struct MemoryStore {
    rows: Mutex<(Vec<StoredKey>, Vec<AuditEntry>)>,
    usage: Mutex<Vec<UsageRow>>,
    pub(crate) broken: AtomicBool,
}

pub(crate) fn principal(role: Role, models: &[&str]) -> Principal {
    let record = KeyRecord {
        id: KeyId::from_bits(1),
        name: "test".into(),
        role,
        models: AllowedModels::parse(models).unwrap(),
        rate: None,
        budget: TokenBudget::default(),
        weight: QueueWeight::default(),
        created_at: Timestamp(0),
        expires_at: None,
        rotated_at: None,
        revoked_at: None,
    };
    let secret = SecretHash::from_digest(Digest::from_bytes([1; 32]));
    Principal::new(Arc::new(ActiveKey::new(StoredKey { record, secret, previous: None }, None)))
}

impl MemoryStore {
    fn change<Out>(
        &self,
        entry: Option<&NewAuditEntry>,
        change: impl FnOnce(&mut Vec<StoredKey>, &mut Vec<AuditEntry>) -> Result<Out, AccessStoreError>,
    ) -> Result<Out, AccessStoreError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(AccessStoreError::Backend("told to fail".into()));
        }
        let mut rows = self.rows.lock().unwrap();
        let (keys, entries) = &mut *rows;
        let out = change(keys, entries)?;
        if let Some(entry) = entry {
            push(entries, entry);
        }
        Ok(out)
    }
}

fn push(entries: &mut Vec<AuditEntry>, entry: &NewAuditEntry) -> u64 {
    let sequence = entries.len() as u64 + 1;
    entries.push(AuditEntry {
        sequence,
        at: entry.at(),
        actor: entry.actor().clone(),
        action: entry.action().into(),
        subject: entry.subject().into(),
        detail: entry.detail().into(),
    });
    sequence
}

fn unrevoked(keys: &mut [StoredKey], id: KeyId) -> Result<&mut StoredKey, AccessStoreError> {
    let key = keys.iter_mut().find(|key| key.record.id == id).ok_or(AccessStoreError::Missing(id))?;
    if key.record.revoked_at.is_some() { Err(AccessStoreError::Revoked(id)) } else { Ok(key) }
}

#[async_trait]
impl KeyStore for MemoryStore {
    async fn keys(&self) -> Result<Vec<StoredKey>, AccessStoreError> {
        let mut keys = self.change(None, |keys, _| Ok(keys.clone()))?;
        keys.sort_by_key(|key| (key.record.created_at, key.record.id));
        Ok(keys)
    }

    async fn insert_key(&self, key: &StoredKey, entry: &NewAuditEntry) -> Result<(), AccessStoreError> {
        self.change(Some(entry), |keys, _| {
            if keys.iter().any(|other| other.record.id == key.record.id) {
                return Err(AccessStoreError::Taken(key.record.id));
            }
            keys.push(key.clone());
            Ok(())
        })
    }

    async fn replace_secret(
        &self,
        id: KeyId,
        secret: &SecretHash,
        previous: Option<&PreviousSecret>,
        at: Timestamp,
        entry: &NewAuditEntry,
    ) -> Result<(), AccessStoreError> {
        self.change(Some(entry), |keys, _| {
            let key = unrevoked(keys, id)?;
            key.secret = *secret;
            key.previous = previous.copied();
            key.record.rotated_at = Some(at);
            Ok(())
        })
    }

    async fn revoke_key(
        &self,
        id: KeyId,
        at: Timestamp,
        entry: &NewAuditEntry,
    ) -> Result<(), AccessStoreError> {
        self.change(Some(entry), |keys, _| {
            let is_admin = unrevoked(keys, id)?.record.role == Role::Admin;
            let is_other_admin = |key: &StoredKey| {
                key.record.id != id && key.record.role == Role::Admin && key.record.is_usable(at)
            };
            if is_admin && !keys.iter().any(is_other_admin) {
                return Err(AccessStoreError::LastAdmin(id));
            }
            unrevoked(keys, id)?.record.revoked_at = Some(at);
            Ok(())
        })
    }
}

#[async_trait]
impl AuditStore for MemoryStore {
    async fn append(&self, entry: &NewAuditEntry) -> Result<u64, AccessStoreError> {
        self.change(None, |_, entries| Ok(push(entries, entry)))
    }

    async fn entries(&self, before: Option<u64>, limit: u32) -> Result<Vec<AuditEntry>, AccessStoreError> {
        self.change(None, |_, entries| {
            let earlier =
                entries.iter().rev().filter(|entry| before.is_none_or(|before| entry.sequence < before));
            Ok(earlier.take(limit as usize).cloned().collect())
        })
    }
}

impl MemoryStore {
    fn usage_rows(&self) -> Result<std::sync::MutexGuard<'_, Vec<UsageRow>>, AccessStoreError> {
        self.change(None, |_, _| Ok(()))?;
        Ok(self.usage.lock().unwrap())
    }
}

#[async_trait]
impl UsageStore for MemoryStore {
    async fn add(&self, rows: &[UsageRow]) -> Result<(), AccessStoreError> {
        let mut usage = self.usage_rows()?;
        for row in rows {
            let name = |row: &UsageRow| (row.day, row.key, row.model.clone());
            match usage.iter_mut().find(|known| name(known) == name(row)) {
                Some(known) => {
                    known.requests += row.requests;
                    known.prompt_tokens += row.prompt_tokens;
                    known.answer_tokens += row.answer_tokens;
                }
                None => usage.push(row.clone()),
            }
        }
        usage.sort_by_key(|row| (row.day, row.key, row.model.clone()));
        Ok(())
    }

    async fn usage(&self, filter: &UsageFilter, limit: u32) -> Result<Vec<UsageRow>, AccessStoreError> {
        let usage = self.usage_rows()?;
        let asked = usage.iter().filter(|row| {
            (filter.from..=filter.to).contains(&row.day) && filter.key.is_none_or(|key| row.key == Some(key))
        });
        Ok(asked.take(limit as usize).cloned().collect())
    }

    async fn used_tokens(&self, from: UtcDay, to: UtcDay) -> Result<Vec<UsedTokens>, AccessStoreError> {
        let mut sums = std::collections::BTreeMap::new();
        for row in self.usage_rows()?.iter().filter(|row| (from..=to).contains(&row.day)) {
            if let Some(key) = row.key {
                *sums.entry(key).or_insert(0) += row.prompt_tokens + row.answer_tokens;
            }
        }
        Ok(sums.into_iter().map(|(key, tokens)| UsedTokens { key, tokens }).collect())
    }
}

mod suite {
    use super::*;
    use crate::store_suite::Stores;

    async fn open() -> Stores {
        let store = Arc::new(MemoryStore::default());
        Stores { keys: store.clone(), audit: store.clone(), usage: store, keep_alive: Box::new(()) }
    }

    crate::access_store_suite!(open());
}
