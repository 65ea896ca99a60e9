//! Metrics in the Prometheus text format.
//!
//! Base units, counters that end in `_total`, label sets that are bounded by the models the key may see and by the rows
//! of the route table. What counts over all models and keys is shown to keys that see all models.

mod language;

use std::fmt::Write;

use yard_access::{AllowedModels, Visibility};
use yard_batches::Activity;
use yard_language::LanguageModel;
use yard_serving::{HistogramSnapshot, MemoryStatus, MetricsSnapshot};
use yard_types::VersionRef;

use super::OwnedCall;
use crate::{
    http::{Answer, text},
    metrics::BOUNDS,
    routes::{Endpoint, ROUTES},
    state::ServerState,
};

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text that grows metric by metric.
#[derive(Default)]
struct Page(String);

/// What a metric counts, in the words of the format.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

pub(super) fn metrics(call: &OwnedCall) -> Answer {
    let mut page = Page::default();
    let serving = call.state.application.serving();
    let is_visible =
        |version: &VersionRef| call.principal.visibility(version.model.as_str()) == Visibility::Visible;
    let mut versions = serving.metrics();
    versions.retain(|snapshot| is_visible(&snapshot.version));
    page.versions(&versions);
    let mut language_models = serving.services::<LanguageModel>();
    language_models.retain(|(version, _)| is_visible(version));
    page.language_models(&language_models);
    if *call.principal.models() == AllowedModels::All {
        page.server(&call.state);
        page.requests(&call.state);
    }
    text(CONTENT_TYPE, page.0)
}

