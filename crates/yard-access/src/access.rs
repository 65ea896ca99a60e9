//! The service: checks keys on every request, and manages them.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use yard_types::Timestamp;

use crate::{
    AccessCounts, AccessError, AccessStoreError, Actor, AllowedModels, AuditEntry, AuditStore, KeyId,
    KeyKeeper, KeyRecord, KeyStore, KeyText, NewAuditEntry, NewKey, PresentedKey, PreviousSecret, Principal,
    QueueWeight, RateLimited, RateLimiter, Role, StoredKey, TokenBudget, UsageStore,
    ledger::TokenLedger,
    principal::{AccessCounters, ActiveKey},
};

/// Most keys of one server, revoked ones included: all are held in memory.
const MAX_KEYS: usize = 100_000;
/// Most characters of a key's name.
const MAX_NAME: usize = 64;
/// Most entries of one page of the audit trail.
const MAX_PAGE: u32 = 1_000;
/// Longest time for which a replaced secret is still taken.
const MAX_GRACE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How often a new id is drawn when the one before was taken. With 48 bits even the first draw all but never fails.
const ID_DRAWS: usize = 4;

/// A key that was just made or rotated, with its text, which is shown once and never again.
#[derive(Debug, Clone)]
pub struct CreatedKey {
    /// What is kept of it.
    pub record: KeyRecord,
    /// The key itself.
    pub text: KeyText,
}

/// What becomes of the old secret when a key is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// It is refused from now on.
    AtOnce,
    /// It is taken for this long yet, at most 30 days, so that clients can be changed one by one.
    After(Duration),
}

type KeyMap = HashMap<KeyId, Arc<ActiveKey>>;

/// Keys and what they may do. Share it in an [`Arc`].
///
/// Requests read an immutable map of all keys through [`ArcSwap`]: no locks, no store. A change is first written to the
/// store and then swapped in, one change at a time, so a revoked key is refused from the moment the call returns.
pub struct Access {
    keys: ArcSwap<KeyMap>,
    counters: AccessCounters,
    key_store: Arc<dyn KeyStore>,
    audit_store: Arc<dyn AuditStore>,
    /// Held during a change and across its write, hence an async mutex; requests never touch it.
    changing: Mutex<()>,
    /// Where the clocks of the rate limiters begin.
    origin: Instant,
    /// Who keeps the text of one of the keys.
    keeper: Option<Arc<dyn KeyKeeper>>,
    ledger: Arc<TokenLedger>,
    /// Where usage is kept. Held while it is written, so that whoever reads after that finds all of it.
    usage_store: Arc<Mutex<Option<Arc<dyn UsageStore>>>>,
}

// === impl Access: requests ===

impl Access {
    /// Tells who presents this key.
    ///
    /// `presented` is the bare key: the server takes `Bearer ` and the like off first. Whether a key is expired or
    /// revoked is told only to who knows its secret.
    pub fn authenticate(&self, presented: &str, now: Timestamp) -> Result<Principal, AccessError> {
        let Some(presented) = PresentedKey::parse(presented) else {
            AccessCounters::count(&self.counters.malformed);
            return Err(AccessError::InvalidKey);
        };
        // Hashed before the look-up, so that known and unknown ids take the same time.
        let hash = presented.secret_hash();
        let keys = self.keys.load();
        let Some(key) = keys.get(&presented.id()).filter(|key| key.accepts(&hash, now)) else {
            AccessCounters::count(&self.counters.invalid);
            return Err(AccessError::InvalidKey);
        };
        if key.record.revoked_at.is_some() {
            AccessCounters::count(&self.counters.revoked);
            return Err(AccessError::RevokedKey);
        }
        if !key.record.is_usable(now) {
            AccessCounters::count(&self.counters.expired);
            return Err(AccessError::ExpiredKey);
        }
        AccessCounters::count(&self.counters.accepted);
        Ok(Principal::new(Arc::clone(key)))
    }

