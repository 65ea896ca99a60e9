use std::sync::atomic::Ordering;

use yard_types::{Coded, ErrorCode};

use super::*;
use crate::{Permission, RateLimit, testing::MemoryStore};

const NOW: Timestamp = Timestamp(1_000_000);

struct Fixture {
    access: Access,
    store: Arc<MemoryStore>,
    actor: Actor,
}

async fn fixture() -> Fixture {
    let store = Arc::new(MemoryStore::default());
    let access = Access::open(store.clone(), store.clone(), Instant::now()).await.unwrap();
    Fixture { access, store, actor: Actor::system("test") }
}

fn consumer(name: &str) -> NewKey {
    NewKey {
        name: name.into(),
        role: Role::Consumer,
        models: AllowedModels::parse(["digits"]).unwrap(),
        rate: None,
        budget: TokenBudget::default(),
        weight: QueueWeight::default(),
        expires_at: None,
    }
}

fn admin(name: &str) -> NewKey {
    NewKey { role: Role::Admin, models: AllowedModels::All, ..consumer(name) }
}

impl Fixture {
    async fn create(&self, new: NewKey) -> CreatedKey {
        self.access.create_key(new, &self.actor, NOW).await.unwrap()
    }

    fn authenticate(&self, text: &KeyText, now: Timestamp) -> Result<Principal, AccessError> {
        self.access.authenticate(text.reveal(), now)
    }

    async fn actions(&self) -> Vec<String> {
        let trail = self.access.audit_trail(None, 100).await.unwrap();
        trail.into_iter().map(|entry| entry.action).collect()
    }
}

#[tokio::test]
async fn a_new_key_is_accepted_for_what_it_may_do() {
    let fixture = fixture().await;
    let created = fixture.create(consumer("app")).await;
    let principal = fixture.authenticate(&created.text, NOW).unwrap();
    assert_eq!(principal.key_id(), Some(created.record.id));
    assert_eq!((principal.name(), principal.role()), ("app", Role::Consumer));
    assert!(principal.may(Permission::Predict, Some("digits")));
    assert!(!principal.may(Permission::Predict, Some("other")));
    assert_eq!(fixture.access.counts(), AccessCounts { accepted: 1, ..AccessCounts::default() });
    assert_eq!(fixture.actions().await, ["key.create"]);
}

#[tokio::test]
async fn keys_survive_a_restart() {
    let fixture = fixture().await;
    let created = fixture.create(consumer("app")).await;
    let again = Access::open(fixture.store.clone(), fixture.store.clone(), Instant::now()).await.unwrap();
    assert!(again.authenticate(created.text.reveal(), NOW).is_ok());
    assert_eq!(again.key(created.record.id).unwrap(), created.record);
}

#[tokio::test]
async fn wrong_keys_are_refused_and_counted_without_telling_them_apart() {
    let fixture = fixture().await;
    let created = fixture.create(consumer("app")).await;
    let mut wrong = created.text.reveal().to_owned();
    let last = if wrong.ends_with('0') { "1" } else { "0" };
    wrong.replace_range(wrong.len() - 1.., last);
    let unknown = format!("my_{}_{}", "0".repeat(12), "0".repeat(64));
    for text in ["", "my_", "password", wrong.as_str(), unknown.as_str()] {
        let refused = fixture.access.authenticate(text, NOW).unwrap_err();
        assert!(matches!(refused, AccessError::InvalidKey), "{text:?}: {refused:?}");
        assert_eq!(refused.code(), ErrorCode::Unauthenticated);
    }
    let none = fixture.access.refuse_without_key();
    assert_eq!(none.code(), ErrorCode::Unauthenticated);
    assert_eq!(fixture.access.counts(), AccessCounts { malformed: 4, invalid: 2, ..AccessCounts::default() });
}

