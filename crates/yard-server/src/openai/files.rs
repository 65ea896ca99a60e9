//! `/v1/files`: what batches read and write.

use std::{io, sync::Arc};

use futures_util::stream;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use tokio::sync::Mutex;
use yard_batches::{
    BatchError, Batches, ContentError, FileId, FileQuery, NewFile, Owner, Purpose, StagedContent, StoredFile,
};
use yard_types::{ErrorCode, Timestamp};

use super::multipart::Multipart;
use crate::{
    dispatch::OwnedCall,
    failure::Failure,
    http::{Answer, AnswerBody, Payload, QueryParameters, json, stream_body},
};

/// Longest value of a member that is no file.
const LONGEST_TEXT: usize = 1 << 10;
/// What a file without a name is called.
const UNNAMED: &str = "upload.jsonl";
/// How long a file may be kept that says so, in seconds: an hour to thirty days.
const LIFETIMES: std::ops::RangeInclusive<u32> = 3_600..=2_592_000;
/// Most files of a page.
const MOST_LISTED: u32 = 10_000;

/// A file, as the API shows it.
#[derive(Debug, Serialize)]
struct FileObject {
    id: String,
    object: &'static str,
    bytes: u64,
    created_at: i64,
    expires_at: Option<i64>,
    filename: String,
    purpose: &'static str,
    status: &'static str,
}

/// A page of files or batches, as the API shows it.
#[derive(Debug, Serialize)]
pub(super) struct Page<T> {
    object: &'static str,
    data: Vec<T>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

/// Says that a file is gone.
#[derive(Debug, Serialize)]
struct Deleted {
    id: String,
    object: &'static str,
    deleted: bool,
}

/// What a form has brought so far.
#[derive(Default)]
struct Form {
    file: Option<(String, Box<dyn StagedContent>)>,
    purpose: Option<String>,
    anchor: Option<String>,
    seconds: Option<u32>,
}

pub(crate) async fn create_file(call: &OwnedCall, payload: Payload) -> Result<Answer, Failure> {
    let batches = batches(call)?;
    let Payload::File(body) = payload else { return Err(Failure::invalid("the request has no body")) };
    let content = stream_body(body, call.state.options.http.body_idle_timeout);
    let form = Multipart::new(&call.headers, content).map_err(Failure::closing)?;
    // Whatever was refused may still be coming: its connection cannot go on.
    let owner = owner(call);
    let form = read(batches, &owner, form).await.map_err(Failure::closing)?;
    match form.purpose.as_deref() {
        Some("batch") => {}
        Some(_) => return Err(Failure::invalid("the purpose of a file is 'batch'").with_param("purpose")),
        None => return Err(Failure::invalid("the form has no 'purpose'").with_param("purpose")),
    }
    let Some((name, content)) = form.file else {
        return Err(Failure::invalid("the form has no 'file'").with_param("file"));
    };
    let lifetime_seconds = match (form.anchor.as_deref(), form.seconds) {
        (None, None) => None,
        (Some("created_at"), Some(seconds)) if LIFETIMES.contains(&seconds) => Some(seconds),
        _ => {
            let message = format!(
                "'expires_after' has 'anchor', which is 'created_at', and 'seconds', which are {} to {}",
                LIFETIMES.start(),
                LIFETIMES.end()
            );
            return Err(Failure::invalid(message).with_param("expires_after"));
        }
    };
    let file = batches.add_file(&owner, NewFile { name, lifetime_seconds, content }).await?;
    json(StatusCode::OK, &object(file))
}

pub(crate) async fn list_files(call: &OwnedCall) -> Result<Answer, Failure> {
    let query = QueryParameters::parse(call.query.as_deref(), &["purpose", "limit", "order", "after"])?;
    let limit = limit(&query, MOST_LISTED, MOST_LISTED)?;
    let oldest_first = match query.get::<String>("order")?.as_deref() {
        Some("asc") => true,
        Some("desc") | None => false,
        Some(_) => return Err(Failure::invalid("'order' is 'asc' or 'desc'").with_param("order")),
    };
    let after: Option<FileId> = after(&query)?;
    let purpose: Option<Purpose> = match query.get::<String>("purpose")?.as_deref().map(str::parse::<Purpose>)
    {
        None => None,
        Some(Ok(purpose)) => Some(purpose),
        // Files of other purposes there are none.
        Some(Err(_)) => {
            return json(StatusCode::OK, &page(Vec::<FileObject>::new(), false, |_| String::new()));
        }
    };
    let query = FileQuery { purpose, after, oldest_first, limit, now: Timestamp(0) };
    let (files, has_more) = batches(call)?.files(&owner(call), query).await?;
    let files = files.into_iter().map(object).collect();
    json(StatusCode::OK, &page(files, has_more, |file: &FileObject| file.id.clone()))
}

pub(crate) async fn show_file(call: &OwnedCall) -> Result<Answer, Failure> {
    let file = batches(call)?.file(&owner(call), &file_id(call)?).await?;
    json(StatusCode::OK, &object(file))
}

pub(crate) async fn remove_file(call: &OwnedCall) -> Result<Answer, Failure> {
    let id = file_id(call)?;
    batches(call)?.remove_file(&owner(call), &id).await?;
    json(StatusCode::OK, &Deleted { id: id.to_string(), object: "file", deleted: true })
}

pub(crate) async fn read_file(call: &OwnedCall) -> Result<Answer, Failure> {
    let (length, content) = batches(call)?.read_file(&owner(call), &file_id(call)?).await?;
    let mut answer = Response::new(AnswerBody::Stream(content, length));
    let kind = HeaderValue::from_static("application/octet-stream");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(answer)
}

/// Takes in what a form brings, its file straight to where files are kept.
async fn read(batches: &Batches, owner: &Owner, form: Multipart) -> Result<Form, Failure> {
    let form = Arc::new(Mutex::new(form));
    let mut brought = Form::default();
    loop {
        let head = form.lock().await.next_part().await.map_err(broken)?;
        let Some(head) = head else { return Ok(brought) };
        let seen = match head.name.as_str() {
            "file" => {
                let content = match batches.stage(owner, part(&form)).await {
                    Ok(content) => content,
                    // What broke it off, in the words that hold for the rest of the form as well.
                    Err(BatchError::Content(ContentError::Interrupted(error))) => return Err(broken(error)),
                    Err(error) => return Err(error.into()),
                };
                let name = head.file_name.as_deref().map_or(UNNAMED, last_segment).to_owned();
                brought.file.replace((name, content)).is_some()
            }
            "purpose" => brought.purpose.replace(text(&form).await?).is_some(),
            "expires_after[anchor]" => brought.anchor.replace(text(&form).await?).is_some(),
            "expires_after[seconds]" => {
                let seconds = text(&form).await?.parse::<u32>().map_err(|_| {
                    Failure::invalid("'expires_after[seconds]' is a number").with_param("expires_after")
                })?;
                brought.seconds.replace(seconds).is_some()
            }
            other => {
                let shown: String = other.chars().take(64).flat_map(char::escape_default).collect();
                let message = format!("a file comes with 'purpose' and 'expires_after', and no '{shown}'");
                return Err(Failure::invalid(message).with_param(shown));
            }
        };
        if seen {
            let message = format!("the form has '{}' twice", head.name);
            return Err(Failure::invalid(message).with_param(head.name));
        }
    }
}

/// The content of the present part.
fn part(form: &Arc<Mutex<Multipart>>) -> yard_batches::ByteStream {
    Box::pin(stream::unfold(Arc::clone(form), |form| async move {
        let piece = form.lock().await.piece().await;
        match piece {
            Ok(Some(piece)) => Some((Ok(piece), form)),
            Ok(None) => None,
            Err(error) => Some((Err(error), form)),
        }
    }))
}

async fn text(form: &Mutex<Multipart>) -> Result<String, Failure> {
    form.lock().await.text(LONGEST_TEXT).await.map_err(broken)
}

fn broken(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::TimedOut => {
            Failure::new(ErrorCode::DeadlineExceeded, "the request body came too slowly")
        }
        io::ErrorKind::InvalidData => Failure::invalid(error.to_string()),
        _ => Failure::invalid("the request body broke off"),
    }
}