    /// The refusal of a request that brought no key; counts it.
    pub fn refuse_without_key(&self) -> AccessError {
        AccessCounters::count(&self.counters.malformed);
        AccessError::NoKey
    }

    /// Admits one request of this principal, or says when to come back.
    pub fn check_rate(&self, principal: &Principal, now: Instant) -> Result<(), RateLimited> {
        let Some(limiter) = principal.limiter() else { return Ok(()) };
        limiter.admit(now).inspect_err(|_| AccessCounters::count(&self.counters.rate_limited))
    }

    /// How often keys were accepted and refused since the start.
    pub fn counts(&self) -> AccessCounts {
        self.counters.read()
    }
}

// === impl Access: management ===

impl Access {
    /// Reads all keys.
    pub async fn open(
        key_store: Arc<dyn KeyStore>,
        audit_store: Arc<dyn AuditStore>,
        origin: Instant,
    ) -> Result<Self, AccessError> {
        let access = Self {
            keys: ArcSwap::default(),
            counters: AccessCounters::default(),
            key_store,
            audit_store,
            changing: Mutex::new(()),
            origin,
            keeper: None,
            ledger: Arc::default(),
            usage_store: Arc::default(),
        };
        access.refresh().await?;
        Ok(access)
    }

    /// From now on a rotated key whose text this keeper has is handed to it before the old one stops working.
    #[must_use]
    pub fn with_keeper(self, keeper: Arc<dyn KeyKeeper>) -> Self {
        Self { keeper: Some(keeper), ..self }
    }

    /// Reads all keys again, for a server that shares its store with others.
    pub async fn refresh(&self) -> Result<(), AccessError> {
        let _changing = self.changing.lock().await;
        let stored = self.key_store.keys().await.map_err(AccessError::from)?;
        let known = self.keys.load();
        let keys = stored.into_iter().map(|key| (key.record.id, self.activate(key, &known))).collect();
        self.keys.store(Arc::new(keys));
        Ok(())
    }

