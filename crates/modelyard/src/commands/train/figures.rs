//! The figures of a job as a table.

use yard_jobs::Metric;

use crate::output::Table;

/// The last value of every metric.
pub(super) fn table(metrics: &[Metric]) -> String {
    let mut last: Vec<&Metric> = Vec::new();
    for metric in metrics {
        let same = |other: &&&Metric| (&other.split, &other.name) == (&metric.split, &metric.name);
        match last.iter().position(|other| same(&other)) {
            Some(place) if last[place].step <= metric.step => last[place] = metric,
            Some(_) => {}
            None => last.push(metric),
        }
    }
    let mut table = Table::new(&["SPLIT", "METRIC", "STEP", "VALUE"]);
    for metric in last {
        let value = format!("{:.4}", metric.value);
        table.row([metric.split.clone(), metric.name.clone(), metric.step.to_string(), value]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_each_metric_is_told() {
        let metric = |name: &str, step, value| Metric {
            split: "train".to_owned(),
            name: name.to_owned(),
            step,
            value,
        };
        let text = table(&[metric("loss", 1, 0.5), metric("loss", 2, 0.25), metric("accuracy", 2, 1.0)]);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("0.2500") && !text.contains("0.5000"), "{text}");
    }
}
