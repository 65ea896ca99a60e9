//! Finds the routes of a path.
//!
//! A pattern is made of plain segments, `{name}` for one segment and, at its end, `{*name}` for one or more segments.
//! Plain segments win over names.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Most named segments of a pattern.
const MAX_NAMED: usize = 3;

/// What stands in the named segments of a path, as it was sent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PathParameters<'a> {
    values: [(&'static str, &'a str); MAX_NAMED],
    count: usize,
}

/// Patterns, each with a value.
#[derive(Debug)]
pub(crate) struct PathTree<Value> {
    value: Option<Value>,
    plain: Vec<(&'static str, PathTree<Value>)>,
    named: Option<(&'static str, Box<PathTree<Value>>)>,
    rest: Option<(&'static str, Value)>,
}

impl<'a> PathParameters<'a> {
    /// The segment of this name; empty when the pattern has none.
    pub(crate) fn raw(&self, name: &str) -> &'a str {
        let named = self.values[..self.count].iter().find(|(known, _)| *known == name);
        named.map_or("", |(_, value)| value)
    }

    /// The segment of this name with its percent-encoding undone; `None` when that is not UTF-8.
    pub(crate) fn decoded(&self, name: &str) -> Option<Cow<'a, str>> {
        percent_decode_str(self.raw(name)).decode_utf8().ok()
    }

    /// All of them with their percent-encoding undone. What is not UTF-8 becomes empty, which names nothing.
    pub(crate) fn to_owned(self) -> Vec<(&'static str, String)> {
        let named = self.values[..self.count].iter();
        named.map(|(name, _)| (*name, self.decoded(name).unwrap_or_default().into_owned())).collect()
    }

    fn push(mut self, name: &'static str, value: &'a str) -> Self {
        debug_assert!(self.count < MAX_NAMED, "a pattern has at most {MAX_NAMED} named segments");
        if let Some(slot) = self.values.get_mut(self.count) {
            *slot = (name, value);
            self.count += 1;
        }
        self
    }
}

impl<Value> PathTree<Value> {
    pub(crate) const fn new() -> Self {
        Self { value: None, plain: Vec::new(), named: None, rest: None }
    }

    /// The value of this pattern, put there by `make` when the pattern is new.
    pub(crate) fn entry(&mut self, pattern: &'static str, make: impl FnOnce() -> Value) -> &mut Value {
        let mut tree = self;
        for segment in pattern.trim_start_matches('/').split('/') {
            let name = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}'));
            match name.map(|name| (name, name.strip_prefix('*'))) {
                Some((_, Some(rest))) => return &mut tree.rest.get_or_insert_with(|| (rest, make())).1,
                Some((name, None)) => {
                    let (known, next) = tree.named.get_or_insert_with(|| (name, Box::new(Self::new())));
                    debug_assert_eq!(*known, name, "one place in a path has one name: {pattern}");
                    tree = next;
                }
                None => {
                    let place = tree.plain.iter().position(|(known, _)| *known == segment);
                    let place = place.unwrap_or_else(|| {
                        tree.plain.push((segment, Self::new()));
                        tree.plain.len() - 1
                    });
                    tree = &mut tree.plain[place].1;
                }
            }
        }
        tree.value.get_or_insert_with(make)
    }

    /// The value of the pattern that a path matches, and what its named segments hold. A segment that is not UTF-8 names
    /// nothing.
    pub(crate) fn find<'a>(&self, path: &'a str) -> Option<(&Value, PathParameters<'a>)> {
        self.find_from(path.strip_prefix('/')?, PathParameters::default())
    }

    /// As deep as the patterns are long, whatever the path.
    fn find_from<'a>(
        &self,
        left: &'a str,
        parameters: PathParameters<'a>,
    ) -> Option<(&Value, PathParameters<'a>)> {
        let (segment, after) = match left.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (left, None),
        };
        if let Some((_, tree)) = self.plain.iter().find(|(known, _)| *known == segment)
            && let Some(found) = tree.find_after(after, parameters)
        {
            return Some(found);
        }
        if let Some((name, tree)) = &self.named
            && !segment.is_empty()
            && is_text(segment)
            && let Some(found) = tree.find_after(after, parameters.push(name, segment))
        {
            return Some(found);
        }
        let (name, value) = self.rest.as_ref().filter(|_| !left.is_empty() && is_text(left))?;
        Some((value, parameters.push(name, left)))
    }

    /// Goes on after a segment that led here.
    fn find_after<'a>(
        &self,
        after: Option<&'a str>,
        parameters: PathParameters<'a>,
    ) -> Option<(&Value, PathParameters<'a>)> {
        match after {
            Some(after) => self.find_from(after, parameters),
            None => self.value.as_ref().map(|value| (value, parameters)),
        }
    }
}

fn is_text(segment: &str) -> bool {
    !segment.contains('%') || percent_decode_str(segment).decode_utf8().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> PathTree<&'static str> {
        let mut tree = PathTree::new();
        for pattern in [
            "/",
            "/v2",
            "/v2/models/stats",
            "/v2/models/{model}",
            "/v2/models/{model}/versions/{version}/infer",
            "/files/{id}/{*path}",
        ] {
            tree.entry(pattern, || pattern);
        }
        tree
    }

    #[track_caller]
    fn check(path: &str, expected: Option<(&str, &[(&'static str, &str)])>) {
        let tree = tree();
        let got = tree.find(path);
        let got =
            got.as_ref().map(|(pattern, parameters)| (**pattern, &parameters.values[..parameters.count]));
        assert_eq!(got, expected, "{path}");
    }

    #[test]
    fn paths_find_their_pattern() {
        check("/", Some(("/", &[])));
        check("/v2", Some(("/v2", &[])));
        check("/v2/models/stats", Some(("/v2/models/stats", &[])));
        check("/v2/models/m", Some(("/v2/models/{model}", &[("model", "m")])));
        check(
            "/v2/models/m/versions/3/infer",
            Some(("/v2/models/{model}/versions/{version}/infer", &[("model", "m"), ("version", "3")])),
        );
        // A model may have the name of a route beside it.
        check(
            "/v2/models/stats/versions/3/infer",
            Some(("/v2/models/{model}/versions/{version}/infer", &[("model", "stats"), ("version", "3")])),
        );
        check("/files/7/a/b", Some(("/files/{id}/{*path}", &[("id", "7"), ("path", "a/b")])));
    }

    #[test]
    fn near_misses_find_nothing() {
        for path in [
            "",
            "v2",
            "/v2/",
            "/v3",
            "/v2/models",
            "/v2/models/",
            "/v2/models//versions/3/infer",
            "/files/7",
            "/files/7/",
            "/files/7/%ff",
            "/files/%ff/a",
            "/v2/models/%FF",
        ] {
            check(path, None);
        }
    }

    #[test]
    fn percent_encoding_is_undone_on_demand() {
        let tree = tree();
        let (_, parameters) = tree.find("/files/7/a%20b%2Fc").unwrap();
        assert_eq!(parameters.decoded("path").as_deref(), Some("a b/c"));
    }
}
