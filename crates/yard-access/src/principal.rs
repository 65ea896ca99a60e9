//! Whoever a request comes from, and what that one may do.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use yard_types::{ModelName, Timestamp};

use crate::{
    AccessError, Actor, AllowedModels, KeyId, KeyRecord, Permission, PreviousSecret, QueueWeight,
    RateLimiter, Role, SecretHash, StoredKey, TokenBudget,
};

/// Whether a model exists for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// The key may see it.
    Visible,
    /// To this key, the model does not exist: lists leave it out, requests are answered as for a missing model.
    Hidden,
}

/// What to answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Do it.
    Allow,
    /// Answer exactly what is answered for a model that is not there.
    HideModel,
    /// Answer that the key may not do this.
    Forbid,
}

/// The holder of a key that was accepted. Cheap to clone.
///
/// It is a snapshot: revoking the key does not change principals of requests that have begun.
#[derive(Debug, Clone)]
pub struct Principal(Arc<ActiveKey>);

/// A key as requests need it.
#[derive(Debug)]
pub(crate) struct ActiveKey {
    pub(crate) record: KeyRecord,
    pub(crate) secret: SecretHash,
    pub(crate) previous: Option<PreviousSecret>,
    /// `None` without a limit. Shared with the states of this key before and after a change, so that a change gives no
    /// second burst.
    pub(crate) limiter: Option<Arc<RateLimiter>>,
    anonymous: bool,
}

/// How often keys were accepted and refused since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccessCounts {
    /// Keys accepted.
    pub accepted: u64,
    /// Requests without a key, and texts that are no key.
    pub malformed: u64,
    /// Well-formed keys that are not known, or whose secret is wrong.
    pub invalid: u64,
    /// Keys past their time.
    pub expired: u64,
    /// Keys that were revoked.
    pub revoked: u64,
    /// Requests over the rate of their key.
    pub rate_limited: u64,
    /// Requests for which their key had too few tokens left.
    pub tokens_exhausted: u64,
}

#[derive(Debug, Default)]
pub(crate) struct AccessCounters {
    pub(crate) accepted: AtomicU64,
    pub(crate) malformed: AtomicU64,
    pub(crate) invalid: AtomicU64,
    pub(crate) expired: AtomicU64,
    pub(crate) revoked: AtomicU64,
    pub(crate) rate_limited: AtomicU64,
    pub(crate) tokens_exhausted: AtomicU64,
}

// === impl Principal ===

impl Principal {
    pub(crate) const fn new(key: Arc<ActiveKey>) -> Self {
        Self(key)
    }

    /// Whoever uses a server that asks for no keys: may do everything, without a limit.
    pub fn without_keys() -> Self {
        let record = KeyRecord {
            id: KeyId::from_bits(0),
            name: "no key asked for".into(),
            role: Role::Admin,
            models: AllowedModels::All,
            rate: None,
            budget: TokenBudget::default(),
            weight: QueueWeight::default(),
            created_at: Timestamp(0),
            expires_at: None,
            rotated_at: None,
            revoked_at: None,
        };
        // Never in the map of keys, so this hash is compared with nothing.
        let secret = SecretHash::from_digest(yard_types::Digest::from_bytes([0; 32]));
        Self(Arc::new(ActiveKey { record, secret, previous: None, limiter: None, anonymous: true }))
    }

    /// The id of the key; `None` on a server that asks for no keys.
    pub fn key_id(&self) -> Option<KeyId> {
        (!self.0.anonymous).then_some(self.0.record.id)
    }

    /// The name of the key.
    pub fn name(&self) -> &str {
        &self.0.record.name
    }

    /// The role of the key.
    pub fn role(&self) -> Role {
        self.0.record.role
    }

    /// Which models it may see.
    pub fn models(&self) -> &AllowedModels {
        &self.0.record.models
    }

    /// How many tokens of language models it may use.
    pub fn budget(&self) -> &TokenBudget {
        &self.0.record.budget
    }

    /// Its share of language models beside other keys.
    pub fn weight(&self) -> QueueWeight {
        self.0.record.weight
    }

    /// The holder as the audit trail and provenance write it.
    pub fn actor(&self) -> Actor {
        match self.key_id() {
            Some(id) => Actor::key(id),
            None => Actor::system("no-auth"),
        }
    }

    /// Whether the model exists for this key. Does not say whether it exists at all.
    pub fn visibility(&self, model: &str) -> Visibility {
        if self.0.record.models.contains(model) { Visibility::Visible } else { Visibility::Hidden }
    }

    /// What to answer to a request for this permission, on this model if it is about one.
    ///
    /// A hidden model comes before a missing permission: the answer must not depend on whether the model exists. The one
    /// exception is what may name something that does not exist yet, a push, a job and a new data set: it is forbidden for
    /// every hidden name alike.
    pub fn decide(&self, permission: Permission, model: Option<&str>) -> Decision {
        let hidden = model.is_some_and(|model| self.visibility(model) == Visibility::Hidden);
        if hidden && !permission.may_name_new() {
            return Decision::HideModel;
        }
        if hidden || !self.role().grants(permission) {
            return Decision::Forbid;
        }
        Decision::Allow
    }

