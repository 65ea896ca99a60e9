//! Where the templates of models differ from the language as it is known here.

use std::borrow::Cow;

use minijinja::{Value, value::ValueKind};

/// Templates mark what a model is trained on with a tag that changes no text.
const MARKS: [(&str, &str); 2] = [("endgeneration", "endif"), ("generation", "if true")];

/// The template with such marks as conditions that always hold.
pub(super) fn without_marks(source: &str) -> Cow<'_, str> {
    if !source.contains("generation") {
        return Cow::Borrowed(source);
    }
    let mut written = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start + 2);
        written.push_str(before);
        let sign = usize::from(tag.starts_with(['-', '+']));
        let word = tag[sign..].trim_start();
        let blank = tag.len() - word.len();
        let mark = MARKS.into_iter().find(|(name, _)| {
            word.strip_prefix(name)
                .is_some_and(|behind| behind.trim_start().trim_start_matches(['-', '+']).starts_with("%}"))
        });
        written.push_str(&tag[..blank]);
        rest = match mark {
            Some((name, instead)) => {
                written.push_str(instead);
                &word[name.len()..]
            }
            None => word,
        };
    }
    written.push_str(rest);
    Cow::Owned(written)
}

/// Whether something can be gone through: `none` cannot, as in Python.
pub(super) fn is_iterable(value: &Value) -> bool {
    value.kind() != ValueKind::None && value.try_iter().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_conditions_and_nothing_else_changes() {
        let source =
            "{%- generation -%}a{% endgeneration %}{%  generation%}{{ generation }}{% if generation %}";
        let expected = "{%- if true -%}a{% endif %}{%  if true%}{{ generation }}{% if generation %}";
        assert_eq!(without_marks(source), expected);
        for same in
            ["", "{%", "generation {% set generation = 1 %}", "{% generations %}", "{%- endgeneration"]
        {
            assert_eq!(without_marks(same), same);
        }
    }
}
