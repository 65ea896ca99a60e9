//! Who may do what, how often, and the record of who did it.
//!
//! [`Access`] is what the rest of Modelyard calls. A request presents a key; [`Access::authenticate`] turns it into a
//! [`Principal`] without locks and without touching a store, and the principal answers whether it may do something
//! ([`Principal::decide`]) and whether it may do it now ([`Access::check_rate`]). Keys are made, rotated and revoked
//! through [`Access`] as well; each change is written together with its audit entry. Requests of language models hold the
//! tokens that they may need ([`Access::reserve_tokens`]) and settle with what they used.
//!
//! What it needs from outside stands here as three small traits, [`KeyStore`], [`AuditStore`] and [`UsageStore`]. This
//! crate knows no SQL, no HTTP and no file; clocks are passed in.

mod access;
mod allowed_models;
mod audit;
mod budget;
mod day;
mod error;
mod keeper;
mod key;
mod ledger;
mod principal;
mod rate;
mod records;
mod role;
mod store;
#[cfg(any(test, feature = "store-suite"))]
pub mod store_suite;
#[cfg(test)]
mod testing;
mod usage;
mod weight;

pub use access::{Access, CreatedKey, Rotation};
pub use allowed_models::{AllowedModels, ModelPattern, ModelPatternError};
pub use audit::{Actor, AuditEntry, NewAuditEntry};
pub use budget::{TokenBudget, TokenSpan, TokensExhausted};
pub use day::{UtcDay, UtcDayError};
pub use error::AccessError;
pub use keeper::KeyKeeper;
pub use key::{KeyId, KeyIdError, KeyText, PresentedKey, SecretHash};
pub use ledger::TokenReservation;
pub use principal::{AccessCounts, Decision, Principal, Visibility};
pub use rate::{RateLimit, RateLimitError, RateLimited, RateLimiter};
pub use records::{KeyRecord, NewKey, PreviousSecret, StoredKey};
pub use role::{Permission, Role, UnknownRole};
pub use store::{AccessStoreError, AuditStore, KeyStore};
pub use usage::{UsageFilter, UsagePage, UsageRow, UsageStore, UsedTokens};
pub use weight::{QueueWeight, QueueWeightError};
