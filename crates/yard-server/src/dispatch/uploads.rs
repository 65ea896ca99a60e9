//! Uploads of the management API.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, StatusCode};
use yard_api::management::{CommitRequest, NewUpload};
use yard_registry::{ByteStream, FileRecord, UploadId};
use yard_types::{Digest, PackagePath};

use super::OwnedCall;
use crate::{
    application::{ApplicationError, bodies, member},
    failure::Failure,
    http::{Answer, Payload, empty, json, stream_body},
};

const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-content-sha256");
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

pub(super) async fn begin(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    let new: NewUpload = payload.document()?;
    let upload = call.state.application.begin_upload(&call.principal, new).await?;
    json(StatusCode::CREATED, &bodies::upload(&upload))
}

pub(super) async fn show(call: &OwnedCall) -> Result<Answer, Failure> {
    let upload = call.state.application.upload(&call.principal, upload_id(call)?).await?;
    json(StatusCode::OK, &bodies::upload(&upload))
}

pub(super) async fn put_file(call: &OwnedCall, payload: Payload) -> Result<Answer, Failure> {
    let IncomingFile { upload, path, expected, content } = IncomingFile::of(call, payload)?;
    let application = &call.state.application;
    stored(application.put_file(&call.principal, upload, path, content, expected).await)
}

pub(super) async fn commit(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    let CommitRequest { new_version } = payload.document()?;
    let reply = call.state.application.commit(&call.principal, upload_id(call)?, new_version).await?;
    let status = if reply.created { StatusCode::CREATED } else { StatusCode::OK };
    json(status, &reply)
}

pub(super) async fn abort(call: &OwnedCall) -> Result<Answer, Failure> {
    call.state.application.abort_upload(&call.principal, upload_id(call)?).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// A file on its way into an upload, of a model or of a data set.
pub(super) struct IncomingFile {
    pub(super) upload: UploadId,
    pub(super) path: PackagePath,
    /// The digest that its sender announced.
    pub(super) expected: Option<Digest>,
    pub(super) content: ByteStream,
}

impl IncomingFile {
    pub(super) fn of(call: &OwnedCall, payload: Payload) -> Result<Self, Failure> {
        let path = call.parameter("path").parse().map_err(|error| member("path", error))?;
        let expected = announced_digest(&call.headers)?;
        let Payload::File(body) = payload else { return Err(Failure::invalid("the request has no body")) };
        let content = stream_body(body, call.state.options.http.body_idle_timeout);
        Ok(Self { upload: upload_id(call)?, path, expected, content })
    }
}

/// Says that a file was taken in, or why it was not.
pub(super) fn stored(outcome: Result<FileRecord, ApplicationError>) -> Result<Answer, Failure> {
    // Whatever was refused may still be coming: its connection cannot go on.
    let file = outcome.map_err(|error| Failure::from(error).closing())?;
    json(StatusCode::CREATED, &bodies::file(&file))
}

pub(super) fn upload_id(call: &OwnedCall) -> Result<UploadId, Failure> {
    call.parameter("upload").parse().map_err(|_| Failure::not_found("there is no such upload"))
}

/// The digest that the sender announced, in `x-content-sha256` (hexadecimal) or `repr-digest` (RFC 9530).
fn announced_digest(headers: &HeaderMap) -> Result<Option<Digest>, Failure> {
    let hexadecimal = match headers.get(CONTENT_SHA256) {
        Some(value) => {
            let digest = value.to_str().unwrap_or_default().to_ascii_lowercase().parse();
            Some(digest.map_err(|error: yard_types::DigestParseError| {
                Failure::invalid(error.to_string()).with_param("x-content-sha256")
            })?)
        }
        None => None,
    };
    let structured = match headers.get(REPR_DIGEST) {
        Some(value) => repr_digest(value.to_str().unwrap_or_default())?,
        None => None,
    };
    match (hexadecimal, structured) {
        (Some(one), Some(other)) if one != other => Err(Failure::invalid(
            "the headers 'x-content-sha256' and 'repr-digest' announce different digests",
        )),
        (one, other) => Ok(one.or(other)),
    }
}

/// The SHA-256 of a `repr-digest` value; other algorithms in it are passed over, as RFC 9530 says.
fn repr_digest(value: &str) -> Result<Option<Digest>, Failure> {
    let refused = || {
        Failure::invalid("the header 'repr-digest' reads sha-256=:BASE64: with the 32 bytes of a SHA-256")
            .with_param("repr-digest")
    };
    for item in value.split(',') {
        let Some((algorithm, value)) = item.trim().split_once('=') else { return Err(refused()) };
        if algorithm != "sha-256" {
            continue;
        }
        let encoded =
            value.strip_prefix(':').and_then(|value| value.strip_suffix(':')).ok_or_else(refused)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| refused())?;
        return Ok(Some(Digest::from_bytes(bytes.try_into().map_err(|_| refused())?)));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pairs: &[(&'static str, &str)], expected: Result<Option<[u8; 32]>, ()>) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        let got = announced_digest(&headers).map(|digest| digest.map(|digest| *digest.as_bytes()));
        assert_eq!(got.map_err(|_| ()), expected, "{pairs:?}");
    }

    #[test]
    fn digests_are_read_in_both_spellings() {
        let (hexadecimal, base64) = ("07".repeat(32), format!("sha-256=:{}:", STANDARD.encode([7; 32])));
        check(&[], Ok(None));
        check(&[("x-content-sha256", &hexadecimal)], Ok(Some([7; 32])));
        check(&[("repr-digest", &base64)], Ok(Some([7; 32])));
        check(&[("repr-digest", &format!("sha-512=:AAAA:, {base64}"))], Ok(Some([7; 32])));
        check(&[("x-content-sha256", &hexadecimal), ("repr-digest", &base64)], Ok(Some([7; 32])));
        check(&[("repr-digest", "sha-512=:AAAA:")], Ok(None));
    }

    #[test]
    fn digests_that_are_none_or_differ_are_refused() {
        let (hexadecimal, base64) = ("08".repeat(32), format!("sha-256=:{}:", STANDARD.encode([7; 32])));
        check(&[("x-content-sha256", "07")], Err(()));
        check(&[("repr-digest", "sha-256=:AAAA:")], Err(()));
        check(&[("repr-digest", "sha-256=AAAA")], Err(()));
        check(&[("repr-digest", "nonsense")], Err(()));
        check(&[("x-content-sha256", &hexadecimal), ("repr-digest", &base64)], Err(()));
    }
}