#[tokio::test]
async fn a_key_expires_at_its_moment() {
    let fixture = fixture().await;
    let expires_at = NOW.plus_milliseconds(10);
    let created = fixture.create(NewKey { expires_at: Some(expires_at), ..consumer("brief") }).await;
    assert!(fixture.authenticate(&created.text, NOW.plus_milliseconds(9)).is_ok());
    let refused = fixture.authenticate(&created.text, expires_at).unwrap_err();
    assert!(matches!(refused, AccessError::ExpiredKey), "{refused:?}");
    assert_eq!(fixture.access.counts().expired, 1);
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_and_for_good() {
    let fixture = fixture().await;
    let created = fixture.create(consumer("app")).await;
    let revoked = fixture.access.revoke(created.record.id, &fixture.actor, NOW).await.unwrap();
    assert_eq!(revoked.revoked_at, Some(NOW));
    let refused = fixture.authenticate(&created.text, NOW).unwrap_err();
    assert!(matches!(refused, AccessError::RevokedKey), "{refused:?}");
    for outcome in [
        fixture.access.revoke(created.record.id, &fixture.actor, NOW).await.map(drop),
        fixture.access.rotate(created.record.id, Rotation::AtOnce, &fixture.actor, NOW).await.map(drop),
    ] {
        assert!(matches!(outcome, Err(AccessError::AlreadyRevoked(_))), "{outcome:?}");
    }
    assert_eq!(fixture.actions().await, ["key.revoke", "key.create"]);
}

#[tokio::test]
async fn rotation_replaces_the_secret_at_once_or_after_a_while() {
    let fixture = fixture().await;
    let first = fixture.create(consumer("app")).await;
    let id = first.record.id;
    let second = fixture.access.rotate(id, Rotation::AtOnce, &fixture.actor, NOW).await.unwrap();
    assert_eq!((second.record.id, second.record.rotated_at), (id, Some(NOW)));
    assert!(fixture.authenticate(&first.text, NOW).is_err());
    assert!(fixture.authenticate(&second.text, NOW).is_ok());

    let grace = Rotation::After(Duration::from_millis(10));
    let third = fixture.access.rotate(id, grace, &fixture.actor, NOW).await.unwrap();
    for text in [&second.text, &third.text] {
        assert!(fixture.authenticate(text, NOW.plus_milliseconds(9)).is_ok());
    }
    assert!(fixture.authenticate(&second.text, NOW.plus_milliseconds(10)).is_err());
    assert!(fixture.authenticate(&third.text, NOW.plus_milliseconds(10)).is_ok());
    assert!(fixture.authenticate(&first.text, NOW).is_err());
}

#[tokio::test]
async fn a_grace_period_is_bounded() {
    let fixture = fixture().await;
    let first = fixture.create(consumer("app")).await;
    let forever = Rotation::After(Duration::MAX);
    fixture.access.rotate(first.record.id, forever, &fixture.actor, NOW).await.unwrap();
    let month = i64::try_from(MAX_GRACE.as_millis()).unwrap();
    assert!(fixture.authenticate(&first.text, NOW.plus_milliseconds(month - 1)).is_ok());
    assert!(fixture.authenticate(&first.text, NOW.plus_milliseconds(month)).is_err());
}

#[tokio::test]
async fn the_last_admin_key_cannot_be_revoked() {
    let fixture = fixture().await;
    let first = fixture.create(admin("first")).await;
    let refused = fixture.access.revoke(first.record.id, &fixture.actor, NOW).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Conflict);
    assert!(fixture.authenticate(&first.text, NOW).is_ok());
    let second = fixture.create(admin("second")).await;
    fixture.access.revoke(first.record.id, &fixture.actor, NOW).await.unwrap();
    assert!(fixture.authenticate(&second.text, NOW).is_ok());
}

