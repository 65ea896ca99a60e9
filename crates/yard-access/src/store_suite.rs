//! What every [`KeyStore`], [`AuditStore`] and [`UsageStore`] must do, as tests: call
//! [`access_store_suite!`](crate::access_store_suite) in a test module of the implementing crate.

use std::{any::Any, fmt, sync::Arc};

use yard_types::{Digest, Timestamp};

use crate::{
    AccessStoreError, Actor, AllowedModels, AuditEntry, AuditStore, KeyId, KeyRecord, KeyStore,
    NewAuditEntry, PreviousSecret, QueueWeight, RateLimit, Role, SecretHash, StoredKey, TokenBudget,
    UsageFilter, UsageRow, UsageStore, UsedTokens, UtcDay,
};

/// Three stores that are one place, empty at first.
pub struct Stores {
    /// The keys.
    pub keys: Arc<dyn KeyStore>,
    /// The audit trail.
    pub audit: Arc<dyn AuditStore>,
    /// What keys have used.
    pub usage: Arc<dyn UsageStore>,
    /// Whatever must live as long as the stores, such as a temporary directory.
    pub keep_alive: Box<dyn Any + Send>,
}

impl fmt::Debug for Stores {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Stores").finish_non_exhaustive()
    }
}

/// Makes one test of every case. `$open` is an expression whose future gives new, empty [`Stores`].
#[macro_export]
macro_rules! access_store_suite {
    ($open:expr) => {
        $crate::access_store_suite!(@ $open;
            a_key_reads_back_whole,
            keys_come_in_the_order_they_were_made,
            an_id_is_taken_once,
            a_replaced_secret_reads_back,
            what_is_not_there_cannot_be_changed,
            a_revoked_key_stays_revoked,
            the_last_usable_admin_key_stays,
            of_two_admins_revoking_each_other_one_stays,
            a_change_and_its_entry_are_written_together,
            the_trail_is_paged_backwards,
            numbers_of_entries_only_grow,
            usage_adds_up_and_reads_back_by_day_key_and_model,
        );
    };
    (@ $open:expr; $($case:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let stores = ($open).await;
                $crate::store_suite::$case(&stores).await;
            }
        )*
    };
}

fn hash(byte: u8) -> SecretHash {
    SecretHash::from_digest(Digest::from_bytes([byte; 32]))
}

fn key(bits: u64, role: Role) -> StoredKey {
    let record = KeyRecord {
        id: KeyId::from_bits(bits),
        name: format!("key {bits}"),
        role,
        models: AllowedModels::All,
        rate: None,
        budget: TokenBudget::default(),
        weight: QueueWeight::default(),
        created_at: Timestamp(1_000),
        expires_at: None,
        rotated_at: None,
        revoked_at: None,
    };
    StoredKey { record, secret: hash(1), previous: None }
}

fn entry(action: &'static str) -> NewAuditEntry {
    NewAuditEntry::new(Timestamp(5), Actor::system("test"), action, "subject 'ü'", "detail")
}

async fn insert(stores: &Stores, key: &StoredKey) {
    stores.keys.insert_key(key, &entry("key.create")).await.expect("the key is new");
}

async fn only_key(stores: &Stores) -> StoredKey {
    let mut keys = stores.keys.keys().await.expect("keys can be read");
    assert_eq!(keys.len(), 1);
    keys.remove(0)
}

async fn trail(stores: &Stores) -> Vec<AuditEntry> {
    stores.audit.entries(None, 1_000).await.expect("the trail can be read")
}

fn assert_same(got: &StoredKey, expected: &StoredKey) {
    assert_eq!(got.record, expected.record);
    assert_eq!(got.secret.digest(), expected.secret.digest());
    let previous =
        |key: &StoredKey| key.previous.map(|previous| (*previous.hash.digest(), previous.valid_until));
    assert_eq!(previous(got), previous(expected));
}