    /// Makes a key.
    pub async fn create_key(
        &self,
        new: NewKey,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<CreatedKey, AccessError> {
        check(&new, now)?;
        let _changing = self.changing.lock().await;
        self.create(new, actor, now, |_| Ok(())).await
    }

    /// All keys, by the time they were made.
    pub async fn list(&self) -> Result<Vec<KeyRecord>, AccessError> {
        let keys = self.key_store.keys().await?;
        Ok(keys.into_iter().map(|key| key.record).collect())
    }

    /// One key.
    pub fn key(&self, id: KeyId) -> Result<KeyRecord, AccessError> {
        let keys = self.keys.load();
        keys.get(&id).map(|key| key.record.clone()).ok_or(AccessError::UnknownKey(id))
    }

    /// Gives a key a new secret. Role, models, weight, rate and what is left of it stay as they are.
    pub async fn rotate(
        &self,
        id: KeyId,
        rotation: Rotation,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<CreatedKey, AccessError> {
        let keeper = self.keeper.as_ref().filter(|keeper| keeper.kept_key() == Some(id));
        let keep = |text: &KeyText| keeper.map_or(Ok(()), |keeper| keeper.keep(text));
        self.rotate_and_keep(id, rotation, actor, now, keep).await
    }

    /// As [`Access::rotate`]; hands the new key to `keep` first and changes nothing when that fails.
    pub async fn rotate_and_keep(
        &self,
        id: KeyId,
        rotation: Rotation,
        actor: &Actor,
        now: Timestamp,
        keep: impl FnOnce(&KeyText) -> std::io::Result<()> + Send,
    ) -> Result<CreatedKey, AccessError> {
        let _changing = self.changing.lock().await;
        let current = self.keys.load().get(&id).cloned().ok_or(AccessError::UnknownKey(id))?;
        if current.record.revoked_at.is_some() {
            return Err(AccessError::AlreadyRevoked(id));
        }
        let (text, secret) = KeyText::random(id).map_err(AccessError::Random)?;
        let previous = match rotation {
            Rotation::AtOnce => None,
            Rotation::After(grace) => {
                let grace = i64::try_from(grace.min(MAX_GRACE).as_millis()).unwrap_or(i64::MAX);
                Some(PreviousSecret { hash: current.secret, valid_until: now.plus_milliseconds(grace) })
            }
        };
        keep(&text).map_err(AccessError::KeepAdminKey)?;
        let detail = match rotation {
            Rotation::AtOnce => "old secret refused at once".to_owned(),
            Rotation::After(grace) => {
                format!("old secret taken for {} s yet", grace.min(MAX_GRACE).as_secs())
            }
        };
        let entry = NewAuditEntry::new(now, actor.clone(), "key.rotate", &id.to_string(), &detail);
        self.key_store.replace_secret(id, &secret, previous.as_ref(), now, &entry).await?;
        let record = KeyRecord { rotated_at: Some(now), ..current.record.clone() };
        self.swap_in(StoredKey { record: record.clone(), secret, previous });
        Ok(CreatedKey { record, text })
    }

    /// Refuses a key from now on. The last usable admin key cannot be revoked.
    pub async fn revoke(&self, id: KeyId, actor: &Actor, now: Timestamp) -> Result<KeyRecord, AccessError> {
        let _changing = self.changing.lock().await;
        let current = self.keys.load().get(&id).cloned().ok_or(AccessError::UnknownKey(id))?;
        let entry =
            NewAuditEntry::new(now, actor.clone(), "key.revoke", &id.to_string(), &current.record.name);
        self.key_store.revoke_key(id, now, &entry).await?;
        let record = KeyRecord { revoked_at: Some(now), ..current.record.clone() };
        let (secret, previous) = (current.secret, current.previous);
        self.swap_in(StoredKey { record: record.clone(), secret, previous });
        Ok(record)
    }

    /// Makes an admin key when no usable one is there, as at the first start.
    ///
    /// The text is handed to `keep` before the key is written: a crash in between leaves a text without a key, which the
    /// next start replaces, and never a key without a text, which would lock everybody out.
    pub async fn ensure_admin_key(
        &self,
        now: Timestamp,
        keep: impl FnOnce(&KeyText) -> std::io::Result<()> + Send,
    ) -> Result<Option<CreatedKey>, AccessError> {
        let _changing = self.changing.lock().await;
        let usable = |key: &Arc<ActiveKey>| key.record.role == Role::Admin && key.record.is_usable(now);
        if self.keys.load().values().any(usable) {
            return Ok(None);
        }
        self.create_admin_key(now, keep).await.map(Some)
    }

    /// Makes another admin key, for the one who has the server's data but has lost its key. Others go on working.
    pub async fn new_admin_key(
        &self,
        now: Timestamp,
        keep: impl FnOnce(&KeyText) -> std::io::Result<()> + Send,
    ) -> Result<CreatedKey, AccessError> {
        let _changing = self.changing.lock().await;
        self.create_admin_key(now, keep).await
    }

    /// Needs `changing` to be held.
    async fn create_admin_key(
        &self,
        now: Timestamp,
        keep: impl FnOnce(&KeyText) -> std::io::Result<()> + Send,
    ) -> Result<CreatedKey, AccessError> {
        let new = NewKey {
            name: "admin".into(),
            role: Role::Admin,
            models: AllowedModels::All,
            rate: None,
            budget: TokenBudget::default(),
            weight: QueueWeight::default(),
            expires_at: None,
        };
        self.create(new, &Actor::system("start"), now, keep).await
    }

    /// Writes an entry of something done elsewhere, such as a promotion.
    pub async fn record(&self, entry: &NewAuditEntry) -> Result<u64, AccessError> {
        Ok(self.audit_store.append(entry).await?)
    }

    /// A page of the audit trail, newest first: the entries before number `before`, or the last ones. At most 1000.
    pub async fn audit_trail(&self, before: Option<u64>, limit: u32) -> Result<Vec<AuditEntry>, AccessError> {
        Ok(self.audit_store.entries(before, limit.min(MAX_PAGE)).await?)
    }

    /// Needs `changing` to be held.
    async fn create(
        &self,
        new: NewKey,
        actor: &Actor,
        now: Timestamp,
        keep: impl FnOnce(&KeyText) -> std::io::Result<()> + Send,
    ) -> Result<CreatedKey, AccessError> {
        if self.keys.load().len() >= MAX_KEYS {
            return Err(AccessError::TooManyKeys(MAX_KEYS));
        }
        let id = self.unused_id()?;
        let (text, secret) = KeyText::random(id).map_err(AccessError::Random)?;
        let NewKey { name, role, models, rate, budget, weight, expires_at } = new;
        let record = KeyRecord {
            id,
            name,
            role,
            models,
            rate,
            budget,
            weight,
            created_at: now,
            expires_at,
            rotated_at: None,
            revoked_at: None,
        };
        keep(&text).map_err(AccessError::KeepAdminKey)?;
        let key = StoredKey { record: record.clone(), secret, previous: None };
        let detail = format!("{role} key '{}'", record.name);
        let entry = NewAuditEntry::new(now, actor.clone(), "key.create", &id.to_string(), &detail);
        self.key_store.insert_key(&key, &entry).await?;
        self.swap_in(key);
        Ok(CreatedKey { record, text })
    }

    fn unused_id(&self) -> Result<KeyId, AccessError> {
        let keys = self.keys.load();
        let mut id = KeyText::random_id().map_err(AccessError::Random)?;
        for _ in 1..ID_DRAWS {
            if !keys.contains_key(&id) {
                return Ok(id);
            }
            id = KeyText::random_id().map_err(AccessError::Random)?;
        }
        if keys.contains_key(&id) { Err(AccessStoreError::Taken(id).into()) } else { Ok(id) }
    }

    /// Needs `changing` to be held.
    fn swap_in(&self, key: StoredKey) {
        let known = self.keys.load();
        let mut keys = KeyMap::clone(&known);
        keys.insert(key.record.id, self.activate(key, &known));
        self.keys.store(Arc::new(keys));
    }

    /// Makes a key ready for requests, with the limiter it has, unless its limit changed.
    fn activate(&self, key: StoredKey, known: &KeyMap) -> Arc<ActiveKey> {
        let unchanged = known.get(&key.record.id).filter(|known| known.record.rate == key.record.rate);
        let limiter = match unchanged {
            Some(known) => known.limiter.clone(),
            None => key.record.rate.map(|rate| Arc::new(RateLimiter::new(rate, self.origin))),
        };
        Arc::new(ActiveKey::new(key, limiter))
    }
}

fn check(new: &NewKey, now: Timestamp) -> Result<(), AccessError> {
    let name_fits = (1..=MAX_NAME).contains(&new.name.chars().count());
    if !name_fits || new.name.chars().any(char::is_control) {
        return Err(AccessError::BadRequest(
            "the name of a key is 1 to 64 characters, none of them a control character",
        ));
    }
    // An admin can make keys: one that saw only some models could make another that sees all.
    if new.role == Role::Admin && new.models != AllowedModels::All {
        return Err(AccessError::BadRequest("an admin key sees all models: leave the list of models out"));
    }
    if !new.budget.is_well_formed() {
        return Err(AccessError::BadRequest("a budget is 1 to 1000000000000 tokens"));
    }
    if new.expires_at.is_some_and(|expiry| expiry <= now) {
        return Err(AccessError::BadRequest("the expiry of a key must lie in the future"));
    }
    Ok(())
}

impl std::fmt::Debug for Access {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Access").field("keys", &self.keys.load().len()).finish_non_exhaustive()
    }
}

mod acting;
mod usage;

#[cfg(test)]
mod tests;
