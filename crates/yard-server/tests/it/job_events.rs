//! The stream of a job's events.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::{
    harness::{TestServer, send},
    jobs::{ended, submit},
};

/// One frame: its fields, or a comment.
type Frame = Vec<(String, String)>;

/// Reads the frames of a stream as they come.
struct Frames {
    pieces: std::pin::Pin<Box<dyn futures_util::Stream<Item = reqwest::Result<bytes::Bytes>>>>,
    text: String,
}

impl Frames {
    fn of(answer: Response) -> Self {
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { pieces: Box::pin(answer.bytes_stream()), text: String::new() }
    }

    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, rest)) = self.text.split_once("\n\n") {
                let fields = frame.lines().map(|line| line.split_once(": ").unwrap());
                let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                self.text = rest.to_owned();
                return Some(fields);
            }
            let piece = self.pieces.next().await?.unwrap();
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    /// The next frame with data, as its type and data.
    async fn event(&mut self) -> Option<(String, Value)> {
        loop {
            let frame = self.next().await?;
            let field = |name: &str| frame.iter().find(|field| field.0 == name).map(|field| field.1.as_str());
            if let (Some(kind), Some(data)) = (field("event"), field("data")) {
                let data: Value = serde_json::from_str(data).unwrap();
                assert_eq!(data["kind"], kind);
                assert_eq!(
                    field("id").map(str::to_owned),
                    data["sequence"].as_u64().map(|id| id.to_string())
                );
                return Some((kind.to_owned(), data));
            }
        }
    }

    async fn rest(&mut self) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        while let Some(event) = self.event().await {
            events.push(event);
        }
        events
    }
}

async fn follow(server: &TestServer, id: &str, after: Option<u64>) -> Frames {
    let mut request = server.request(Method::GET, &format!("/api/v1/jobs/{id}/events"));
    if let Some(after) = after {
        request = request.header("last-event-id", after);
    }
    Frames::of(request.send().await.unwrap())
}

#[tokio::test]
async fn a_follower_gets_what_was_and_what_comes_until_the_job_ends() {
    let server = TestServer::start().await;
    let id = submit(&server, "m", "1 gate 2 save:2 finish").await;
    server.lab.children.at_gate().await;
    let mut frames = follow(&server, &id, None).await;
    let mut seen = Vec::new();
    while seen.iter().filter(|(kind, _)| kind == "log").count() < 1 {
        seen.push(frames.event().await.unwrap());
    }
    server.lab.children.open(1);
    seen.extend(frames.rest().await);
    let sequences: Vec<u64> = seen.iter().map(|(_, data)| data["sequence"].as_u64().unwrap()).collect();
    assert!(sequences.is_sorted_by(|one, other| one < other), "{sequences:?}");
    let (kind, last) = seen.last().unwrap();
    assert_eq!((kind.as_str(), &last["state"]), ("state", &json!("succeeded")));
    for kind in ["state", "progress", "metric", "log", "checkpoint"] {
        assert!(seen.iter().any(|event| event.0 == kind), "{kind}: {seen:?}");
    }

    // Read again from the middle, and from the end.
    let middle = sequences[sequences.len() / 2];
    let again = follow(&server, &id, Some(middle)).await.rest().await;
    assert!(again.iter().all(|event| seen.contains(event)), "{again:?}");
    assert!(again.first().unwrap().1["sequence"].as_u64().unwrap() > middle);
    assert_eq!(follow(&server, &id, sequences.last().copied()).await.rest().await, []);
    let path = format!("/api/v1/jobs/{id}/events?after={}", sequences.last().unwrap());
    assert_eq!(Frames::of(server.request(Method::GET, &path).send().await.unwrap()).rest().await, []);
    server.get(&format!("/api/v1/jobs/{id}/events?after=x")).await.expect(400);
}

#[tokio::test]
async fn silent_streams_are_kept_open_by_comments_and_end_with_their_key() {
    let server = TestServer::start_with(|setting| {
        setting.options.http.header_timeout = Duration::from_millis(300);
    })
    .await;
    let id = submit(&server, "m", "gate finish").await;
    server.lab.children.at_gate().await;
    let created =
        server.post("/api/v1/keys", json!({"name": "k", "role": "consumer"})).await.expect(201).json();
    let request = server.bare(Method::GET, &format!("/api/v1/jobs/{id}/events"));
    let request = request.bearer_auth(created["secret"].as_str().unwrap());
    let mut frames = Frames::of(request.send().await.unwrap());
    let mut comments = 0;
    // Longer than a connection may rest.
    while comments < 6 {
        let frame = frames.next().await.unwrap();
        comments += usize::from(frame[0].0.is_empty());
    }
    let key = created["key"]["id"].as_str().unwrap();
    send(server.request(Method::DELETE, &format!("/api/v1/keys/{key}"))).await.expect(204);
    while frames.next().await.is_some() {}
    server.lab.children.open(1);
    assert_eq!(ended(&server, &id).await["state"], "succeeded");
}

#[tokio::test]
async fn only_so_many_streams_are_open_and_a_place_is_free_again_when_one_is_left() {
    let server = TestServer::start_with(|setting| setting.options.http.max_event_streams = 1).await;
    let id = submit(&server, "m", "gate finish").await;
    server.lab.children.at_gate().await;
    let mut first = follow(&server, &id, None).await;
    first.event().await.unwrap();
    let path = format!("/api/v1/jobs/{id}/events");
    let refused = server.get(&path).await.expect(503);
    assert!(refused.header("retry-after").is_some());
    server.lab.children.open(1);
    first.rest().await;
    ended(&server, &id).await;
    let mut second = follow(&server, &id, None).await;
    assert!(!second.rest().await.is_empty());
}

#[tokio::test]
async fn a_stopping_server_ends_its_streams_and_leaves_the_job_to_be_gone_on_with() {
    let server = TestServer::start().await;
    let id = submit(&server, "m", "1 save:1 gate finish").await;
    server.lab.children.at_gate().await;
    let mut frames = follow(&server, &id, None).await;
    frames.event().await.unwrap();
    let TestServer { server, jobs, .. } = server;
    let stopping = tokio::spawn(server.stop());
    let events = frames.rest().await;
    assert!(events.iter().all(|(_, data)| data["state"] != "failed"), "{events:?}");
    assert!(stopping.await.unwrap().finished);
    jobs.shutdown().await;
    let job = jobs.job(id.parse().unwrap()).await.unwrap();
    assert_eq!(job.state, yard_jobs::JobState::Queued);
}
