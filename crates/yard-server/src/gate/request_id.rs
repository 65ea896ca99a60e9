//! The name of a request, by which its caller and the log mean the same one.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{HeaderMap, HeaderName, HeaderValue};

/// Longest id taken from a client.
const MAX_LENGTH: usize = 128;

/// The id of a request: the client's own where it is sane, else one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

    /// The id of a request with these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        match headers.get(Self::HEADER) {
            Some(given) if is_sane(given.as_bytes()) => Self(given.clone()),
            _ => Self::fresh(),
        }
    }

    /// An id that this process has not given before, and that other processes hardly ever give.
    fn fresh() -> Self {
        static START: OnceLock<u64> = OnceLock::new();
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // Ids need not be secret. Without random bits they start at 0 and are unique within this process alone.
        let start = *START.get_or_init(|| getrandom::u64().unwrap_or_default());
        let number = mix(start.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed)));
        let mut digits = [0; 16];
        for (place, digit) in digits.iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[(number >> (60 - 4 * place) & 15) as usize];
        }
        Self(HeaderValue::from_bytes(&digits).unwrap_or(HeaderValue::from_static("0")))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(crate) fn header_value(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Fit for logs, headers and file names of people's scripts.
fn is_sane(given: &[u8]) -> bool {
    let fits = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'=')
    };
    (1..=MAX_LENGTH).contains(&given.len()) && given.iter().all(fits)
}

/// Spreads neighbouring numbers over the whole range, each onto another (the finisher of SplitMix64).
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn sane_ids_are_kept_and_others_replaced() {
        let mut headers = HeaderMap::new();
        for (given, kept) in [("abc-1", true), ("a b", false), ("", false), ("\"><script>", false)] {
            headers.insert(RequestId::HEADER, given.parse().unwrap());
            assert_eq!(RequestId::of(&headers).as_str() == given, kept, "{given:?}");
        }
        headers.insert(RequestId::HEADER, "x".repeat(129).parse().unwrap());
        assert_eq!(RequestId::of(&headers).as_str().len(), 16);
    }

    #[test]
    fn our_ids_differ() {
        let ids: HashSet<String> = (0..10_000).map(|_| RequestId::fresh().to_string()).collect();
        assert_eq!(ids.len(), 10_000);
    }
}
