//! The figures of a job as a table.

use yard_jobs::Metric;

use crate::output::Table;

/// What was measured of the model that is kept: of each metric the value at its step, and the last one where there is
/// none. Some metrics are measured of that model alone, so its step is the first at which any metric was last measured.
pub(super) fn table(metrics: &[Metric]) -> String {
    let mut last: Vec<&Metric> = Vec::new();
    for metric in metrics {
        match last.iter().position(|other| same(other, metric)) {
            Some(place) if last[place].step <= metric.step => last[place] = metric,
            Some(_) => {}
            None => last.push(metric),
        }
    }
    let kept = last.iter().map(|metric| metric.step).min();
    let at_kept =
        |last: &Metric| metrics.iter().rev().find(|metric| same(last, metric) && Some(metric.step) == kept);
    let mut table = Table::new(&["SPLIT", "METRIC", "STEP", "VALUE"]);
    for metric in last.iter().map(|last| at_kept(last).unwrap_or(last)) {
        let value = format!("{:.4}", metric.value);
        table.row([metric.split.clone(), metric.name.clone(), metric.step.to_string(), value]);
    }
    table.render()
}

fn same(one: &Metric, other: &Metric) -> bool {
    (&one.split, &one.name) == (&other.split, &other.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, step: u64, value: f64) -> Metric {
        Metric { split: "train".to_owned(), name: name.to_owned(), step, value }
    }

    #[test]
    fn without_a_better_one_the_last_value_of_each_metric_is_told() {
        let text = table(&[metric("loss", 1, 0.5), metric("loss", 2, 0.25), metric("accuracy", 2, 1.0)]);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("0.2500") && !text.contains("0.5000"), "{text}");
    }

    #[test]
    fn every_value_is_that_of_the_model_that_is_kept() {
        let text = table(&[
            metric("loss", 1, 0.5),
            metric("loss", 2, 0.25),
            metric("loss", 3, 0.75),
            metric("f1_macro", 2, 0.9),
        ]);
        assert!(text.contains("0.2500") && text.contains("0.9000") && !text.contains("0.7500"), "{text}");
    }
}