#[tokio::test]
async fn keys_that_make_no_sense_are_refused() {
    let fixture = fixture().await;
    let limited_admin = NewKey { role: Role::Admin, ..consumer("app") };
    let stillborn = NewKey { expires_at: Some(NOW), ..consumer("app") };
    let long = "x".repeat(65);
    for new in [limited_admin, stillborn, consumer(""), consumer("a\nb"), consumer(&long)] {
        let refused = fixture.access.create_key(new.clone(), &fixture.actor, NOW).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidArgument, "{new:?}");
    }
    assert!(fixture.access.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_first_start_makes_one_admin_key_and_later_ones_none() {
    let fixture = fixture().await;
    let mut kept = None;
    let keep = |text: &KeyText| {
        kept = Some(text.clone());
        Ok(())
    };
    let created = fixture.access.ensure_admin_key(NOW, keep).await.unwrap().unwrap();
    assert_eq!(kept.as_ref(), Some(&created.text));
    assert_eq!(fixture.authenticate(&created.text, NOW).unwrap().role(), Role::Admin);
    let again = fixture.access.ensure_admin_key(NOW, |_| panic!("nothing to keep")).await.unwrap();
    assert!(again.is_none());
}

#[tokio::test]
async fn an_expired_admin_key_does_not_lock_everybody_out() {
    let fixture = fixture().await;
    let expires_at = NOW.plus_milliseconds(10);
    fixture.create(NewKey { expires_at: Some(expires_at), ..admin("brief") }).await;
    assert!(fixture.access.ensure_admin_key(NOW, |_| Ok(())).await.unwrap().is_none());
    assert!(fixture.access.ensure_admin_key(expires_at, |_| Ok(())).await.unwrap().is_some());
}

#[tokio::test]
async fn an_admin_key_that_cannot_be_kept_is_not_made() {
    let fixture = fixture().await;
    let full = |_: &KeyText| Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
    let refused = fixture.access.ensure_admin_key(NOW, full).await.unwrap_err();
    assert!(matches!(refused, AccessError::KeepAdminKey(_)), "{refused:?}");
    assert!(fixture.access.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_change_that_was_not_stored_is_not_made() {
    let fixture = fixture().await;
    let created = fixture.create(consumer("app")).await;
    fixture.store.broken.store(true, Ordering::SeqCst);
    let id = created.record.id;
    assert!(fixture.access.create_key(consumer("other"), &fixture.actor, NOW).await.is_err());
    assert!(fixture.access.rotate(id, Rotation::AtOnce, &fixture.actor, NOW).await.is_err());
    assert!(fixture.access.revoke(id, &fixture.actor, NOW).await.is_err());
    assert!(fixture.access.refresh().await.is_err());
    fixture.store.broken.store(false, Ordering::SeqCst);
    assert!(fixture.authenticate(&created.text, NOW).is_ok());
    assert_eq!(fixture.access.list().await.unwrap(), [created.record]);
    assert_eq!(fixture.actions().await, ["key.create"]);
}

#[tokio::test]
async fn a_rate_belongs_to_the_key_and_outlives_its_changes() {
    let fixture = fixture().await;
    let origin = fixture.access.origin;
    let rate = Some(RateLimit::new(60, Some(2)).unwrap());
    let limited = fixture.create(NewKey { rate, ..consumer("limited") }).await;
    let free = fixture.create(consumer("free")).await;
    let principal = fixture.authenticate(&limited.text, NOW).unwrap();
    assert_eq!(fixture.access.check_rate(&principal, origin), Ok(()));

    let id = limited.record.id;
    let rotated = fixture.access.rotate(id, Rotation::AtOnce, &fixture.actor, NOW).await.unwrap();
    fixture.access.refresh().await.unwrap();
    let principal = fixture.authenticate(&rotated.text, NOW).unwrap();
    assert_eq!(fixture.access.check_rate(&principal, origin), Ok(()));
    let refused = fixture.access.check_rate(&principal, origin).unwrap_err();
    assert_eq!(refused.retry_after, Duration::from_secs(1));
    assert_eq!(fixture.access.counts().rate_limited, 1);

    let principal = fixture.authenticate(&free.text, NOW).unwrap();
    assert!((0..100).all(|_| fixture.access.check_rate(&principal, origin).is_ok()));
}

#[tokio::test]
async fn changes_by_another_server_are_seen_after_a_refresh() {
    let fixture = fixture().await;
    let other = Access::open(fixture.store.clone(), fixture.store.clone(), Instant::now()).await.unwrap();
    let created = fixture.create(consumer("app")).await;
    assert!(other.authenticate(created.text.reveal(), NOW).is_err());
    other.refresh().await.unwrap();
    assert!(other.authenticate(created.text.reveal(), NOW).is_ok());
    fixture.access.revoke(created.record.id, &fixture.actor, NOW).await.unwrap();
    other.refresh().await.unwrap();
    assert!(matches!(other.authenticate(created.text.reveal(), NOW), Err(AccessError::RevokedKey)));
}

#[tokio::test]
async fn many_changes_at_once_lose_nothing() {
    let fixture = Arc::new(fixture().await);
    let tasks: Vec<_> = (0..32)
        .map(|number| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move { fixture.create(consumer(&format!("key {number}"))).await })
        })
        .collect();
    for task in tasks {
        let created = task.await.unwrap();
        assert!(fixture.authenticate(&created.text, NOW).is_ok());
    }
    assert_eq!(fixture.access.list().await.unwrap().len(), 32);
    assert_eq!(fixture.actions().await.len(), 32);
}
