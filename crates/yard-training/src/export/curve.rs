//! The learning curve as a drawing that needs nothing else.

use std::fmt::Write as _;

use yard_spec::TrainingSpec;

use crate::train::{CurvePoint, FittedRows, is_of_trees};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 620.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 310.0;
/// More points than this cannot be told apart.
const MOST_POINTS: usize = 550;

/// Losses over the epochs on both parts of the data, and which epoch is kept.
pub(crate) fn curve(spec: &TrainingSpec, fitted: &FittedRows) -> String {
    let what = if is_of_trees(&spec.model) { "round" } else { "epoch" };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\">{}: loss by {what}</text>\n",
        spec.name.as_str()
    );
    match Frame::of(&fitted.history) {
        Some(frame) => draw(&mut svg, &frame, fitted, what),
        None => put(&mut svg, format_args!("<text x=\"{LEFT}\" y=\"{TOP}\">fitted in one step</text>")),
    }
    svg.push_str("</svg>\n");
    svg
}

fn put(svg: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(svg, "{line}").expect("writing to a text cannot fail");
}

/// Where values lie on the drawing.
struct Frame {
    first: f64,
    last: f64,
    low: f64,
    high: f64,
}

impl Frame {
    fn of(history: &[CurvePoint]) -> Option<Self> {
        let losses = history.iter().flat_map(|point| [Some(point.train_loss), point.validation_loss]);
        let losses = || losses.clone().flatten().filter(|loss| loss.is_finite());
        let (first, last) = (history.first()?.epoch as f64, history.last()?.epoch as f64);
        let low = losses().fold(f64::INFINITY, f64::min);
        let high = losses().fold(f64::NEG_INFINITY, f64::max);
        (low <= high).then_some(Self { first, last, low, high })
    }

    fn x(&self, epoch: f64) -> f64 {
        LEFT + (epoch - self.first) / (self.last - self.first).max(1.0) * (RIGHT - LEFT)
    }

    fn y(&self, loss: f64) -> f64 {
        let height = self.high - self.low;
        let share = if height > 0.0 { (loss - self.low) / height } else { 0.5 };
        BOTTOM - share * (BOTTOM - TOP)
    }
}

fn draw(svg: &mut String, frame: &Frame, fitted: &FittedRows, what: &str) {
    put(svg, format_args!("<path d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\" fill=\"none\" stroke=\"#888888\"/>"));
    for loss in [frame.low, frame.high] {
        let (x, y) = (LEFT - 6.0, frame.y(loss) + 4.0);
        put(svg, format_args!("<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{loss:.4}</text>"));
    }
    for epoch in [frame.first, frame.last] {
        let (x, y) = (frame.x(epoch), BOTTOM + 18.0);
        put(svg, format_args!("<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{epoch}</text>"));
    }
    let lines = [
        ("training", "#1f6fb4", RIGHT - 200.0, points(frame, fitted, |point| Some(point.train_loss))),
        ("validation", "#d9601a", RIGHT - 100.0, points(frame, fitted, |point| point.validation_loss)),
    ];
    for (name, colour, x, points) in lines {
        if points.is_empty() {
            continue;
        }
        put(
            svg,
            format_args!(
                "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
                 <text x=\"{x}\" y=\"24\" fill=\"{colour}\">{name}</text>"
            ),
        );
    }
    let best = fitted.best_epoch as f64;
    let x = frame.x(best);
    let y = BOTTOM + 36.0;
    put(
        svg,
        format_args!(
            "<path d=\"M{x:.1} {TOP}V{BOTTOM}\" stroke=\"#888888\" stroke-dasharray=\"4 4\"/>\n\
             <text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">kept: {what} {best}</text>"
        ),
    );
}

fn points(frame: &Frame, fitted: &FittedRows, loss: impl Fn(&CurvePoint) -> Option<f64>) -> String {
    let every = fitted.history.len().div_ceil(MOST_POINTS).max(1);
    let last = fitted.history.len().saturating_sub(1);
    let chosen = fitted.history.iter().enumerate();
    let chosen = chosen.filter(|(place, _)| place % every == 0 || *place == last).map(|(_, point)| point);
    let mut points = String::new();
    for point in chosen {
        if let Some(loss) = loss(point).filter(|loss| loss.is_finite()) {
            let separator = if points.is_empty() { "" } else { " " };
            let (x, y) = (frame.x(point.epoch as f64), frame.y(loss));
            write!(points, "{separator}{x:.1},{y:.1}").expect("writing to a text cannot fail");
        }
    }
    points
}
