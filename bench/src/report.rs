//! What a measurement found.

use std::time::Duration;

use serde::Serialize;

/// Latencies of single requests.
#[derive(Debug, Default)]
pub struct Latencies {
    microseconds: Vec<u32>,
}

/// One measurement, printed as JSON.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Connections kept busy.
    pub connections: usize,
    /// Answers with status 200 within the time measured.
    pub answered: u64,
    /// The same and those before and after: what the server's CPU time of the whole run paid for.
    pub answered_in_all: u64,
    /// Anything else, at any time.
    pub failed: u64,
    /// What the first failure was.
    pub first_failure: Option<String>,
    /// Answers a second.
    pub per_second: f64,
    /// Median latency in milliseconds.
    pub p50_ms: f64,
    /// 99th percentile of the latency in milliseconds.
    pub p99_ms: f64,
    /// Seconds measured.
    pub seconds: f64,
    /// How much of one core the generator itself used while measuring, where the system tells. Near 1, it is the
    /// generator that is measured.
    pub generator_share: Option<f64>,
}

/// One measurement of streams, printed as JSON.
#[derive(Debug, Serialize)]
pub struct StreamReport {
    /// Clients at once.
    pub clients: usize,
    /// Streams that came whole.
    pub answers: u64,
    /// Anything else.
    pub failed: u64,
    /// What the first failure was.
    pub first_failure: Option<String>,
    /// Tokens of all prompts.
    pub prompt_tokens: u64,
    /// How many of them the server knew already, where it says so.
    pub cached_tokens: u64,
    /// Tokens of all answers.
    pub answer_tokens: u64,
    /// Tokens of answers by the seconds of all.
    pub tokens_per_second: f64,
    /// Median time from a request to its first text, in milliseconds.
    pub to_first_p50_ms: f64,
    /// Its 99th percentile.
    pub to_first_p99_ms: f64,
    /// Median time from a text to the next, in milliseconds; `null` if no answer has two.
    pub between_p50_ms: f64,
    /// Its 99th percentile.
    pub between_p99_ms: f64,
    /// From the first request to the end of the last answer.
    pub seconds: f64,
}

impl Latencies {
    /// Adds one.
    pub fn add(&mut self, latency: Duration) {
        self.microseconds.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: Self) {
        self.microseconds.extend(other.microseconds);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.microseconds.len() as u64
    }

    /// The latency below which this share of the requests stays, in milliseconds.
    pub fn quantile(&mut self, share: f64) -> f64 {
        if self.microseconds.is_empty() {
            return f64::NAN;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index into the vector"
        )]
        let place = ((self.microseconds.len() - 1) as f64 * share).round() as usize;
        let (_, value, _) = self.microseconds.select_nth_unstable(place);
        f64::from(*value) / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_sorted_list() {
        let mut latencies = Latencies::default();
        for micros in (1..=101).rev() {
            latencies.add(Duration::from_micros(micros * 1000));
        }
        assert_eq!(latencies.quantile(0.5), 51.0);
        assert_eq!(latencies.quantile(0.99), 100.0);
        assert!(Latencies::default().quantile(0.5).is_nan());
    }
}
