//! Against pages in a browser on the same machine: only requests that name this server are served, and no stranger's
//! page may call it.
//!
//! A page of another site can make a browser send requests to `127.0.0.1`; it cannot choose their Host, and the browser
//! says where the page comes from. A name that an attacker lets resolve to `127.0.0.1` shows in Host.

use std::net::{IpAddr, SocketAddr};

use http::{
    HeaderMap,
    header::{HOST, ORIGIN},
};
use yard_types::ErrorCode;

use super::Head;
use crate::failure::Failure;

/// Which Host and Origin a listener accepts.
#[derive(Debug, Clone)]
pub(crate) struct HostRules {
    hosts: Vec<String>,
    any_host: bool,
    origins: Vec<String>,
}

impl HostRules {
    /// The rules for a listener at this address.
    pub(crate) fn new(address: SocketAddr, hosts: &[String], origins: &[String]) -> Self {
        let lower = |texts: &[String]| texts.iter().map(|text| text.to_ascii_lowercase()).collect();
        Self {
            hosts: lower(hosts),
            any_host: hosts.is_empty() && !address.ip().is_loopback(),
            origins: lower(origins),
        }
    }

    pub(crate) fn check(&self, head: Head<'_>) -> Result<(), Failure> {
        let Some(authority) = authority(head) else {
            return Err(Failure::invalid("the request has no 'host' header, or several"));
        };
        if !self.accepts_host(authority) {
            return Err(Failure::new(
                ErrorCode::PermissionDenied,
                "this server does not answer to the host that the request names: allow it in the server's settings",
            ));
        }
        match origin(head.headers) {
            Some(origin) if !self.accepts_origin(origin, authority) => Err(Failure::new(
                ErrorCode::PermissionDenied,
                "requests from pages of this origin are not allowed: allow it in the server's settings",
            )),
            _ => Ok(()),
        }
    }

    fn accepts_host(&self, authority: &str) -> bool {
        if self.any_host {
            return true;
        }
        let Some(host) = host_of(authority) else { return false };
        is_loopback(host) || self.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
    }

    fn accepts_origin(&self, origin: &str, authority: &str) -> bool {
        let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        own.is_some_and(|own| own.eq_ignore_ascii_case(authority))
            || self.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }
}

/// What the request names as its server.
fn authority(head: Head<'_>) -> Option<&str> {
    if let Some(authority) = head.authority {
        return Some(authority);
    }
    let mut values = head.headers.get_all(HOST).iter();
    match (values.next(), values.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    }
}

/// The origin; one that cannot be read counts as foreign, and so do several.
fn origin(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(ORIGIN).iter();
    let origin = values.next()?;
    let only = values.next().is_none();
    Some(origin.to_str().ok().filter(|_| only).unwrap_or("?"))
}

/// The authority without its port and without the brackets of an IPv6 address; `None` for what is not a host and
/// perhaps a port.
fn host_of(authority: &str) -> Option<&str> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = if rest.is_empty() { "" } else { rest.strip_prefix(':')? };
    let is_port = port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_port && !host.contains('@')).then_some(host)
}

fn is_loopback(host: &str) -> bool {
    // The usual ones first: this runs for every request.
    host == "127.0.0.1"
        || host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rules: &HostRules, host: &str, origin: Option<&str>, expected: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        let got = rules.check(Head { headers: &headers, authority: None }).is_ok();
        assert_eq!(got, expected, "{host} {origin:?}");
    }

    #[test]
    fn on_loopback_only_loopback_names_and_configured_ones_are_served() {
        let rules = HostRules::new(([127, 0, 0, 1], 1).into(), &["Models.example".into()], &[]);
        for host in
            ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "127.8.9.1", "models.example:80"]
        {
            check(&rules, host, None, true);
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example:8080",
            "localhost.evil.example",
            "192.168.0.1",
            "[::2]",
            "",
            "localhost:evil.example",
            "localhost:80:80",
            "localhost:123456",
            "[::1]evil.example",
            "[::1",
            "localhost:x@evil.example",
            "localhost:1@evil.example:1",
            "localhost@evil.example",
        ] {
            check(&rules, host, None, false);
        }
    }

    #[test]
    fn elsewhere_any_host_is_served_unless_some_are_configured() {
        let open = HostRules::new(([0, 0, 0, 0], 1).into(), &[], &[]);
        check(&open, "anything.example", None, true);
        let closed = HostRules::new(([0, 0, 0, 0], 1).into(), &["models.example".into()], &[]);
        check(&closed, "anything.example", None, false);
    }

    #[test]
    fn foreign_pages_are_refused() {
        let rules = HostRules::new(([127, 0, 0, 1], 1).into(), &[], &["https://console.example".into()]);
        check(&rules, "127.0.0.1:8080", Some("http://127.0.0.1:8080"), true);
        check(&rules, "127.0.0.1:8080", Some("https://console.example"), true);
        for origin in ["http://127.0.0.1:9", "https://evil.example", "null", "http://console.example"] {
            check(&rules, "127.0.0.1:8080", Some(origin), false);
        }
    }

    #[test]
    fn of_several_origins_none_is_taken() {
        let rules = HostRules::new(([127, 0, 0, 1], 1).into(), &[], &[]);
        for origins in
            [["http://localhost:1", "https://evil.example"], ["http://localhost:1", "http://localhost:1"]]
        {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, "localhost:1".parse().unwrap());
            for origin in origins {
                headers.append(ORIGIN, origin.parse().unwrap());
            }
            assert!(rules.check(Head { headers: &headers, authority: None }).is_err(), "{origins:?}");
        }
    }

    #[test]
    fn a_request_names_exactly_one_host() {
        let rules = HostRules::new(([0, 0, 0, 0], 1).into(), &[], &[]);
        let mut headers = HeaderMap::new();
        assert!(rules.check(Head { headers: &headers, authority: None }).is_err());
        headers.append(HOST, "a".parse().unwrap());
        headers.append(HOST, "b".parse().unwrap());
        assert!(rules.check(Head { headers: &headers, authority: None }).is_err());
    }
}