/// Every field survives, at its extremes too.
pub async fn a_key_reads_back_whole(stores: &Stores) {
    let mut plain = key(1, Role::Consumer);
    plain.record.created_at = Timestamp(-1);
    let mut full = key(0xffff_ffff_ffff, Role::Publisher);
    full.record.name = "naïve 'quoted' \"name\"; --".into();
    full.record.models = AllowedModels::parse(["digits", "team-a.*", "Z"]).expect("patterns are well formed");
    full.record.rate = Some(RateLimit::new(60_000_000, Some(1)).expect("the limit is within its range"));
    full.record.budget = TokenBudget {
        tokens_per_minute: Some(1),
        tokens_per_day: None,
        tokens_per_month: Some(1_000_000_000_000),
        tokens_per_request: Some(2),
    };
    full.record.weight = QueueWeight::new(1_000).expect("the weight is within its range");
    full.record.expires_at = Some(Timestamp(i64::MAX));
    full.record.rotated_at = Some(Timestamp(3));
    full.previous = Some(PreviousSecret { hash: hash(2), valid_until: Timestamp(4) });
    let mut dead = key(2, Role::Admin);
    dead.record.revoked_at = Some(Timestamp(9));
    for expected in [&plain, &full, &dead] {
        insert(stores, expected).await;
        let keys = stores.keys.keys().await.expect("keys can be read");
        let got = keys.iter().find(|key| key.record.id == expected.record.id).expect("the key is listed");
        assert_same(got, expected);
    }
}

/// By time, then by id.
pub async fn keys_come_in_the_order_they_were_made(stores: &Stores) {
    for (bits, at) in [(5, 30), (9, 10), (7, 20), (3, 20)] {
        let mut key = key(bits, Role::Consumer);
        key.record.created_at = Timestamp(at);
        insert(stores, &key).await;
    }
    let keys = stores.keys.keys().await.expect("keys can be read");
    let ids: Vec<KeyId> = keys.iter().map(|key| key.record.id).collect();
    assert_eq!(ids, [9, 3, 7, 5].map(KeyId::from_bits));
}

/// A second key of the same id is refused and changes nothing.
pub async fn an_id_is_taken_once(stores: &Stores) {
    let first = key(1, Role::Admin);
    insert(stores, &first).await;
    let mut second = key(1, Role::Consumer);
    second.secret = hash(9);
    let refused = stores.keys.insert_key(&second, &entry("key.create")).await;
    assert!(matches!(refused, Err(AccessStoreError::Taken(id)) if id == first.record.id), "{refused:?}");
    assert_same(&only_key(stores).await, &first);
    assert_eq!(trail(stores).await.len(), 1);
}

/// With and without a grace period for the secret before.
pub async fn a_replaced_secret_reads_back(stores: &Stores) {
    let mut expected = key(1, Role::Consumer);
    insert(stores, &expected).await;
    let id = expected.record.id;
    let previous = PreviousSecret { hash: hash(1), valid_until: Timestamp(70) };
    for (secret, previous, at) in [(2, Some(previous), 50), (3, None, 60)] {
        let (hash, entry) = (hash(secret), entry("key.rotate"));
        let replaced = stores.keys.replace_secret(id, &hash, previous.as_ref(), Timestamp(at), &entry).await;
        replaced.expect("the key is there");
        expected.secret = hash;
        expected.previous = previous;
        expected.record.rotated_at = Some(Timestamp(at));
        assert_same(&only_key(stores).await, &expected);
    }
}

/// Neither rotated nor revoked, and nothing is noted.
pub async fn what_is_not_there_cannot_be_changed(stores: &Stores) {
    let id = KeyId::from_bits(4);
    let replaced = stores.keys.replace_secret(id, &hash(2), None, Timestamp(1), &entry("key.rotate")).await;
    assert!(matches!(replaced, Err(AccessStoreError::Missing(missing)) if missing == id), "{replaced:?}");
    let revoked = stores.keys.revoke_key(id, Timestamp(1), &entry("key.revoke")).await;
    assert!(matches!(revoked, Err(AccessStoreError::Missing(missing)) if missing == id), "{revoked:?}");
    assert!(trail(stores).await.is_empty());
}

