//! The learning curve as text.

use std::fmt::Write as _;

use yard_jobs::Metric;

/// Columns and rows of the drawing, without its frame.
const WIDTH: usize = 60;
const HEIGHT: usize = 12;
/// What is drawn.
const METRIC: &str = "loss";
/// On what it was measured, each with its sign. Where two meet, the later one is seen.
const SERIES: [(&str, char); 2] = [("train", '*'), ("validation", 'o')];

/// From which ratio of the largest to the smallest loss on the height is the logarithm.
const LOGARITHMIC_FROM: f64 = 20.0;

/// Draws the loss by step; `None` where there are not two steps of any series.
pub(crate) fn draw(metrics: &[Metric]) -> Option<String> {
    let drawn: Vec<(char, Vec<(u64, f64)>)> =
        SERIES.iter().map(|(split, sign)| (*sign, series(metrics, split))).collect();
    let points = || drawn.iter().flat_map(|(_, points)| points);
    if drawn.iter().all(|(_, points)| points.len() < 2) {
        return None;
    }
    let (first, last) = (points().map(|point| point.0).min()?, points().map(|point| point.0).max()?);
    let lowest = points().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let highest = points().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
    let logarithmic = lowest > 0.0 && highest / lowest >= LOGARITHMIC_FROM;
    let height = |value: f64| if logarithmic { value.ln() } else { value };
    let mut canvas = [[' '; WIDTH]; HEIGHT];
    for (sign, points) in &drawn {
        for (step, value) in points {
            let column = place((step - first) as f64, (last - first) as f64, WIDTH);
            let row =
                HEIGHT - 1 - place(height(*value) - height(lowest), height(highest) - height(lowest), HEIGHT);
            canvas[row][column] = *sign;
        }
    }
    Some(framed(&canvas, logarithmic, (lowest, highest), (first, last)))
}

/// The values that can be drawn, by step.
fn series(metrics: &[Metric], split: &str) -> Vec<(u64, f64)> {
    let mut points: Vec<_> = metrics
        .iter()
        .filter(|metric| metric.name == METRIC && metric.split == split && metric.value.is_finite())
        .map(|metric| (metric.step, metric.value))
        .collect();
    points.sort_by_key(|point| point.0);
    points
}

/// Which of `count` places a part of a whole falls into.
fn place(part: f64, whole: f64, count: usize) -> usize {
    if whole <= 0.0 {
        return 0;
    }
    // Between 0 and `count - 1`, so that the cast is exact enough.
    ((part / whole).clamp(0.0, 1.0) * (count - 1) as f64).round() as usize
}

fn framed(
    canvas: &[[char; WIDTH]; HEIGHT],
    logarithmic: bool,
    values: (f64, f64),
    steps: (u64, u64),
) -> String {
    let mut text = String::new();
    let scale = if logarithmic { ", logarithmic" } else { "" };
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{METRIC}{scale}  ({})",
        SERIES.map(|(split, sign)| format!("{sign} {split}")).join(", ")
    );
    for (row, line) in canvas.iter().enumerate() {
        let label = match row {
            0 => format!("{:.4}", values.1),
            _ if row == HEIGHT - 1 => format!("{:.4}", values.0),
            _ => String::new(),
        };
        let line: String = line.iter().collect();
        let _ = writeln!(text, "{label:>10} |{}", line.trim_end());
    }
    let (first, last) = (steps.0.to_string(), steps.1.to_string());
    let _ = writeln!(text, "{:>10} +{}", "", "-".repeat(WIDTH));
    let _ = write!(text, "{:>12}{first}{last:>width$}", "", width = WIDTH - first.len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(split: &str, step: u64, value: f64) -> Metric {
        Metric { split: split.to_owned(), name: METRIC.to_owned(), step, value }
    }

    #[test]
    fn a_curve_shows_each_series_between_its_ends() {
        let mut metrics = Vec::new();
        for step in 1..=10 {
            metrics.push(metric("train", step, 1.0 / step as f64));
            metrics.push(metric("validation", step, 0.3 + 1.0 / step as f64));
        }
        metrics.push(metric("train", 11, f64::NAN));
        let text = draw(&metrics).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), HEIGHT + 3);
        assert!(lines[1].starts_with("    1.3000 |o"), "{text}");
        assert!(lines[HEIGHT].starts_with("    0.1000 |") && lines[HEIGHT].ends_with('*'), "{text}");
        assert!(
            lines[HEIGHT + 2].trim_start().starts_with('1') && lines[HEIGHT + 2].ends_with("10"),
            "{text}"
        );
        assert!(lines.iter().all(|line| line.chars().count() <= 12 + WIDTH), "{text}");
    }

    #[test]
    fn a_loss_that_falls_far_is_drawn_by_its_logarithm() {
        let metrics: Vec<Metric> =
            (0..5).map(|step| metric("train", step, 10f64.powi(-(step as i32)))).collect();
        let text = draw(&metrics).unwrap();
        assert!(text.starts_with("loss, logarithmic  ("), "{text}");
        let rows: Vec<usize> = text
            .lines()
            .skip(1)
            .enumerate()
            .filter(|(_, line)| line.contains('*'))
            .map(|(row, _)| row)
            .collect();
        assert_eq!(rows, [0, 3, 5, 8, 11], "a power of ten is always as high: {text}");
    }

    #[test]
    fn a_flat_curve_and_steps_that_come_in_any_order_are_drawn() {
        let text = draw(&[metric("train", 9, 0.5), metric("train", 3, 0.5)]).unwrap();
        assert_eq!(text.matches('*').count(), 3, "{text}");
    }

    #[test]
    fn one_step_is_no_curve() {
        assert_eq!(draw(&[]), None);
        assert_eq!(draw(&[metric("train", 1, 0.5), metric("validation", 1, 0.5)]), None);
        let other = Metric { name: "accuracy".to_owned(), ..metric("train", 2, 0.5) };
        assert_eq!(draw(&[metric("train", 1, 0.5), other]), None);
    }
}
