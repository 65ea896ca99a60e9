//! The part of a URL after the question mark.

use percent_encoding::percent_decode_str;

use crate::failure::Failure;

/// The query of a request. Names that a route does not know are refused, so that a misspelt one is no silence.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueryParameters(Vec<(String, String)>);

impl QueryParameters {
    /// Reads a query whose names are all among `known`.
    pub(crate) fn parse(query: Option<&str>, known: &[&str]) -> Result<Self, Failure> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if !known.contains(&name.as_str()) {
                let shown: String = name.chars().take(64).flat_map(char::escape_default).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(Failure::invalid(format!(
                    "unknown query parameter '{shown}'; known are: {known}"
                )));
            }
            if parameters.iter().any(|(seen, _)| *seen == name) {
                return Err(
                    Failure::invalid(format!("query parameter '{name}' is given twice")).with_param(name)
                );
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter, read as `T`.
    pub(crate) fn get<T: std::str::FromStr>(&self, name: &'static str) -> Result<Option<T>, Failure> {
        let Some((_, value)) = self.0.iter().find(|(known, _)| known == name) else { return Ok(None) };
        let refused =
            |_| Failure::invalid(format!("query parameter '{name}' cannot be read")).with_param(name);
        value.parse().map(Some).map_err(refused)
    }
}

fn decode(text: &str) -> Result<String, Failure> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(Into::into).map_err(|_| Failure::invalid("the query of the request is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_and_others_refused() {
        let query = QueryParameters::parse(Some("limit=5&before=a%20b&"), &["limit", "before"]).unwrap();
        assert_eq!(query.get::<u32>("limit").unwrap(), Some(5));
        assert_eq!(query.get::<String>("before").unwrap().as_deref(), Some("a b"));
        assert_eq!(query.get::<u32>("other").unwrap(), None);
        assert!(query.get::<u32>("before").is_err());
        for query in ["limt=5", "limit=1&limit=2", "limit=%ff"] {
            assert!(QueryParameters::parse(Some(query), &["limit"]).is_err(), "{query}");
        }
        assert!(QueryParameters::parse(None, &[]).is_ok());
    }
}