impl Page {
    fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{line}");
    }

    fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl std::fmt::Display) {
        self.family(name, kind, help);
        self.line(format_args!("{name} {value}"));
    }

    fn versions(&mut self, versions: &[MetricsSnapshot]) {
        type Read = fn(&MetricsSnapshot) -> u64;
        let counters: [(&str, Kind, &str, Read); 7] = [
            (
                "modelyard_model_requests_total",
                Kind::Counter,
                "Predict requests, refused ones included.",
                |m| m.requests,
            ),
            ("modelyard_model_rows_total", Kind::Counter, "Rows of predict requests.", |m| m.rows),
            ("modelyard_model_runs_total", Kind::Counter, "Runs of the model.", |m| m.batches),
            ("modelyard_model_panics_total", Kind::Counter, "Runs in which the engine broke down.", |m| {
                m.panics
            }),
            (
                "modelyard_model_queued_interactive",
                Kind::Gauge,
                "Requests that wait and somebody waits for.",
                |m| m.queued_interactive as u64,
            ),
            (
                "modelyard_model_queued_background",
                Kind::Gauge,
                "Requests that wait and nobody waits for.",
                |m| m.queued_background as u64,
            ),
            ("modelyard_model_running", Kind::Gauge, "Runs that go on.", |m| m.running as u64),
        ];
        for (name, kind, help, read) in counters {
            self.family(name, kind, help);
            for version in versions {
                let value = read(version);
                self.line(format_args!("{name}{{{}}} {value}", labels(&version.version)));
            }
        }
        self.family(
            "modelyard_model_failures_total",
            Kind::Counter,
            "Predict requests that failed, by code.",
        );
        for version in versions {
            for (code, count) in &version.failures {
                self.line(format_args!(
                    "modelyard_model_failures_total{{{},code=\"{code}\"}} {count}",
                    labels(&version.version)
                ));
            }
        }
        type ReadHistogram = fn(&MetricsSnapshot) -> &HistogramSnapshot;
        let histograms: [(&str, &str, ReadHistogram); 3] = [
            ("modelyard_model_batch_rows", "Rows in a run.", |m| &m.batch_rows),
            (
                "modelyard_model_queue_seconds",
                "Time from a request's arrival to the start of its run.",
                |m| &m.queue_seconds,
            ),
            ("modelyard_model_compute_seconds", "Time of a run.", |m| &m.compute_seconds),
        ];
        for (name, help, read) in histograms {
            self.family(name, Kind::Histogram, help);
            for version in versions {
                self.histogram(name, &labels(&version.version), read(version));
            }
        }
    }

    fn histogram(&mut self, name: &str, labels: &str, histogram: &HistogramSnapshot) {
        for bucket in &histogram.buckets {
            self.line(format_args!("{name}_bucket{{{labels},le=\"{}\"}} {}", bucket.upper, bucket.count));
        }
        self.line(format_args!("{name}_bucket{{{labels},le=\"+Inf\"}} {}", histogram.count));
        self.line(format_args!("{name}_sum{{{labels}}} {}", histogram.sum));
        self.line(format_args!("{name}_count{{{labels}}} {}", histogram.count));
    }

    fn server(&mut self, state: &ServerState) {
        let serving = state.application.serving();
        let flag = |value: bool| u8::from(value);
        self.family("modelyard_build_info", Kind::Gauge, "The server's version; always 1.");
        self.line(format_args!(
            "modelyard_build_info{{version=\"{}\"}} 1",
            escaped(state.application.version())
        ));
        self.single(
            "modelyard_uptime_seconds",
            Kind::Gauge,
            "Time since the server started.",
            state.started.elapsed().as_secs_f64(),
        );
        self.single(
            "modelyard_ready",
            Kind::Gauge,
            "Whether the server takes requests.",
            flag(super::is_ready(state)),
        );
        self.single(
            "modelyard_stalled",
            Kind::Gauge,
            "Whether work waits somewhere and nothing moves.",
            flag(serving.is_stalled()),
        );
        self.single(
            "modelyard_requests_in_flight",
            Kind::Gauge,
            "Requests that are being worked on.",
            state.gate.in_flight(),
        );
        self.single(
            "modelyard_predictions_in_flight",
            Kind::Gauge,
            "Predict requests that serving has in hand.",
            serving.in_flight(),
        );
        self.single(
            "modelyard_connections",
            Kind::Gauge,
            "Open connections.",
            state.stopping.connections.len(),
        );
        self.single(
            "modelyard_buffered_body_bytes",
            Kind::Gauge,
            "Bytes of large request bodies in memory.",
            state.bodies.used(),
        );
        self.memory(&serving.memory());
        if let Some(batches) = state.application.batches() {
            self.batches(batches.activity());
        }
        let counts = state.application.access().counts();
        self.family("modelyard_key_checks_total", Kind::Counter, "Checks of API keys, by what came of them.");
        for (outcome, count) in [
            ("accepted", counts.accepted),
            ("malformed", counts.malformed),
            ("invalid", counts.invalid),
            ("expired", counts.expired),
            ("revoked", counts.revoked),
            ("rate_limited", counts.rate_limited),
            ("tokens_exhausted", counts.tokens_exhausted),
        ] {
            self.line(format_args!("modelyard_key_checks_total{{outcome=\"{outcome}\"}} {count}"));
        }
    }

    fn memory(&mut self, memory: &MemoryStatus) {
        self.single(
            "modelyard_memory_budget_bytes",
            Kind::Gauge,
            "Memory of all loaded models together; 0 for no bound.",
            memory.budget_bytes,
        );
        self.single(
            "modelyard_memory_charged_bytes",
            Kind::Gauge,
            "What the models in memory are taken to need of it.",
            memory.charged_bytes,
        );
        self.single(
            "modelyard_evictions_total",
            Kind::Counter,
            "Versions that had to leave memory for others.",
            memory.evictions,
        );
    }

    fn batches(&mut self, activity: Activity) {
        self.single("modelyard_batches_open", Kind::Gauge, "Batches that have not ended.", activity.open);
        let name = "modelyard_batch_lines_total";
        self.family(name, Kind::Counter, "Lines of batches that have an outcome, by what came of them.");
        for (outcome, count) in [("answered", activity.answered), ("failed", activity.refused)] {
            self.line(format_args!("{name}{{outcome=\"{outcome}\"}} {count}"));
        }
    }

    fn requests(&mut self, state: &ServerState) {
        let mut endpoints: Vec<Endpoint> = ROUTES.iter().map(|route| route.endpoint).collect();
        // One endpoint may have routes in several places of the table.
        endpoints.sort_unstable_by_key(|endpoint| *endpoint as usize);
        endpoints.dedup();
        let endpoints: Vec<Option<Endpoint>> = endpoints.into_iter().map(Some).chain([None]).collect();
        let counted: Vec<_> = endpoints
            .iter()
            .map(|endpoint| (endpoint_name(*endpoint), state.metrics.counts(*endpoint)))
            .filter(|(_, counts)| counts.count > 0)
            .collect();
        self.family("modelyard_requests_total", Kind::Counter, "Requests, by endpoint and HTTP status.");
        for (endpoint, counts) in &counted {
            for (status, count) in &counts.statuses {
                self.line(format_args!(
                    "modelyard_requests_total{{endpoint=\"{endpoint}\",status=\"{status}\"}} {count}"
                ));
            }
        }
        let name = "modelyard_request_seconds";
        self.family(name, Kind::Histogram, "Time from a request's head to its answer's.");
        for (endpoint, counts) in &counted {
            for (bound, count) in BOUNDS.iter().zip(counts.at_most) {
                let seconds = *bound as f64 / 1e6;
                self.line(format_args!("{name}_bucket{{endpoint=\"{endpoint}\",le=\"{seconds}\"}} {count}"));
            }
            self.line(format_args!("{name}_bucket{{endpoint=\"{endpoint}\",le=\"+Inf\"}} {}", counts.count));
            let sum = counts.microseconds as f64 / 1e6;
            self.line(format_args!("{name}_sum{{endpoint=\"{endpoint}\"}} {sum}"));
            self.line(format_args!("{name}_count{{endpoint=\"{endpoint}\"}} {}", counts.count));
        }
    }
}

/// The labels of a version. Names of models hold nothing that would need escaping.
fn labels(version: &VersionRef) -> String {
    format!("model=\"{}\",version=\"{}\"", version.model, version.version)
}

/// The name of an endpoint as a label: `ModelReady` is `model_ready`.
fn endpoint_name(endpoint: Option<Endpoint>) -> String {
    let Some(endpoint) = endpoint else { return "none".to_owned() };
    let mut name = String::new();
    for letter in format!("{endpoint:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