/// Some clients send whole paths, of either kind.
fn last_segment(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().filter(|name| !name.is_empty()).unwrap_or(UNNAMED)
}

fn object(file: StoredFile) -> FileObject {
    FileObject {
        id: file.id.to_string(),
        object: "file",
        bytes: file.bytes,
        created_at: seconds(file.created_at),
        expires_at: file.expires_at.map(seconds),
        filename: file.name,
        purpose: file.purpose.as_str(),
        status: "processed",
    }
}

fn file_id(call: &OwnedCall) -> Result<FileId, Failure> {
    call.parameter("file").parse().map_err(|_| Failure::not_found("there is no such file"))
}

// === what files and batches share ===

/// What keeps files and runs batches.
pub(super) fn batches(call: &OwnedCall) -> Result<&Batches, Failure> {
    let missing = || Failure::new(ErrorCode::Unavailable, "this server keeps no files and runs no batches");
    call.state.application.batches().ok_or_else(missing)
}

/// Whose files and batches a key sees: its own. Without keys all are everybody's.
pub(super) fn owner(call: &OwnedCall) -> Owner {
    Owner(call.principal.key_id().map(|id| id.to_string()).unwrap_or_default())
}

/// A page of what is listed.
pub(super) fn page<T>(data: Vec<T>, has_more: bool, id: impl Fn(&T) -> String) -> Page<T> {
    Page { object: "list", first_id: data.first().map(&id), last_id: data.last().map(&id), data, has_more }
}

/// How many are asked for.
pub(super) fn limit(query: &QueryParameters, default: u32, most: u32) -> Result<u32, Failure> {
    let limit = query.get("limit")?.unwrap_or(default);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(Failure::invalid(format!("'limit' is 1 to {most}")).with_param("limit"))
}

/// After which one the page begins.
pub(super) fn after<Id: std::str::FromStr>(query: &QueryParameters) -> Result<Option<Id>, Failure> {
    let refused = |_| Failure::not_found("'after' names nothing that is listed").with_param("after");
    query.get::<String>("after")?.map(|id| id.parse::<Id>().map_err(refused)).transpose()
}

/// In seconds since 1970, as this API tells moments.
pub(super) const fn seconds(moment: Timestamp) -> i64 {
    moment.0.div_euclid(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_last_part_of_paths() {
        for (given, kept) in
            [("a.jsonl", "a.jsonl"), ("/x/a.jsonl", "a.jsonl"), ("C:\\x\\a", "a"), ("x/", UNNAMED)]
        {
            assert_eq!(last_segment(given), kept);
        }
    }

    #[test]
    fn pages_name_their_ends() {
        let listed = page(vec![1, 2, 3], true, |number| format!("file-{number}"));
        let written = serde_json::to_value(&listed).unwrap();
        assert_eq!((&written["first_id"], &written["last_id"]), (&"file-1".into(), &"file-3".into()));
        assert_eq!((&written["has_more"], &written["object"]), (&true.into(), &"list".into()));
        let none = serde_json::to_value(page(Vec::<u8>::new(), false, |_| String::new())).unwrap();
        assert!(none["first_id"].is_null() && none["data"].as_array().unwrap().is_empty());
    }
}
