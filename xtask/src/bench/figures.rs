//! What was measured, as data, and the little arithmetic on it.

use std::time::Duration;

use super::usage::Memory;

/// Who takes part in the one-row comparison, in the order of the turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contestant {
    Modelyard,
    BareAxum,
    /// A handler that FastAPI hands to its thread pool.
    FastApi,
    /// A handler that runs on the event loop.
    FastApiAsync,
    Triton,
}

/// One measurement under load, or the medians of several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// CPU time of the server and its descendants for each request, in microseconds.
    pub(super) server_cpu_us: f64,
    /// How much of one core the load generator used; `None` where the system does not tell.
    pub(super) generator_share: Option<f64>,
}

/// A contestant at one number of connections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) connections: usize,
    pub(super) sample: Sample,
}

/// A contestant in the one-row comparison.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OneRow {
    pub(super) contestant: Contestant,
    pub(super) points: Vec<Point>,
    /// Resident bytes after the last round.
    pub(super) memory: u64,
}

/// A model whose own work outweighs the serving, beside ONNX Runtime alone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EngineBound {
    pub(super) model: &'static str,
    pub(super) input: String,
    pub(super) threads: usize,
    pub(super) connections: usize,
    /// Runs a second of ONNX Runtime alone, with the same number of threads.
    pub(super) alone_per_second: f64,
    pub(super) served: Sample,
}

/// A small model while a heavy one takes all it can get.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Neighbour {
    pub(super) connections: usize,
    pub(super) alone: Sample,
    pub(super) beside: Sample,
}

/// Starting with a data directory that holds a model already.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Start {
    /// From starting the process to the first prediction.
    pub(super) first_answer: Duration,
    /// Of the server that has answered nothing yet.
    pub(super) memory_before: Memory,
    /// Of the server, idle again after its first answer.
    pub(super) memory_after: Memory,
}

/// Everything that `bench serving` measures.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Serving {
    pub(super) one_row: Vec<OneRow>,
    /// Contestants that could not be measured here, and why.
    pub(super) left_out: Vec<(Contestant, &'static str)>,
    /// Triton's version, as it tells it itself.
    pub(super) triton: Option<String>,
    pub(super) engine_bound: Vec<EngineBound>,
    pub(super) neighbours: Vec<Neighbour>,
    pub(super) start: Start,
}

impl Contestant {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Modelyard => "Modelyard",
            Self::BareAxum => "bare axum handler",
            Self::FastApi => "FastAPI + ONNX Runtime, `def`",
            Self::FastApiAsync => "FastAPI + ONNX Runtime, `async def`",
            Self::Triton => "Triton, Python backend",
        }
    }
}

impl Sample {
    /// Each figure's median for itself.
    pub(super) fn medians(samples: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(samples.iter().map(figure));
        let shares: Option<Vec<f64>> = samples.iter().map(|sample| sample.generator_share).collect();
        Self {
            per_second: of(|sample| sample.per_second),
            p50_ms: of(|sample| sample.p50_ms),
            p99_ms: of(|sample| sample.p99_ms),
            server_cpu_us: of(|sample| sample.server_cpu_us),
            generator_share: shares.map(median),
        }
    }
}

impl EngineBound {
    /// Served requests a second as a share of the runs a second without a server.
    pub(super) fn share(&self) -> f64 {
        self.served.per_second / self.alone_per_second
    }
}

impl Serving {
    /// What a contestant showed at a number of connections.
    pub(super) fn point(&self, contestant: Contestant, connections: usize) -> Option<Sample> {
        let row = self.one_row.iter().find(|row| row.contestant == contestant)?;
        let point = row.points.iter().find(|point| point.connections == connections)?;
        Some(point.sample)
    }

    /// How many times the requests a second of a peer Modelyard does.
    pub(super) fn ratio_to(&self, peer: Contestant, connections: usize) -> Option<f64> {
        let ours = self.point(Contestant::Modelyard, connections)?;
        Some(ours.per_second / self.point(peer, connections)?.per_second)
    }
}

/// The middle value, or the mean of the two in the middle; of nothing, not a number.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[upper],
        _ => f64::midpoint(sorted[upper - 1], sorted[upper]),
    }
}

#[cfg(test)]
pub(super) mod examples {
    use super::*;

    pub(in crate::bench) fn sample(per_second: f64) -> Sample {
        Sample { per_second, p50_ms: 0.5, p99_ms: 2.0, server_cpu_us: 15.0, generator_share: Some(0.75) }
    }

    fn one_row(contestant: Contestant, per_second: [f64; 3]) -> OneRow {
        let point = |(connections, per_second)| Point { connections, sample: sample(per_second) };
        let points = [1, 16, 64].into_iter().zip(per_second).map(point).collect();
        OneRow { contestant, points, memory: 50_000_000 }
    }

    /// Modelyard misses the ceiling at 64 connections, and meets everything else.
    pub(in crate::bench) fn serving() -> Serving {
        Serving {
            one_row: vec![
                one_row(Contestant::Modelyard, [9000.0, 60000.0, 50000.0]),
                one_row(Contestant::BareAxum, [10000.0, 60000.0, 62500.0]),
                one_row(Contestant::FastApi, [1500.0, 2000.0, 2000.0]),
                one_row(Contestant::FastApiAsync, [2500.0, 4000.0, 4000.0]),
                one_row(Contestant::Triton, [3000.0, 10000.0, 10000.0]),
            ],
            left_out: Vec::new(),
            triton: Some("2.51.0".to_owned()),
            engine_bound: vec![EngineBound {
                model: "minilm-int8",
                input: "1 x 128 tokens".to_owned(),
                threads: 2,
                connections: 4,
                alone_per_second: 100.0,
                served: sample(97.0),
            }],
            neighbours: vec![Neighbour { connections: 1, alone: sample(9000.0), beside: sample(8000.0) }],
            start: Start {
                first_answer: Duration::from_millis(120),
                memory_before: Memory { resident: 30_000_000, private: 10_000_000 },
                memory_after: Memory { resident: 39_000_000, private: 15_000_000 },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_the_sorted_values() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median([7.0]), 7.0);
        assert!(median([]).is_nan());
    }

    #[test]
    fn medians_are_taken_figure_by_figure() {
        let of = |per_second, p50_ms, generator_share| Sample {
            per_second,
            p50_ms,
            p99_ms: 1.0,
            server_cpu_us: 10.0,
            generator_share,
        };
        let samples = [of(1.0, 9.0, Some(0.1)), of(2.0, 7.0, Some(0.3)), of(3.0, 8.0, Some(0.2))];
        assert_eq!(Sample::medians(&samples), of(2.0, 8.0, Some(0.2)));
        assert_eq!(Sample::medians(&[of(1.0, 1.0, None), of(1.0, 1.0, Some(0.5))]).generator_share, None);
    }

    #[test]
    fn ratios_are_ours_by_theirs_at_the_same_connections() {
        let serving = examples::serving();
        assert_eq!(serving.ratio_to(Contestant::Triton, 1), Some(3.0));
        assert_eq!(serving.ratio_to(Contestant::BareAxum, 64), Some(0.8));
        assert_eq!(serving.ratio_to(Contestant::Triton, 2), None);
        assert!((serving.engine_bound[0].share() - 0.97).abs() < 1e-12);
    }
}
