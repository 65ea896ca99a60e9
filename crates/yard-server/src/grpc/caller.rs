//! Who calls, for the methods behind the gate.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use http::{HeaderMap, header::AUTHORIZATION};
use tonic::{Extensions, Status};
use yard_access::{Permission, Principal};

use crate::{
    failure::{Failure, statuses},
    gate::{self, RequestId},
};

/// Put into the extensions of every call by the gate.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// `None` where a call that needs no key came without one.
    pub(crate) principal: Option<Principal>,
    pub(crate) request_id: RequestId,
    pub(crate) arrived: Instant,
    /// How long the caller is willing to wait.
    pub(crate) timeout: Option<Duration>,
    /// What the caller has shown, to be looked at again where the call goes on for long.
    pub(crate) credentials: Credentials,
    /// Set once a method has its message.
    pub(crate) reached: Arc<AtomicBool>,
}

/// The headers that hold a key.
#[derive(Clone)]
pub(crate) struct Credentials(HeaderMap);

// === impl Credentials ===

impl Credentials {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut found = HeaderMap::new();
        for name in [&AUTHORIZATION, &gate::X_API_KEY] {
            for value in headers.get_all(name) {
                found.append(name, value.clone());
            }
        }
        Self(found)
    }

    pub(crate) const fn headers(&self) -> &HeaderMap {
        &self.0
    }
}

impl std::fmt::Debug for Credentials {
    /// Keys stay out of logs.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Credentials").finish_non_exhaustive()
    }
}

// === impl Caller ===

impl Caller {
    pub(crate) fn of(extensions: &Extensions) -> Result<&Self, Status> {
        // Every call passes the gate; one that did not has no rights.
        let caller: &Self =
            extensions.get().ok_or_else(|| Status::unauthenticated("an API key is needed"))?;
        caller.reached.store(true, Ordering::Relaxed);
        Ok(caller)
    }

    pub(crate) fn principal(&self) -> Result<&Principal, Failure> {
        let missing = || Failure::from(yard_access::AccessError::NoKey);
        self.principal.as_ref().ok_or_else(missing)
    }

    /// The principal, if it may do this to the model that the message names.
    pub(crate) fn allowed(&self, permission: Permission, model: &str) -> Result<&Principal, Failure> {
        let principal = self.principal()?;
        gate::allow(principal, permission, Some(model))?;
        Ok(principal)
    }

    /// A failure as this caller is told of it.
    pub(crate) fn status(&self, failure: &Failure) -> Status {
        failure.log(self.request_id.as_str());
        status(failure)
    }
}

/// A failure in gRPC's terms, with the same text as over REST.
pub(crate) fn status(failure: &Failure) -> Status {
    let (_, code) = statuses(failure.code());
    let mut status = Status::new(code, failure.message());
    if let Some(wait) = failure.retry_after {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        status.metadata_mut().insert("retry-after", seconds.max(1).into());
    }
    status
}

/// The value of `grpc-timeout`: up to eight digits and a unit.
pub(crate) fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Failure> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    let refused = || Failure::invalid("the 'grpc-timeout' of the call cannot be read");
    let value = value.to_str().map_err(|_| refused())?;
    let (digits, unit) = value.split_at_checked(value.len().saturating_sub(1)).ok_or_else(refused)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused());
    }
    let number: u64 = digits.parse().map_err(|_| refused())?;
    Ok(Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return Err(refused()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read() {
        let read = |value: &'static str| {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-timeout"),
                http::HeaderValue::from_static(value),
            )]);
            timeout(&headers)
        };
        assert_eq!(read("3S").unwrap(), Some(Duration::from_secs(3)));
        assert_eq!(read("250m").unwrap(), Some(Duration::from_millis(250)));
        assert_eq!(read("99999999H").unwrap(), Some(Duration::from_secs(99_999_999 * 3600)));
        for value in ["", "S", "3", "3X", "123456789S", "-1S", "3.5S"] {
            assert!(read(value).is_err(), "{value}");
        }
        assert_eq!(timeout(&HeaderMap::new()).unwrap(), None);
    }
}
