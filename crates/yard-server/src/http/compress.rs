//! Compressed answers, for clients that ask for them.

use std::io::Write;

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use http::{HeaderMap, header::ACCEPT_ENCODING};

/// A way of compressing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerEncoding {
    Gzip,
    Deflate,
}

impl AnswerEncoding {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }
}

/// The encoding that a client likes best of those there are; `None` for plain bytes.
pub(crate) fn accepted_encoding(headers: &HeaderMap) -> Option<AnswerEncoding> {
    let mut best: Option<(AnswerEncoding, u32)> = None;
    for value in headers.get_all(ACCEPT_ENCODING) {
        for item in value.to_str().unwrap_or_default().split(',') {
            let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
            let encoding = match name.trim() {
                name if name.eq_ignore_ascii_case("gzip") || name == "*" => AnswerEncoding::Gzip,
                name if name.eq_ignore_ascii_case("deflate") => AnswerEncoding::Deflate,
                _ => continue,
            };
            let weight = weight(parameters);
            if weight > best.map_or(0, |(_, weight)| weight) {
                best = Some((encoding, weight));
            }
        }
    }
    best.map(|(encoding, _)| encoding)
}

/// The value of `q=` in thousandths; 0 when it cannot be read.
fn weight(parameters: &str) -> u32 {
    let Some(value) = parameters.trim().strip_prefix("q=") else { return 1000 };
    let weight: f32 = value.trim().parse().unwrap_or(0.0);
    // Clamped before, so nothing is lost.
    (weight.clamp(0.0, 1.0) * 1000.0) as u32
}

/// Compresses quickly rather than well: the network is seldom the narrow place here.
pub(crate) fn compress(encoding: AnswerEncoding, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let room = Vec::with_capacity(bytes.len() / 3);
    match encoding {
        AnswerEncoding::Gzip => {
            let mut encoder = GzEncoder::new(room, Compression::fast());
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        AnswerEncoding::Deflate => {
            let mut encoder = ZlibEncoder::new(room, Compression::fast());
            encoder.write_all(bytes)?;
            encoder.finish()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_what_they_like_best() {
        use AnswerEncoding::{Deflate, Gzip};
        for (value, expected) in [
            ("gzip, deflate", Some(Gzip)),
            ("deflate", Some(Deflate)),
            ("deflate, gzip;q=0.5", Some(Deflate)),
            ("gzip;q=0", None),
            ("br, zstd", None),
            ("identity", None),
            ("*", Some(Gzip)),
            ("gzip;q=nonsense", None),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, http::HeaderValue::from_static(value))]);
            assert_eq!(accepted_encoding(&headers), expected, "{value}");
        }
        assert_eq!(accepted_encoding(&HeaderMap::new()), None);
    }
}
