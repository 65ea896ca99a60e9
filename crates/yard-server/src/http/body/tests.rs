use std::{convert::Infallible, io::Write};

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use http_body_util::{Full, StreamBody};

use super::*;
use crate::http::BodyBudget;

const LIMITS: BodyLimits =
    BodyLimits { max_bytes: 1000, idle: Duration::from_secs(5), total: Duration::from_secs(9) };

fn charge() -> BodyCharge {
    BodyBudget::new(usize::MAX).begin()
}

fn encoded(encoding: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_ENCODING, http::HeaderValue::from_static(encoding))])
}

fn gzip(plain: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap().into()
}

fn pieces(pieces: &[&'static str]) -> impl Body<Data = Bytes, Error = Infallible> + Unpin + use<> {
    let frames: Vec<_> =
        pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))).collect();
    StreamBody::new(futures_util::stream::iter(frames))
}

async fn read(headers: HeaderMap, body: Bytes) -> Result<Bytes, ErrorCode> {
    read_body(&headers, Full::new(body), LIMITS, &mut charge()).await.map_err(|failure| failure.code())
}

#[tokio::test]
async fn pieces_are_joined() {
    for parts in [&["abc", "", "defg", "h"][..], &["", "abcdefgh"], &["abcdefgh"]] {
        let body = read_body(&HeaderMap::new(), pieces(parts), LIMITS, &mut charge()).await.unwrap();
        assert_eq!(body, "abcdefgh", "{parts:?}");
    }
    assert_eq!(read(HeaderMap::new(), Bytes::new()).await, Ok(Bytes::new()));
}

#[tokio::test]
async fn the_limit_is_exact() {
    assert_eq!(read(HeaderMap::new(), vec![0; 1000].into()).await.map(|body| body.len()), Ok(1000));
    assert_eq!(read(HeaderMap::new(), vec![0; 1001].into()).await, Err(ErrorCode::PayloadTooLarge));
    let many = vec!["0123456789"; 101];
    let failure = read_body(&HeaderMap::new(), pieces(&many), LIMITS, &mut charge()).await.unwrap_err();
    assert_eq!((failure.code(), failure.close), (ErrorCode::PayloadTooLarge, true));
}

#[tokio::test]
async fn encodings_that_are_not_undone_are_refused() {
    for pairs in [
        &[("content-encoding", "gzip"), ("content-encoding", "gzip")][..],
        &[("content-encoding", "identity"), ("content-encoding", "gzip")],
        &[("transfer-encoding", "gzip, chunked")],
        &[("transfer-encoding", "gzip"), ("transfer-encoding", "chunked")],
    ] {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, http::HeaderValue::from_static(value));
        }
        assert_eq!(read(headers, "{}".into()).await, Err(ErrorCode::InvalidArgument), "{pairs:?}");
    }
    let chunked = HeaderMap::from_iter([(TRANSFER_ENCODING, http::HeaderValue::from_static("Chunked"))]);
    assert_eq!(read(chunked, "{}".into()).await, Ok("{}".into()));
}

#[tokio::test]
async fn the_limit_counts_decompressed_bytes() {
    assert_eq!(read(encoded("gzip"), gzip(&[7; 1000])).await, Ok(vec![7; 1000].into()));
    let bomb = gzip(&vec![0; 5 << 20]);
    assert!(bomb.len() < 10_000);
    let limits = BodyLimits { max_bytes: 100_000, ..LIMITS };
    let failure = read_body(&encoded("gzip"), Full::new(bomb), limits, &mut charge()).await.unwrap_err();
    assert_eq!(failure.code(), ErrorCode::PayloadTooLarge);
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"plain").unwrap();
    assert_eq!(read(encoded("deflate"), encoder.finish().unwrap().into()).await, Ok("plain".into()));
}

#[tokio::test]
async fn broken_and_unknown_encodings_are_refused() {
    for (encoding, body) in [("gzip", "not gzip"), ("deflate", "not zlib"), ("br", "x"), ("gzip, gzip", "x")]
    {
        assert_eq!(read(encoded(encoding), body.into()).await, Err(ErrorCode::InvalidArgument), "{encoding}");
    }
    let mut cut = gzip(&[1; 500]);
    cut.truncate(cut.len() - 4);
    assert_eq!(read(encoded("gzip"), cut).await, Err(ErrorCode::InvalidArgument));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_given_up() {
    let start = Instant::now();
    let first = futures_util::stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x")))]);
    let body = StreamBody::new(futures_util::StreamExt::chain(first, futures_util::stream::pending()));
    let failure = read_body(&HeaderMap::new(), body, LIMITS, &mut charge()).await.unwrap_err();
    assert_eq!((failure.code(), failure.close), (ErrorCode::DeadlineExceeded, true));
    assert_eq!(start.elapsed(), LIMITS.idle);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_is_given_up() {
    let start = Instant::now();
    let drips = futures_util::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x"))), ()))
    });
    let failure = read_body(&HeaderMap::new(), StreamBody::new(Box::pin(drips)), LIMITS, &mut charge())
        .await
        .unwrap_err();
    assert_eq!(failure.code(), ErrorCode::DeadlineExceeded);
    assert_eq!(start.elapsed(), LIMITS.total);
}

#[test]
fn json_is_declared_with_or_without_parameters() {
    for (value, expected) in [
        ("application/json", true),
        ("Application/JSON; charset=utf-8", true),
        ("application/merge-patch+json", true),
        ("text/plain", false),
        ("application/octet-stream", false),
        ("application/x-www-form-urlencoded", false),
    ] {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, http::HeaderValue::from_static(value))]);
        assert_eq!(declares_json(&headers), expected, "{value}");
    }
    assert!(!declares_json(&HeaderMap::new()));
}

#[tokio::test]
async fn a_streamed_body_may_be_asked_again_after_its_end() {
    use futures_util::StreamExt;
    let mut stream = stream_body(pieces(&["abc", "d"]), LIMITS.idle);
    assert_eq!(stream.next().await.unwrap().unwrap(), "abc");
    assert_eq!(stream.next().await.unwrap().unwrap(), "d");
    assert!(stream.next().await.is_none());
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn large_bodies_are_charged_as_long_as_they_are_held() {
    let budget = BodyBudget::new(100_000);
    let limits = BodyLimits { max_bytes: 1 << 20, ..LIMITS };
    let mut held = budget.begin();
    read_body(&encoded("gzip"), Full::new(gzip(&[0; 150_000])), limits, &mut held).await.unwrap();
    assert_eq!(budget.used(), 150_000 - (64 << 10));
    let mut other = budget.begin();
    let body = Full::new(Bytes::from(vec![0; 150_000]));
    let failure = read_body(&HeaderMap::new(), body, limits, &mut other).await.unwrap_err();
    assert_eq!(failure.code(), ErrorCode::Unavailable);
    drop((held, other));
    assert_eq!(budget.used(), 0);
}
