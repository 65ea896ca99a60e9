//! The trail of what was done.

use yard_access::{AuditEntry, NewAuditEntry, Principal};

use super::{Application, ApplicationError};
use crate::clock;

impl Application {
    /// Writes down what was done.
    pub(super) async fn record(
        &self,
        principal: &Principal,
        action: &'static str,
        subject: &str,
        detail: &str,
    ) -> Result<(), ApplicationError> {
        let entry = NewAuditEntry::new(clock::now(), principal.actor(), action, subject, detail);
        self.access().record(&entry).await?;
        Ok(())
    }

    /// A page of the trail, newest first.
    pub(crate) async fn audit_trail(
        &self,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, ApplicationError> {
        Ok(self.access().audit_trail(before, limit).await?)
    }
}

/// Whoever does something, as the registry writes it.
pub(super) fn registry_actor(principal: &Principal) -> yard_registry::Actor {
    yard_registry::Actor(principal.actor().as_str().to_owned())
}
