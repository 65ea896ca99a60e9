//! Metrics of language models.
//!
//! What answers are is counted here in the server; what the engine holds is what its process said last, and is left out
//! while the process is started again: a scrape waits for none of them.

use std::{sync::Arc, time::Duration};

use yard_language::{LanguageCounts, LanguageModel, TimesSnapshot, messages::StatsResponse};
use yard_serving::{Bucket, HistogramSnapshot};
use yard_types::VersionRef;

use super::{Kind, Page, labels};

/// A loaded language model at the moment of a scrape.
struct Shown {
    labels: String,
    counts: LanguageCounts,
    engine: Option<StatsResponse>,
    restarts: u64,
    is_running: bool,
}

/// A name, what it is, what it counts, and where that stands.
type Single = (&'static str, Kind, &'static str, fn(&Shown) -> Option<u64>);

const SINGLES: [Single; 12] = [
    ("modelyard_language_up", Kind::Gauge, "Whether the process of the model runs.", |shown| {
        Some(shown.is_running.into())
    }),
    (
        "modelyard_language_restarts_total",
        Kind::Counter,
        "Attempts to start the process of the model again.",
        |shown| Some(shown.restarts),
    ),
    (
        "modelyard_language_answers_in_flight",
        Kind::Gauge,
        "Answers that were begun and have not ended, those included that wait.",
        |shown| Some(shown.counts.answers_in_flight),
    ),
    ("modelyard_language_running", Kind::Gauge, "Requests that the engine works on.", |shown| {
        Some(shown.engine.as_ref()?.running)
    }),
    ("modelyard_language_waiting", Kind::Gauge, "Requests that wait in the engine.", |shown| {
        Some(shown.engine.as_ref()?.waiting)
    }),
    (
        "modelyard_language_prompt_tokens_total",
        Kind::Counter,
        "Tokens of prompts that the model began with, those of embeddings included.",
        |shown| Some(shown.counts.prompt_tokens),
    ),
    (
        "modelyard_language_cached_prompt_tokens_total",
        Kind::Counter,
        "Tokens of prompts that were known and not computed again.",
        |shown| Some(shown.counts.cached_prompt_tokens),
    ),
    (
        "modelyard_language_answer_tokens_total",
        Kind::Counter,
        "Tokens of answers, with those that ended them.",
        |shown| Some(shown.counts.answer_tokens),
    ),
    ("modelyard_language_embeddings_total", Kind::Counter, "Embeddings that were given.", |shown| {
        Some(shown.counts.embeddings)
    }),
    (
        "modelyard_language_guessed_tokens_total",
        Kind::Counter,
        "Tokens that the engine guessed from earlier text.",
        |shown| Some(shown.engine.as_ref()?.guessed_tokens),
    ),
    (
        "modelyard_language_right_guesses_total",
        Kind::Counter,
        "Guessed tokens that the model wrote indeed.",
        |shown| Some(shown.engine.as_ref()?.right_guesses),
    ),
    (
        "modelyard_language_preemptions_total",
        Kind::Counter,
        "Times that a request gave up its pages to another.",
        |shown| Some(shown.engine.as_ref()?.preemptions),
    ),
];

impl Page {
    pub(super) fn language_models(&mut self, models: &[(VersionRef, Arc<LanguageModel>)]) {
        let shown: Vec<Shown> = models.iter().map(|(version, model)| Shown::new(version, model)).collect();
        if !shown.is_empty() {
            self.languages(&shown);
        }
    }

    fn languages(&mut self, models: &[Shown]) {
        for (name, kind, help, read) in SINGLES {
            self.family(name, kind, help);
            for shown in models {
                if let Some(value) = read(shown) {
                    self.line(format_args!("{name}{{{}}} {value}", shown.labels));
                }
            }
        }
        let name = "modelyard_language_requests_total";
        self.family(
            name,
            Kind::Counter,
            "Answers that have ended, by how; each of several to one prompt counts.",
        );
        for Shown { labels, counts, .. } in models {
            for (end, count) in &counts.ended {
                self.line(format_args!("{name}{{{labels},reason=\"{}\"}} {count}", end.as_str()));
            }
        }
        let name = "modelyard_language_kv_pages";
        self.family(
            name,
            Kind::Gauge,
            "Pages of keys and values: held by requests, kept for prompts to come, free.",
        );
        for Shown { labels, engine, .. } in models {
            for (state, count) in engine.iter().flat_map(pages) {
                self.line(format_args!("{name}{{{labels},state=\"{state}\"}} {count}"));
            }
        }
        let name = "modelyard_language_time_to_first_token_seconds";
        self.family(name, Kind::Histogram, "Time from a request to the first token of its answer.");
        for Shown { labels, counts, .. } in models {
            self.histogram(name, labels, &histogram(&counts.to_first_token));
        }
        let name = "modelyard_language_inter_token_seconds";
        self.family(name, Kind::Histogram, "Time from a token of an answer to the next.");
        for Shown { labels, counts, .. } in models {
            self.histogram(name, labels, &histogram(&counts.between_tokens));
        }
    }
}

impl Shown {
    fn new(version: &VersionRef, model: &LanguageModel) -> Self {
        Self {
            labels: labels(version),
            counts: model.counts(),
            engine: model.last_stats(),
            restarts: model.restarts(),
            is_running: model.is_running(),
        }
    }
}

