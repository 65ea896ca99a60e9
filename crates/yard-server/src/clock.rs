//! The wall clock and how moments are written.

use std::time::{SystemTime, UNIX_EPOCH};

use yard_types::Timestamp;

/// Now. The one place in this crate that reads the wall clock.
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// A moment as RFC 3339 in UTC.
pub(crate) fn rfc3339(moment: Timestamp) -> String {
    let earliest = jiff::Timestamp::MIN;
    jiff::Timestamp::from_millisecond(moment.0)
        .unwrap_or(if moment.0 < 0 { earliest } else { jiff::Timestamp::MAX })
        .to_string()
}

/// Reads a moment; `None` when the text is not one.
pub(crate) fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|moment| Timestamp(moment.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_back() {
        let moment = Timestamp(1_763_775_665_120);
        let text = rfc3339(moment);
        assert_eq!(text, "2025-11-22T01:41:05.12Z");
        assert_eq!(parse_rfc3339(&text), Some(moment));
        assert_eq!(parse_rfc3339("2025-11-22T02:41:05.12+01:00"), Some(moment));
        assert_eq!(parse_rfc3339("yesterday"), None);
        for extreme in [i64::MIN, i64::MAX] {
            assert!(!rfc3339(Timestamp(extreme)).is_empty());
        }
    }
}