/// It can neither be revoked again nor rotated.
pub async fn a_revoked_key_stays_revoked(stores: &Stores) {
    let mut expected = key(1, Role::Publisher);
    insert(stores, &expected).await;
    let id = expected.record.id;
    stores.keys.revoke_key(id, Timestamp(7), &entry("key.revoke")).await.expect("the key is usable");
    let again = stores.keys.revoke_key(id, Timestamp(8), &entry("key.revoke")).await;
    assert!(matches!(again, Err(AccessStoreError::Revoked(_))), "{again:?}");
    let rotated = stores.keys.replace_secret(id, &hash(2), None, Timestamp(8), &entry("key.rotate")).await;
    assert!(matches!(rotated, Err(AccessStoreError::Revoked(_))), "{rotated:?}");
    expected.record.revoked_at = Some(Timestamp(7));
    assert_same(&only_key(stores).await, &expected);
    assert_eq!(trail(stores).await.len(), 2);
}

/// Admin keys that expired, that were revoked, and keys of other roles do not count.
pub async fn the_last_usable_admin_key_stays(stores: &Stores) {
    let mut expiring = key(2, Role::Admin);
    expiring.record.expires_at = Some(Timestamp(2_000));
    for key in [&key(1, Role::Admin), &expiring, &key(3, Role::Publisher)] {
        insert(stores, key).await;
    }
    let id = KeyId::from_bits(1);
    let at_expiry = stores.keys.revoke_key(id, Timestamp(2_000), &entry("key.revoke")).await;
    assert!(matches!(at_expiry, Err(AccessStoreError::LastAdmin(last)) if last == id), "{at_expiry:?}");
    assert_eq!(trail(stores).await.len(), 3);
    let before = stores.keys.revoke_key(id, Timestamp(1_999), &entry("key.revoke")).await;
    before.expect("another admin key is usable at that moment");
    let last = stores.keys.revoke_key(expiring.record.id, Timestamp(1_999), &entry("key.revoke")).await;
    assert!(matches!(last, Err(AccessStoreError::LastAdmin(_))), "{last:?}");
}

/// Two at the same time: exactly one succeeds.
pub async fn of_two_admins_revoking_each_other_one_stays(stores: &Stores) {
    for round in 0..20 {
        let ids = [2 * round, 2 * round + 1].map(|bits| KeyId::from_bits(bits + 1));
        let before = stores.keys.keys().await.expect("keys can be read");
        for id in ids {
            let mut admin = key(0, Role::Admin);
            admin.record.id = id;
            insert(stores, &admin).await;
        }
        // The admin left over from the round before goes first, so that two are left.
        if let Some(left) = before.iter().find(|key| key.record.revoked_at.is_none()) {
            let gone = stores.keys.revoke_key(left.record.id, Timestamp(2_000), &entry("key.revoke")).await;
            gone.expect("two others are usable");
        }
        let revoking = ids.map(|id| {
            let keys = Arc::clone(&stores.keys);
            tokio::spawn(async move { keys.revoke_key(id, Timestamp(2_000), &entry("key.revoke")).await })
        });
        let mut refused = 0;
        for task in revoking {
            match task.await.expect("the store does not panic") {
                Ok(()) => {}
                Err(AccessStoreError::LastAdmin(_)) => refused += 1,
                Err(error) => panic!("round {round}: {error:?}"),
            }
        }
        assert_eq!(refused, 1, "round {round}");
    }
}

/// The entry of each change is in the trail, and that of a refused one is not.
pub async fn a_change_and_its_entry_are_written_together(stores: &Stores) {
    let admin = key(1, Role::Admin);
    insert(stores, &admin).await;
    let id = admin.record.id;
    let rotated = stores.keys.replace_secret(id, &hash(2), None, Timestamp(6), &entry("key.rotate")).await;
    rotated.expect("the key is there");
    let refused = stores.keys.revoke_key(id, Timestamp(7), &entry("key.revoke")).await;
    assert!(matches!(refused, Err(AccessStoreError::LastAdmin(_))), "{refused:?}");
    let entries = trail(stores).await;
    let actions: Vec<&str> = entries.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["key.rotate", "key.create"]);
    let expected = AuditEntry {
        sequence: entries[1].sequence,
        at: Timestamp(5),
        actor: Actor::system("test"),
        action: "key.create".into(),
        subject: "subject 'ü'".into(),
        detail: "detail".into(),
    };
    assert_eq!(entries[1], expected);
}

