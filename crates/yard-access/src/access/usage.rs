//! Budgets of tokens, and what was used.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::Mutex;
use yard_types::{ModelName, Timestamp};

use super::Access;
use crate::{
    AccessError, AccessStoreError, KeyId, Principal, TokenReservation, UsageFilter, UsagePage, UsageStore,
    UtcDay, principal::AccessCounters,
};

/// Most rows of one answer about usage.
const MAX_ROWS: u32 = 10_000;

impl Access {
    /// From now on usage is kept here. What keys used today and this month, before this start, counts for their budgets.
    ///
    /// Somebody must write what is settled: see [`Access::usage_settled`] and [`Access::write_usage`].
    pub async fn with_usage_store(
        self,
        store: Arc<dyn UsageStore>,
        now: Timestamp,
    ) -> Result<Self, AccessError> {
        let today = UtcDay::of(now);
        let day: HashMap<KeyId, u64> =
            store.used_tokens(today, today).await?.into_iter().map(|used| (used.key, used.tokens)).collect();
        for month in store.used_tokens(today.first_of_month(), today).await? {
            let day_tokens = day.get(&month.key).copied().unwrap_or_default();
            self.ledger.add_earlier(month.key, day_tokens, month.tokens, now);
        }
        Ok(Self { usage_store: Arc::new(Mutex::new(Some(store))), ..self })
    }

    /// Holds tokens of this principal's budgets for a request: those of its prompt, and the most that its answers may
    /// have. Refuses with [`AccessError::TokensExhausted`] when a budget has too few left.
    pub fn reserve_tokens(
        &self,
        principal: &Principal,
        model: &ModelName,
        tokens: u64,
        now: Timestamp,
    ) -> Result<TokenReservation, AccessError> {
        let reserved = self.ledger.reserve(principal.key_id(), principal.budget(), model, tokens, now);
        Ok(reserved.inspect_err(|_| AccessCounters::count(&self.counters.tokens_exhausted))?)
    }

    /// Returns when something was settled since this returned last, which [`Access::write_usage`] then writes.
    pub async fn usage_settled(&self) {
        self.ledger.settled().await;
    }

    /// Writes what was settled, all of it at once. What cannot be written is kept for the next time.
    ///
    /// Goes on when its caller leaves: rows whose writing was cut off would be counted twice or not at all.
    pub async fn write_usage(&self) -> Result<(), AccessError> {
        let ledger = Arc::clone(&self.ledger);
        let store = Arc::clone(&self.usage_store).lock_owned().await;
        let writing = tokio::spawn(async move {
            let Some(store) = store.as_ref() else { return Ok(()) };
            let rows = ledger.take_unwritten();
            if rows.is_empty() {
                return Ok(());
            }
            let written = store.add(&rows).await;
            if written.is_err() {
                ledger.give_back(rows);
            }
            written
        });
        match writing.await {
            Ok(written) => Ok(written?),
            Err(error) => Err(AccessStoreError::Backend(Box::new(error)).into()),
        }
    }

    /// What was used, up to this moment, by day, key and model: the first 10,000 rows, and whether there are more.
    pub async fn usage(&self, filter: &UsageFilter) -> Result<UsagePage, AccessError> {
        self.usage_up_to(filter, MAX_ROWS).await
    }

    async fn usage_up_to(&self, filter: &UsageFilter, most: u32) -> Result<UsagePage, AccessError> {
        self.write_usage().await?;
        let store = self.usage_store.lock().await;
        let mut rows = match store.as_ref() {
            // One more than is told, to see whether there are more.
            Some(store) => store.usage(filter, most + 1).await?,
            None => Vec::new(),
        };
        let truncated = rows.len() > most as usize;
        rows.truncate(most as usize);
        Ok(UsagePage { rows, truncated })
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::Ordering, time::Instant};

    use yard_types::{Coded, ErrorCode};

    use super::*;
    use crate::{Actor, AllowedModels, NewKey, QueueWeight, Role, TokenBudget, testing::MemoryStore};

    const NOW: Timestamp = Timestamp(1_000_000);

    async fn open(store: &Arc<MemoryStore>) -> Access {
        let access = Access::open(store.clone(), store.clone(), Instant::now()).await.unwrap();
        access.with_usage_store(store.clone(), NOW).await.unwrap()
    }

    fn everything() -> UsageFilter {
        UsageFilter { from: UtcDay::MIN, to: UtcDay::MAX, key: None }
    }

    #[tokio::test]
    async fn budgets_survive_a_restart_and_usage_can_be_read() {
        let store = Arc::new(MemoryStore::default());
        let access = open(&store).await;
        let budget = TokenBudget { tokens_per_day: Some(100), ..TokenBudget::default() };
        let new = NewKey {
            name: "app".into(),
            role: Role::Consumer,
            models: AllowedModels::All,
            rate: None,
            budget,
            weight: QueueWeight::default(),
            expires_at: None,
        };
        let created = access.create_key(new, &Actor::system("test"), NOW).await.unwrap();
        let model: ModelName = "writer".parse().unwrap();
        let principal = access.authenticate(created.text.reveal(), NOW).unwrap();
        access.reserve_tokens(&principal, &model, 100, NOW).unwrap().settle(10, 50);
        access.usage_settled().await;
        let keyless = access.reserve_tokens(&Principal::without_keys(), &model, 1 << 50, NOW).unwrap();
        keyless.settle(1, 2);

        store.broken.store(true, Ordering::SeqCst);
        assert!(access.write_usage().await.is_err());
        store.broken.store(false, Ordering::SeqCst);
        let page = access.usage(&everything()).await.unwrap();
        let shown: Vec<_> =
            page.rows.iter().map(|row| (row.key, row.prompt_tokens, row.answer_tokens)).collect();
        assert_eq!(shown, [(None, 1, 2), (Some(created.record.id), 10, 50)]);
        assert!(!page.truncated);

        let again = open(&store).await;
        let principal = again.authenticate(created.text.reveal(), NOW).unwrap();
        let refused = again.reserve_tokens(&principal, &model, 41, NOW).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::RateLimited);
        assert_eq!(again.counts().tokens_exhausted, 1);
        assert!(again.reserve_tokens(&principal, &model, 40, NOW).is_ok());
        assert_eq!(again.usage(&everything()).await.unwrap(), page);
    }

    #[tokio::test]
    async fn usage_says_whether_there_is_more_of_it() {
        let access = open(&Arc::new(MemoryStore::default())).await;
        for name in ["a", "b"] {
            let model: ModelName = name.parse().unwrap();
            access.reserve_tokens(&Principal::without_keys(), &model, 2, NOW).unwrap().settle(1, 1);
        }
        for (most, expected) in [(1, (1, true)), (2, (2, false)), (3, (2, false))] {
            let page = access.usage_up_to(&everything(), most).await.unwrap();
            assert_eq!((page.rows.len(), page.truncated), expected, "{most}");
        }
    }
}
