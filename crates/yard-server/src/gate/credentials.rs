//! Where a key stands in a request.

use http::{HeaderMap, HeaderName, header::AUTHORIZATION};

use crate::failure::Failure;

/// Where a key may stand besides `Authorization`.
pub(crate) const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The key of a request, from `Authorization: Bearer` (also as gRPC metadata) or `X-API-Key`; `None` when it has none.
///
/// Two different keys are an error: whoever sent them cannot know as whom the request would be taken.
pub(crate) fn presented_key(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    let bearer = match single(headers, &AUTHORIZATION)? {
        Some(value) => Some(bearer(value)?),
        None => None,
    };
    let plain = single(headers, &X_API_KEY)?.map(str::trim);
    match (bearer, plain) {
        (Some(bearer), Some(plain)) if bearer != plain => {
            Err(Failure::invalid("the request brings two different API keys: send one of them"))
        }
        (bearer, plain) => Ok(bearer.or(plain)),
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Failure> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|other| other != first) {
        return Err(Failure::invalid(format!(
            "the request has several different '{name}' headers: send one of them"
        )));
    }
    // What is not text is no key; it is refused as one that is not valid.
    Ok(Some(first.to_str().unwrap_or("?")))
}

fn bearer(value: &str) -> Result<&str, Failure> {
    let (scheme, key) = value.trim().split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Failure::new(
            yard_types::ErrorCode::Unauthenticated,
            "the 'authorization' header must read 'Bearer KEY'",
        ));
    }
    Ok(key.trim())
}

#[cfg(test)]
mod tests {
    use yard_types::ErrorCode;

    use super::*;

    #[track_caller]
    fn check(pairs: &[(&str, &str)], expected: Result<Option<&str>, ErrorCode>) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        let got = presented_key(&headers).map_err(|failure| failure.code());
        assert_eq!(got, expected, "{pairs:?}");
    }

    #[test]
    fn keys_are_found_where_clients_put_them() {
        check(&[], Ok(None));
        check(&[("authorization", "Bearer k")], Ok(Some("k")));
        check(&[("authorization", "bearer  k ")], Ok(Some("k")));
        check(&[("x-api-key", " k")], Ok(Some("k")));
        check(&[("x-api-key", "k"), ("authorization", "Bearer k")], Ok(Some("k")));
    }

    #[test]
    fn contradictions_and_other_schemes_are_refused() {
        check(&[("x-api-key", "k"), ("authorization", "Bearer l")], Err(ErrorCode::InvalidArgument));
        check(&[("x-api-key", "k"), ("x-api-key", "l")], Err(ErrorCode::InvalidArgument));
        check(&[("authorization", "Basic dXNlcg==")], Err(ErrorCode::Unauthenticated));
        check(&[("authorization", "k")], Err(ErrorCode::Unauthenticated));
    }
}
