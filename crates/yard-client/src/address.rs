//! Where a server is.

use std::{fmt, str::FromStr};

use reqwest::Url;

/// The address of a server: `http://HOST:PORT`, with nothing after it.
///
/// ```
/// use yard_client::ServerAddress;
///
/// let address: ServerAddress = "http://127.0.0.1:8080/".parse()?;
/// assert_eq!(address.to_string(), "http://127.0.0.1:8080");
/// assert!("127.0.0.1:8080".parse::<ServerAddress>().is_err());
/// # Ok::<(), yard_client::AddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress(Url);

/// The text is not the address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{shown}' is not the address of a server: {reason}; write it as http://127.0.0.1:8080")]
pub struct AddressError {
    shown: String,
    reason: &'static str,
}

impl ServerAddress {
    /// The URL below this address whose path has these segments, each escaped.
    pub(crate) fn join<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(segments);
        }
        url
    }
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        // Whatever stands before an `@` may be a password and is never shown.
        let shown_part = text.rsplit('@').next().unwrap_or(text);
        let refuse = |reason| {
            Err(AddressError {
                shown: shown_part.chars().take(96).flat_map(char::escape_default).collect(),
                reason,
            })
        };
        let Ok(url) = Url::parse(text) else {
            return refuse("it is no URL");
        };
        match url.scheme() {
            "http" => {}
            "https" => {
                return refuse("this build has no TLS; put a proxy that ends TLS in front, or a tunnel");
            }
            _ => return refuse("it does not begin with http://"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("a user name or password has no meaning here; pass an API key");
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return refuse("something stands after the port");
        }
        Ok(Self(url))
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_addresses_are_taken() {
        for text in
            ["http://localhost:8080", "http://127.0.0.1:1", "http://[::1]:8080/", "http://models.example"]
        {
            assert!(text.parse::<ServerAddress>().is_ok(), "{text}");
        }
        for text in [
            "",
            "localhost:8080",
            "127.0.0.1:8080",
            "https://localhost",
            "ftp://localhost",
            "http://localhost/api",
            "http://localhost?x=1",
            "http://localhost/#x",
            "http://user@localhost",
        ] {
            assert!(text.parse::<ServerAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        let error = "http://me:secret@localhost".parse::<ServerAddress>().unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn segments_are_escaped() {
        let address: ServerAddress = "http://localhost:8080".parse().unwrap();
        let url = address.join(["files", "a b?c#d/e"]);
        assert_eq!(url.as_str(), "http://localhost:8080/files/a%20b%3Fc%23d%2Fe");
    }
}
