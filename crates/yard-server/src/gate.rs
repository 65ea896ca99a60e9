//! What every request passes, over HTTP and gRPC alike, before anything is done for it.
//!
//! In this order: is the Host one of ours, is the Origin not a stranger's page, is there room, whose key is it, has the
//! key not used up its rate, may it do this, and may it see the model. The answer about a model that a key may not see
//! is that about a model that is not there.

mod credentials;
mod host;
mod in_flight;
mod request_id;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderMap;
use yard_access::{Access as Keys, AccessError, Decision, Permission, Principal};
use yard_types::ModelName;

use crate::{
    clock,
    failure::Failure,
    options::ServerOptions,
    routes::{Access, Route},
};

pub(crate) use credentials::X_API_KEY;
pub(crate) use host::HostRules;
pub(crate) use in_flight::Place;
pub(crate) use request_id::RequestId;

use credentials::presented_key;
use in_flight::InFlight;

/// The gate of a server.
#[derive(Debug)]
pub(crate) struct Gate {
    keys: Arc<Keys>,
    asks_for_keys: bool,
    requests: InFlight,
}

/// What the gate needs of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) headers: &'a HeaderMap,
    /// The authority of the request line, where there is one (always in HTTP/2).
    pub(crate) authority: Option<&'a str>,
}

/// A request that was let in. Its place is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) principal: Principal,
    _place: Place,
}

impl Gate {
    pub(crate) fn new(keys: Arc<Keys>, options: &ServerOptions) -> Self {
        Self {
            keys,
            asks_for_keys: !options.insecure_no_auth,
            requests: InFlight::new(options.http.max_requests),
        }
    }

    /// Lets a request in, or says why not. `route` is `None` for a path that is not there: only who has a key learns that.
    pub(crate) fn admit(
        &self,
        head: Head<'_>,
        route: Option<&Route>,
        model: Option<&str>,
    ) -> Result<Admission, Failure> {
        let place = self.requests.enter()?;
        let principal = self.authenticate(head.headers)?;
        self.check_rate(&principal)?;
        if let Some(Route { access: Access::Needs(permission), .. }) = route {
            allow(&principal, *permission, model)?;
        }
        Ok(Admission { principal, _place: place })
    }

    /// Whose key an open request brings, if it brings a valid one.
    pub(crate) fn identify(&self, head: Head<'_>) -> Option<Principal> {
        let principal = self.authenticate(head.headers).ok()?;
        self.check_rate(&principal).ok()?;
        Some(principal)
    }

    /// How many requests are being worked on.
    pub(crate) fn in_flight(&self) -> usize {
        self.requests.count()
    }

    /// Whose key these headers bring.
    pub(crate) fn authenticate(&self, headers: &HeaderMap) -> Result<Principal, Failure> {
        if !self.asks_for_keys {
            return Ok(Principal::without_keys());
        }
        match presented_key(headers)? {
            Some(key) => Ok(self.keys.authenticate(key, clock::now())?),
            None => Err(self.keys.refuse_without_key().into()),
        }
    }

    /// Counts one request of this principal, or says when to come back.
    pub(crate) fn check_rate(&self, principal: &Principal) -> Result<(), Failure> {
        let Err(limited) = self.keys.check_rate(principal, Instant::now()) else { return Ok(()) };
        let wait = Duration::from_secs(limited.retry_after_seconds());
        let mut failure = Failure::from(AccessError::RateLimited(limited)).with_retry_after(wait);
        let record = principal.key_id().and_then(|id| self.keys.key(id).ok());
        failure.rate_limit = record.and_then(|record| record.rate).map(|rate| rate.requests_per_minute());
        Err(failure)
    }
}

/// Says no in the right words when a principal may not do something to a model.
pub(crate) fn allow(
    principal: &Principal,
    permission: Permission,
    model: Option<&str>,
) -> Result<(), Failure> {
    match principal.decide(permission, model) {
        Decision::Allow => Ok(()),
        Decision::HideModel => Err(Failure::unknown_model(model.unwrap_or_default())),
        Decision::Forbid => {
            let refusal = match model.and_then(|model| model.parse::<ModelName>().ok()) {
                Some(model) if principal.role().grants(permission) => AccessError::NameNotAllowed(model),
                _ => AccessError::Forbidden { role: principal.role(), permission },
            };
            Err(refusal.into())
        }
    }
}
