//! Acting for a key without its text: work that its owner asked for earlier.

use std::sync::Arc;

use yard_types::Timestamp;

use super::Access;
use crate::{AccessError, KeyId, Principal};

impl Access {
    /// The holder of this key as it is now, for work that was admitted before and goes on without its client.
    ///
    /// Refused as a request with that key would be. Nothing is counted: nobody presented anything.
    pub fn acting_for(&self, id: KeyId, now: Timestamp) -> Result<Principal, AccessError> {
        let keys = self.keys.load();
        let key = keys.get(&id).ok_or(AccessError::InvalidKey)?;
        if key.record.revoked_at.is_some() {
            return Err(AccessError::RevokedKey);
        }
        if !key.record.is_usable(now) {
            return Err(AccessError::ExpiredKey);
        }
        Ok(Principal::new(Arc::clone(key)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{Actor, AllowedModels, NewKey, QueueWeight, Role, TokenBudget, testing::MemoryStore};

    #[tokio::test]
    async fn work_goes_on_for_a_key_as_long_as_it_is_valid() {
        let store = Arc::new(MemoryStore::default());
        let access = Access::open(store.clone(), store, Instant::now()).await.unwrap();
        let new = NewKey {
            name: "app".into(),
            role: Role::Consumer,
            models: AllowedModels::All,
            rate: None,
            budget: TokenBudget::default(),
            weight: QueueWeight::default(),
            expires_at: Some(Timestamp(50)),
        };
        let actor = Actor::system("test");
        let id = access.create_key(new, &actor, Timestamp(1)).await.unwrap().record.id;
        assert_eq!(access.acting_for(id, Timestamp(2)).unwrap().key_id(), Some(id));
        assert!(matches!(access.acting_for(id, Timestamp(50)), Err(AccessError::ExpiredKey)));
        access.revoke(id, &actor, Timestamp(3)).await.unwrap();
        assert!(matches!(access.acting_for(id, Timestamp(4)), Err(AccessError::RevokedKey)));
        let unknown = KeyId::from_bits(0);
        assert!(matches!(access.acting_for(unknown, Timestamp(4)), Err(AccessError::InvalidKey)));
    }
}
