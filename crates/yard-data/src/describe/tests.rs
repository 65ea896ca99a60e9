use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};

use super::*;
use crate::statistics::{StatisticsBuilder, StatisticsOptions};

fn measured(columns: Vec<(&str, ArrayRef)>, options: StatisticsOptions) -> Statistics {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let mut builder = StatisticsBuilder::new(options);
    builder.add(&RecordBatch::try_from_iter_with_nullable(columns).unwrap()).unwrap();
    builder.finish()
}

fn sample() -> Statistics {
    let numbers: Float64Array = (0..8).map(|row| (row != 3).then(|| f64::from(row * row) / 4.0)).collect();
    let words: StringArray = ["red", "green", "red", "red", "blue", "green", "red", "a\u{1b}[31m\nb"]
        .map(Some)
        .into_iter()
        .collect();
    measured(vec![("size", Arc::new(numbers)), ("colour", Arc::new(words))], StatisticsOptions::default())
}

#[test]
fn the_table_says_it_all_and_its_lines_have_no_tail() {
    let expected = "\
paint.csv: 8 rows, 2 columns

NUMBERS  COUNT     MISSING  DISTINCT  ZEROS     MEAN  DEVIATION  MIN  5 %  25 %  50 %  75 %   95 %    MAX  HISTOGRAM
size         7  1 (12.5 %)         7      1  4.67857    4.72519    0    0  0.25     4     9  12.25  12.25  █▄ ▄   ▄  ▄   ▄    ▄

TEXTS   KIND  COUNT  MISSING  DISTINCT  LENGTH  MOST FREQUENT
colour  text      8        0         4  3 to 8  red 4, green 2, a\\u{1b}[31m\\nb 1
";
    let table = describe_table(&sample(), "paint.csv");
    // The bars are checked apart: their place depends on the edges only.
    let without_bars = |text: &str| text.split("  █").next().unwrap_or_default().to_owned();
    assert_eq!(without_bars(&table), without_bars(expected));
    assert_eq!(table.lines().skip(4).collect::<Vec<_>>(), expected.lines().skip(4).collect::<Vec<_>>());
    assert!(table.lines().all(|line| line == line.trim_end()));
}

#[test]
fn what_is_not_exact_is_said_with_its_error() {
    let word = |row: u32| if row.is_multiple_of(4) { "often".to_owned() } else { format!("word {row}") };
    let words: StringArray = (0..3000).map(|row| Some(word(row))).collect();
    let numbers: Float64Array = (0..3000).map(|row| Some(f64::from(row))).collect();
    let options = StatisticsOptions {
        quantile_buffer: 128,
        exact_distinct: 100,
        counted_values: 64,
        ..Default::default()
    };
    let statistics = measured(vec![("n", Arc::new(numbers)), ("w", Arc::new(words))], options);
    let table = describe_table(&statistics, "x");
    for expected in
        ["off by at most", "marked ~ are estimates with 0.8 %", "marked >= may be up to", "often >=7", "~2,"]
    {
        assert!(table.contains(expected), "{expected} is not in\n{table}");
    }
    assert!(describe_page(&statistics, "x").contains("off by at most"));
}

#[test]
fn a_stray_word_and_infinities_are_told_below_the_table() {
    let words: StringArray = ["1", "2", "inf", "oops"].map(Some).into_iter().collect();
    let table = describe_table(&measured(vec![("n", Arc::new(words))], StatisticsOptions::default()), "x");
    assert!(table.contains("n: 1 values are no numbers, the first in row 4: oops"), "{table}");
    assert!(table.contains("n: 1 values are infinite"), "{table}");
}

#[test]
fn the_page_escapes_what_came_from_the_data_and_loads_nothing() {
    let evil = "</title><script>alert('1')</script>&\"";
    let words: StringArray = [evil, evil, "b"].map(Some).into_iter().collect();
    let page = describe_page(&measured(vec![(evil, Arc::new(words))], StatisticsOptions::default()), evil);
    assert!(!page.contains("<script") && !page.contains("alert('"), "{page}");
    assert_eq!(page.matches("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;").count(), 4);
    for loads in ["http://", "https://", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(loads), "{loads}");
    }
    assert!(page.contains("default-src 'none'") && page.contains("prefers-color-scheme:dark"));
}

#[test]
fn the_page_draws_a_bar_for_each_count() {
    let page = describe_page(&sample(), "paint.csv");
    let drawn: u64 = page
        .lines()
        .filter_map(|line| {
            line.strip_prefix("<rect")?.split(": ").nth(1)?.split('<').next()?.parse::<u64>().ok()
        })
        .sum();
    // Seven sizes and the lengths of eight words.
    assert_eq!(drawn, 15);
    assert!(page.contains("<title>0 to 0.6125: 2</title>"), "{page}");
}

#[test]
fn figures_are_short_and_true() {
    let cases = [
        (0.0, "0"),
        (-3.0, "-3"),
        (1_234_567.0, "1234567"),
        (1234.56789, "1234.57"),
        (0.1 + 0.2, "0.3"),
        (0.000_012_345, "1.2345e-5"),
        (1e300, "1.0000e300"),
        (123_456.7, "123457"),
        (2.5, "2.5"),
    ];
    for (value, expected) in cases {
        assert_eq!(figures::number(value), expected);
    }
    assert_eq!([999, 1000, 1_234_567].map(figures::count), ["999", "1,000", "1,234,567"]);
    assert_eq!(figures::name("a\u{202e}b\tc", 9), "a\\u{202e}b\\tc");
    assert_eq!(figures::name("abcd", 3), "abc…");
}