/// All pages, by what is in them.
fn pages(engine: &StatsResponse) -> [(&'static str, u64); 3] {
    let StatsResponse { pages, free_pages, idle_pages, .. } = *engine;
    let used = pages.saturating_sub(free_pages).saturating_sub(idle_pages);
    [("used", used), ("kept", idle_pages), ("free", free_pages)]
}

fn histogram(times: &TimesSnapshot) -> HistogramSnapshot {
    let bucket = |(upper, count): &(Duration, u64)| Bucket { upper: upper.as_secs_f64(), count: *count };
    HistogramSnapshot {
        buckets: times.at_most.iter().map(bucket).collect(),
        count: times.count,
        sum: times.sum.as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use yard_language::AnswerEnd;

    use super::*;

    fn shown(model: &str, engine: Option<StatsResponse>) -> Shown {
        let times = |at_most, count, milliseconds| TimesSnapshot {
            at_most,
            count,
            sum: Duration::from_millis(milliseconds),
        };
        Shown {
            labels: format!("model=\"{model}\",version=\"2\""),
            counts: LanguageCounts {
                ended: AnswerEnd::ALL.into_iter().zip(3..).collect(),
                answers_in_flight: 1,
                prompt_tokens: 40,
                cached_prompt_tokens: 16,
                answer_tokens: 90,
                embeddings: 2,
                to_first_token: times(
                    vec![(Duration::from_micros(2_500), 1), (Duration::from_secs(1), 4)],
                    5,
                    6_500,
                ),
                between_tokens: times(vec![(Duration::from_micros(100), 85)], 85, 4),
            },
            engine,
            restarts: 3,
            is_running: engine.is_some(),
        }
    }

    fn engine() -> StatsResponse {
        StatsResponse {
            running: 1,
            waiting: 6,
            pages: 100,
            free_pages: 70,
            kept_pages: 25,
            idle_pages: 20,
            guessed_tokens: 12,
            right_guesses: 9,
            preemptions: 4,
            ..StatsResponse::default()
        }
    }

    fn page(models: &[Shown]) -> String {
        let mut page = Page::default();
        page.languages(models);
        page.0
    }

    #[test]
    fn a_model_shows_what_operators_look_for() {
        let page = page(&[shown("chat", Some(engine()))]);
        for line in [
            "up{} 1",
            "restarts_total{} 3",
            "answers_in_flight{} 1",
            "running{} 1",
            "waiting{} 6",
            "prompt_tokens_total{} 40",
            "cached_prompt_tokens_total{} 16",
            "answer_tokens_total{} 90",
            "embeddings_total{} 2",
            "guessed_tokens_total{} 12",
            "right_guesses_total{} 9",
            "preemptions_total{} 4",
            "requests_total{,reason=\"stop\"} 3",
            "requests_total{,reason=\"failed\"} 8",
            "kv_pages{,state=\"used\"} 10",
            "kv_pages{,state=\"kept\"} 20",
            "kv_pages{,state=\"free\"} 70",
            "time_to_first_token_seconds_bucket{,le=\"0.0025\"} 1",
            "time_to_first_token_seconds_bucket{,le=\"1\"} 4",
            "time_to_first_token_seconds_bucket{,le=\"+Inf\"} 5",
            "time_to_first_token_seconds_sum{} 6.5",
            "time_to_first_token_seconds_count{} 5",
            "inter_token_seconds_bucket{,le=\"0.0001\"} 85",
        ] {
            let (name, rest) = line.split_once('{').unwrap();
            let line = format!("modelyard_language_{name}{{model=\"chat\",version=\"2\"{rest}");
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }

    #[test]
    fn what_the_engine_holds_is_left_out_while_there_is_none() {
        let page = page(&[shown("chat", None), shown("other", Some(engine()))]);
        assert!(page.contains("modelyard_language_up{model=\"chat\",version=\"2\"} 0\n"), "{page}");
        assert!(page.contains("modelyard_language_answer_tokens_total{model=\"chat\",version=\"2\"} 90\n"));
        for name in ["running", "waiting", "preemptions_total", "kv_pages", "guessed_tokens_total"] {
            assert!(!page.contains(&format!("modelyard_language_{name}{{model=\"chat\"")), "{name}\n{page}");
            assert!(page.contains(&format!("modelyard_language_{name}{{model=\"other\"")), "{name}\n{page}");
        }
    }

    #[test]
    fn families_are_told_once_and_stand_together() {
        let page = page(&[shown("a", Some(engine())), shown("b", Some(engine()))]);
        let (mut families, mut samples) = (BTreeSet::new(), BTreeSet::new());
        let (mut family, mut kind) = ("", "");
        for line in page.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, text) = help.split_once(' ').unwrap();
                assert!(families.insert(name) && text.ends_with('.'), "{line}");
                family = name;
            } else if let Some(told) = line.strip_prefix("# TYPE ") {
                let (name, told) = told.split_once(' ').unwrap();
                assert_eq!((name, name.ends_with("_total")), (family, told == "counter"), "{line}");
                kind = told;
            } else {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                let suffix = sample.split_once('{').unwrap().0.strip_prefix(family).unwrap();
                let is_of_histogram = ["_bucket", "_sum", "_count"].contains(&suffix);
                assert_eq!(
                    (suffix.is_empty(), is_of_histogram),
                    (kind != "histogram", kind == "histogram"),
                    "{line}"
                );
                assert!(samples.insert(sample) && value.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert_eq!(families.len(), SINGLES.len() + 4);
    }

    #[test]
    fn a_server_without_language_models_shows_none_of_it() {
        let mut page = Page::default();
        page.language_models(&[]);
        assert_eq!(page.0, "");
    }
}