/// Pages do not overlap and leave nothing out, also while entries are added.
pub async fn the_trail_is_paged_backwards(stores: &Stores) {
    assert!(trail(stores).await.is_empty());
    let mut written = Vec::new();
    for _ in 0..7 {
        written.push(stores.audit.append(&entry("model.promote")).await.expect("entries can be added"));
    }
    written.reverse();
    let mut read = Vec::new();
    let mut before = None;
    loop {
        let page = stores.audit.entries(before, 3).await.expect("the trail can be read");
        stores.audit.append(&entry("later")).await.expect("entries can be added");
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 3);
        before = Some(last.sequence);
        read.extend(page.into_iter().map(|entry| entry.sequence));
    }
    assert_eq!(read, written);
    assert!(stores.audit.entries(None, 0).await.expect("the trail can be read").is_empty());
    assert!(stores.audit.entries(Some(0), 5).await.expect("the trail can be read").is_empty());
    let all = stores.audit.entries(Some(u64::MAX), 1_000).await.expect("the trail can be read");
    assert_eq!(all.len(), trail(stores).await.len());
}

/// Whether written by a change of a key or alone.
pub async fn numbers_of_entries_only_grow(stores: &Stores) {
    let mut last = 0;
    for bits in 1..5 {
        let appended = stores.audit.append(&entry("model.promote")).await.expect("entries can be added");
        assert!(appended > last);
        insert(stores, &key(bits, Role::Consumer)).await;
        last = trail(stores).await[0].sequence;
        assert!(last > appended);
    }
}

/// Rows of the same day, key and model become one; those without a key stay apart from those of keys.
pub async fn usage_adds_up_and_reads_back_by_day_key_and_model(stores: &Stores) {
    let day = |number| UtcDay::from_number(number).expect("the day can be written");
    let row = |number, key: Option<u64>, model: &str, tokens| UsageRow {
        key: key.map(KeyId::from_bits),
        model: model.parse().expect("the name is well formed"),
        day: day(number),
        requests: 1,
        prompt_tokens: tokens,
        answer_tokens: 2 * tokens,
    };
    let first =
        [row(1, Some(7), "b", 10), row(1, None, "a", 5), row(2, Some(7), "a", 20), row(1, Some(7), "a", 30)];
    stores.usage.add(&first).await.expect("usage can be added");
    stores.usage.add(&[row(1, Some(7), "b", 1)]).await.expect("usage can be added");
    stores.usage.add(&[]).await.expect("nothing can be added");
    let filter = |from, to, key: Option<u64>| UsageFilter {
        from: day(from),
        to: day(to),
        key: key.map(KeyId::from_bits),
    };
    let sum = UsageRow { requests: 2, ..row(1, Some(7), "b", 11) };
    let all = [row(1, None, "a", 5), row(1, Some(7), "a", 30), sum, row(2, Some(7), "a", 20)];
    let cases = [
        (filter(0, 9, None), 100, &all[..]),
        (filter(0, 9, None), 2, &all[..2]),
        (filter(1, 1, Some(7)), 100, &all[1..3]),
        (filter(2, 2, None), 100, &all[3..]),
        (filter(2, 1, None), 100, &all[..0]),
        (filter(0, 9, Some(8)), 100, &all[..0]),
    ];
    for (filter, limit, expected) in cases {
        let rows = stores.usage.usage(&filter, limit).await.expect("usage can be read");
        assert_eq!(rows, expected, "{filter:?}");
    }
    for (from, to, expected) in [(1, 1, Some(123)), (1, 2, Some(183)), (3, 9, None)] {
        let sums = stores.usage.used_tokens(day(from), day(to)).await.expect("sums can be read");
        let expected = expected.map(|tokens| UsedTokens { key: KeyId::from_bits(7), tokens });
        assert_eq!(sums, Vec::from_iter(expected), "{from} to {to}");
    }
}
