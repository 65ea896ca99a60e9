//! The page: one HTML file without scripts, fonts or images from elsewhere.

use std::fmt::Write as _;

use super::figures;
use super::{errors, is_told_by_numbers};
use crate::statistics::{ColumnStatistics, Histogram, NumberStatistics, Statistics};

const VALUES: usize = 10;
const LONGEST_VALUE: usize = 60;

const STYLE: &str = "
:root{color-scheme:light dark;--back:#fff;--card:#f6f7f9;--text:#1b1f24;--soft:#5b6570;--line:#d9dee4;--bar:#3b6fb6}
@media(prefers-color-scheme:dark){:root{--back:#14171a;--card:#1d2126;--text:#e6e9ec;--soft:#9aa4ae;--line:#333a42;--bar:#6c9fe3}}
body{margin:0 auto;max-width:72rem;padding:1.5rem;background:var(--back);color:var(--text);font:15px/1.45 system-ui,sans-serif}
h1{font-size:1.4rem;overflow-wrap:anywhere}h2{font-size:1.05rem;margin:0 0 .5rem;overflow-wrap:anywhere}
.kind{color:var(--soft);font-weight:normal}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(20rem,1fr));gap:1rem}
section{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:1rem;min-width:0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th{font-weight:normal;color:var(--soft);text-align:left;padding:.1rem .5rem .1rem 0;overflow-wrap:anywhere}
td{text-align:right;padding:.1rem 0;overflow-wrap:anywhere}
svg{width:100%;height:auto;display:block;margin:.75rem 0}rect{fill:var(--bar)}.axis{stroke:var(--line)}
svg text{fill:var(--soft);font-size:11px}p,li{color:var(--soft)}
";

/// The statistics as a page. Whatever came from the data is escaped.
pub fn describe_page(statistics: &Statistics, title: &str) -> String {
    let title = escaped(&figures::name(title, 200));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
         <p>{} rows, {} columns</p>\n<div class=\"cards\">\n",
        figures::count(statistics.rows),
        figures::count(statistics.columns.len() as u64)
    );
    for column in &statistics.columns {
        card(&mut page, column);
    }
    page.push_str("</div>\n");
    let notes = errors(statistics);
    if !notes.is_empty() {
        page.push_str("<ul>\n");
        for note in notes {
            line(&mut page, format_args!("<li>{}</li>", escaped(&note)));
        }
        page.push_str("</ul>\n");
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn card(page: &mut String, column: &ColumnStatistics) {
    let name = escaped(&figures::name(&column.name, 200));
    line(page, format_args!("<section>\n<h2>{name} <span class=\"kind\">{}</span></h2>", column.kind));
    let mut facts = vec![
        ("count", figures::count(column.count())),
        ("missing", figures::missing(column)),
        ("distinct", figures::distinct(column)),
    ];
    if column.infinite > 0 {
        facts.push(("infinite", figures::count(column.infinite)));
    }
    if let Some((row, word)) = &column.stray_word {
        facts.push(("no numbers", figures::count(column.words)));
        facts.push(("the first of them", format!("{} (row {row})", figures::name(word, LONGEST_VALUE))));
    }
    let told = column.numbers.as_ref().filter(|_| is_told_by_numbers(column));
    if let Some(numbers) = told {
        histogram(page, &numbers.histogram, "values");
        facts.extend(number_facts(numbers));
        facts.push(("zeros", figures::count(numbers.zeros)));
        facts.push(("below zero", figures::count(numbers.negatives)));
    } else if let Some(lengths) = &column.lengths {
        histogram(page, &lengths.histogram, "lengths in characters");
        facts.push(("shortest", figures::number(lengths.min)));
        facts.push(("mean length", figures::optional(lengths.mean)));
        facts.push(("longest", figures::number(lengths.max)));
    }
    rows(page, facts.into_iter().map(|(name, value)| (name.to_owned(), value)));
    if told.is_none() && !column.values.is_empty() {
        line(page, format_args!("<p>Most frequent</p>"));
        let mark = if column.values_error > 0 { "≥ " } else { "" };
        let values = column.values.iter().take(VALUES);
        rows(
            page,
            values.map(|value| {
                (figures::name(&value.value, LONGEST_VALUE), format!("{mark}{}", figures::count(value.count)))
            }),
        );
    }
    page.push_str("</section>\n");
}

fn number_facts(numbers: &NumberStatistics) -> Vec<(&'static str, String)> {
    let at = |share| figures::number(numbers.quantiles.at(share));
    vec![
        ("mean", figures::optional(numbers.mean)),
        ("standard deviation", figures::optional(numbers.standard_deviation)),
        ("smallest", figures::number(numbers.min)),
        ("1 %", at(0.01)),
        ("5 %", at(0.05)),
        ("25 %", at(0.25)),
        ("50 %", at(0.5)),
        ("75 %", at(0.75)),
        ("95 %", at(0.95)),
        ("99 %", at(0.99)),
        ("largest", figures::number(numbers.max)),
    ]
}

fn rows(page: &mut String, rows: impl Iterator<Item = (String, String)>) {
    page.push_str("<table>\n");
    for (name, value) in rows {
        line(
            page,
            format_args!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escaped(&name), escaped(&value)),
        );
    }
    page.push_str("</table>\n");
}

/// Bars with their counts as tool tips, and the ends of the range below.
fn histogram(page: &mut String, histogram: &Histogram, what: &str) {
    const WIDTH: f64 = 320.0;
    const HEIGHT: f64 = 90.0;
    let highest = histogram.counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let step = WIDTH / histogram.counts.len().max(1) as f64;
    line(
        page,
        format_args!("<svg viewBox=\"0 0 {WIDTH} 108\" role=\"img\" aria-label=\"histogram of {what}\">"),
    );
    let edges = histogram.edges.windows(2);
    for (bar, (edges, &count)) in edges.zip(&histogram.counts).enumerate() {
        if count == 0 {
            continue;
        }
        let height = (count as f64 / highest * HEIGHT).max(1.0);
        line(
            page,
            format_args!(
                "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{height:.2}\"><title>{} to {}: {}</title></rect>",
                bar as f64 * step + 0.5,
                HEIGHT - height,
                (step - 1.0).max(0.5),
                figures::number(edges[0]),
                figures::number(edges[1]),
                figures::count(count)
            ),
        );
    }
    let ends = [histogram.edges.first(), histogram.edges.last()].map(|edge| figures::optional(edge.copied()));
    line(
        page,
        format_args!(
            "<line class=\"axis\" x1=\"0\" y1=\"{HEIGHT}\" x2=\"{WIDTH}\" y2=\"{HEIGHT}\"/>\
             <text x=\"0\" y=\"104\">{}</text><text x=\"{WIDTH}\" y=\"104\" text-anchor=\"end\">{}</text></svg>",
            ends[0], ends[1]
        ),
    );
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = page.write_fmt(text);
    page.push('\n');
}

fn escaped(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => result.push_str("&amp;"),
            '<' => result.push_str("&lt;"),
            '>' => result.push_str("&gt;"),
            '"' => result.push_str("&quot;"),
            '\'' => result.push_str("&#39;"),
            other => result.push(other),
        }
    }
    result
}