    /// Whether it may do this, on this model if it is about one.
    pub fn may(&self, permission: Permission, model: Option<&str>) -> bool {
        self.decide(permission, model) == Decision::Allow
    }

    /// As [`Principal::decide`], with the refusal as an error.
    pub fn require(&self, permission: Permission, model: Option<&ModelName>) -> Result<(), AccessError> {
        match (self.decide(permission, model.map(ModelName::as_str)), model) {
            (Decision::Allow, _) => Ok(()),
            (Decision::HideModel, Some(model)) => Err(AccessError::UnknownModel(model.clone())),
            (Decision::Forbid, Some(model)) if self.role().grants(permission) => {
                Err(AccessError::NameNotAllowed(model.clone()))
            }
            (Decision::HideModel | Decision::Forbid, _) => {
                Err(AccessError::Forbidden { role: self.role(), permission })
            }
        }
    }

    pub(crate) fn limiter(&self) -> Option<&RateLimiter> {
        self.0.limiter.as_deref()
    }
}

// === impl ActiveKey ===

impl ActiveKey {
    pub(crate) fn new(key: StoredKey, limiter: Option<Arc<RateLimiter>>) -> Self {
        let StoredKey { record, secret, previous } = key;
        Self { record, secret, previous, limiter, anonymous: false }
    }

    /// Whether this is the key's secret, or the one before while it is still taken. Both comparisons are always made.
    pub(crate) fn accepts(&self, presented: &SecretHash, now: Timestamp) -> bool {
        let current = self.secret.matches(presented);
        let previous = self
            .previous
            .is_some_and(|previous| previous.hash.matches(presented) & (now < previous.valid_until));
        current | previous
    }
}

// === impl AccessCounters ===

impl AccessCounters {
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> AccessCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        AccessCounts {
            accepted: read(&self.accepted),
            malformed: read(&self.malformed),
            invalid: read(&self.invalid),
            expired: read(&self.expired),
            revoked: read(&self.revoked),
            rate_limited: read(&self.rate_limited),
            tokens_exhausted: read(&self.tokens_exhausted),
        }
    }
}

#[cfg(test)]
mod tests {
    use yard_types::{Coded, ErrorCode};

    use super::*;
    use crate::testing::principal;

    #[test]
    fn a_hidden_model_looks_missing_whatever_the_role() {
        for role in [Role::Publisher, Role::Consumer] {
            let principal = principal(role, &["team-a.*"]);
            for permission in Permission::ALL {
                let expected = match permission {
                    Permission::PushModel | Permission::Train | Permission::AddDataSets => Decision::Forbid,
                    _ => Decision::HideModel,
                };
                assert_eq!(principal.decide(permission, Some("team-b.x")), expected, "{role} {permission:?}");
            }
        }
    }

    #[test]
    fn on_a_visible_model_the_role_decides() {
        let principal = principal(Role::Consumer, &["digits"]);
        assert!(principal.may(Permission::Predict, Some("digits")));
        assert!(principal.may(Permission::ListModels, None));
        assert_eq!(principal.decide(Permission::Promote, Some("digits")), Decision::Forbid);
        assert_eq!(principal.decide(Permission::ManageKeys, None), Decision::Forbid);
    }

    #[test]
    fn refusals_are_typed() {
        let digits: ModelName = "digits".parse().unwrap();
        let other: ModelName = "other".parse().unwrap();
        let cases = [
            (Role::Consumer, Permission::Predict, Some(&digits), None),
            (Role::Consumer, Permission::Predict, Some(&other), Some(ErrorCode::NotFound)),
            (Role::Consumer, Permission::PushModel, Some(&other), Some(ErrorCode::PermissionDenied)),
            (Role::Publisher, Permission::PushModel, Some(&other), Some(ErrorCode::PermissionDenied)),
            (Role::Publisher, Permission::PushModel, Some(&digits), None),
            (Role::Publisher, Permission::ManageKeys, None, Some(ErrorCode::PermissionDenied)),
        ];
        for (role, permission, model, expected) in cases {
            let answer = principal(role, &["digits"]).require(permission, model);
            assert_eq!(answer.err().map(|error| error.code()), expected, "{role} {permission:?} {model:?}");
        }
    }

    #[test]
    fn without_keys_everything_is_allowed_and_says_so_in_the_audit_trail() {
        let principal = Principal::without_keys();
        assert!(Permission::ALL.into_iter().all(|permission| principal.may(permission, Some("any"))));
        assert_eq!(principal.key_id(), None);
        assert_eq!(principal.actor().as_str(), "system:no-auth");
    }
}
