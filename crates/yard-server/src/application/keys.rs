//! Keys.

use std::time::Duration;

use yard_access::{
    AllowedModels, CreatedKey, KeyId, KeyRecord, NewKey, Permission, Principal, QueueWeight, RateLimit, Role,
    Rotation, TokenBudget, UsageFilter, UsagePage, UtcDay,
};
use yard_api::management::NewKeyBody;

use super::{Application, ApplicationError, error::member};
use crate::clock;

impl Application {
    /// All keys.
    pub(crate) async fn keys(&self) -> Result<Vec<KeyRecord>, ApplicationError> {
        Ok(self.access().list().await?)
    }

    /// Makes a key.
    pub(crate) async fn create_key(
        &self,
        principal: &Principal,
        body: NewKeyBody,
    ) -> Result<CreatedKey, ApplicationError> {
        let new = read_new_key(body)?;
        Ok(self.access().create_key(new, &principal.actor(), clock::now()).await?)
    }

    /// Gives a key a new secret.
    pub(crate) async fn rotate_key(
        &self,
        principal: &Principal,
        id: KeyId,
        grace: Duration,
    ) -> Result<CreatedKey, ApplicationError> {
        let rotation = if grace.is_zero() { Rotation::AtOnce } else { Rotation::After(grace) };
        Ok(self.access().rotate(id, rotation, &principal.actor(), clock::now()).await?)
    }

    /// Refuses a key from now on.
    pub(crate) async fn revoke_key(&self, principal: &Principal, id: KeyId) -> Result<(), ApplicationError> {
        self.access().revoke(id, &principal.actor(), clock::now()).await?;
        Ok(())
    }

    /// What was used from one day to another, this month if the caller does not say: of all keys for who may read the
    /// audit trail, else of the caller's own.
    pub(crate) async fn usage(
        &self,
        principal: &Principal,
        from: Option<UtcDay>,
        to: Option<UtcDay>,
    ) -> Result<UsagePage, ApplicationError> {
        let to = to.unwrap_or_else(|| UtcDay::of(clock::now()));
        let from = from.unwrap_or_else(|| to.first_of_month());
        if from > to {
            return Err(member("from", "'from' is a day after 'to'"));
        }
        let sees_all = principal.role().grants(Permission::ReadAudit);
        let key = principal.key_id().filter(|_| !sees_all);
        Ok(self.access().usage(&UsageFilter { from, to, key }).await?)
    }
}

fn read_new_key(body: NewKeyBody) -> Result<NewKey, ApplicationError> {
    let NewKeyBody {
        name,
        role,
        models,
        requests_per_minute,
        burst,
        tokens_per_minute,
        tokens_per_day,
        tokens_per_month,
        tokens_per_request,
        weight,
        expires_at,
    } = body;
    let role: Role = role.parse().map_err(|error| member("role", error))?;
    let models = match models {
        Some(models) => AllowedModels::parse(models).map_err(|error| member("models", error))?,
        None => AllowedModels::All,
    };
    let rate = match (requests_per_minute, burst) {
        (Some(rate), burst) => {
            Some(RateLimit::new(rate, burst).map_err(|error| member("requests_per_minute", error))?)
        }
        (None, Some(_)) => return Err(member("burst", "a burst needs 'requests_per_minute' beside it")),
        (None, None) => None,
    };
    let moment = |text: String| {
        let read = clock::parse_rfc3339(&text);
        read.ok_or_else(|| {
            member("expires_at", "the expiry is not an RFC 3339 moment such as 2030-01-31T12:00:00Z")
        })
    };
    let expires_at = expires_at.map(moment).transpose()?;
    let budget = TokenBudget { tokens_per_minute, tokens_per_day, tokens_per_month, tokens_per_request };
    let weight = match weight {
        Some(weight) => QueueWeight::new(weight).map_err(|error| member("weight", error))?,
        None => QueueWeight::default(),
    };
    Ok(NewKey { name, role, models, rate, budget, weight, expires_at })
}
