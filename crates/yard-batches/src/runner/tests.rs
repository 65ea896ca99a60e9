//! Runners that end at any moment, and what is there when another has gone on.

mod bounds;
mod crashes;
mod ends;

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::Runner;
use crate::{
    Batch, BatchOptions, BatchStatus, Batches, NewBatch, NewFile, Owner,
    testing::{MemoryBatchStore, MemoryContents, ScriptedLines, TokioClock},
};

/// Everything that outlives a runner, and what a test looks at.
struct World {
    store: Arc<MemoryBatchStore>,
    contents: MemoryContents,
    lines: Arc<ScriptedLines>,
    batches: Batches,
}

impl World {
    fn new() -> Self {
        Self::with(BatchOptions { lines_at_once: NonZeroUsize::new(3).unwrap(), ..BatchOptions::default() })
    }

    fn with(options: BatchOptions) -> Self {
        let (store, contents) = (Arc::new(MemoryBatchStore::default()), MemoryContents::default());
        let clock = Arc::new(TokioClock::start());
        let batches = Batches::new(Arc::clone(&store) as _, Arc::new(contents.clone()), clock, options);
        Self { store, contents, lines: Arc::default(), batches }
    }

    fn run(&self) -> Runner {
        Runner::start(&self.batches, Arc::clone(&self.lines) as _)
    }

    /// Uploads this text and makes a batch of it.
    async fn make_of(&self, owner: &Owner, text: String, window: &str) -> Batch {
        let piece = Ok::<_, std::io::Error>(bytes::Bytes::from(text));
        let content = Box::pin(futures_util::stream::iter([piece]));
        let content = self.batches.stage(owner, content).await.unwrap();
        let new = NewFile { name: "in.jsonl".to_owned(), lifetime_seconds: None, content };
        let file = self.batches.add_file(owner, new).await.unwrap();
        let new = NewBatch {
            input_file: file.id.to_string(),
            endpoint: "/v1/completions".to_owned(),
            window: window.to_owned(),
            metadata: BTreeMap::new(),
        };
        self.batches.create(owner, new).await.unwrap()
    }

    /// A batch of lines with these bodies, named after their places.
    async fn make(&self, owner: &Owner, bodies: &[Value], window: &str) -> Batch {
        let lines = bodies.iter().zip(1..).map(|(body, number)| input_line(number, body));
        self.make_of(owner, lines.collect(), window).await
    }

    async fn batch(&self, batch: &Batch) -> Batch {
        self.batches.batch(&batch.owner, &batch.id).await.unwrap()
    }

    /// Waits until the batch has ended.
    async fn ended(&self, batch: &Batch) -> Batch {
        // Some take hours of the paused clock.
        let mut pause = Duration::from_millis(1);
        loop {
            let now = self.batch(batch).await;
            if now.status.is_end() {
                return now;
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(60));
        }
    }

    /// The lines of one of a batch's files.
    async fn file(&self, batch: &Batch, errors: bool) -> Vec<Value> {
        let id = if errors { &batch.error_file } else { &batch.output_file };
        let Some(id) = id else { return Vec::new() };
        let file = self.batches.file(&batch.owner, id).await.unwrap();
        let content = self.contents.get(&file.digest).unwrap();
        assert_eq!(content.len() as u64, file.bytes);
        let text = std::str::from_utf8(&content).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The names in one of a batch's files.
    async fn names(&self, batch: &Batch, errors: bool) -> Vec<String> {
        let lines = self.file(batch, errors).await;
        lines.iter().map(|line| line["custom_id"].as_str().unwrap().to_owned()).collect()
    }
}

fn input_line(number: u32, body: &Value) -> String {
    let name = format!("line-{number}");
    format!("{}\n", json!({"custom_id": name, "method": "POST", "url": "/v1/completions", "body": body}))
}

fn owner(name: &str) -> Owner {
    Owner(name.to_owned())
}

fn names(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("line-{number}")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_batch_runs_to_its_end_in_the_order_of_its_input() {
    let world = World::new();
    let runner = world.run();
    let bodies: Vec<Value> = (0..20).map(|n| json!({"n": n, "takes": (n * 7) % 13 + 1})).collect();
    let made = world.make(&owner("a"), &bodies, "24h").await;
    assert_eq!(made.status, BatchStatus::Validating);
    let ended = world.ended(&made).await;
    assert_eq!(ended.status, BatchStatus::Completed);
    assert_eq!((ended.counts.total, ended.counts.completed, ended.counts.failed), (20, 20, 0));
    assert_eq!(world.names(&ended, false).await, names(1..=20));
    let first = &world.file(&ended, false).await[0];
    assert_eq!(
        (&first["response"]["status_code"], &first["response"]["body"]["n"]),
        (&json!(200), &json!(0))
    );
    assert!(ended.error_file.is_none());
    assert_eq!(world.lines.begun("\"n\""), 20);
    assert_eq!(world.lines.most_at_once(), 3);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn lines_that_fail_stand_in_the_error_file() {
    let world = World::new();
    let runner = world.run();
    let bodies =
        [json!({"n": 1}), json!({"n": 2, "status": 400}), json!({"n": 3, "panics": true}), json!({"n": 4})];
    let ended = world.ended(&world.make(&owner("a"), &bodies, "24h").await).await;
    assert_eq!(ended.status, BatchStatus::Completed);
    assert_eq!((ended.counts.completed, ended.counts.failed), (2, 2));
    assert_eq!(world.names(&ended, false).await, names([1, 4]));
    let errors = world.file(&ended, true).await;
    let statuses: Vec<&Value> = errors.iter().map(|line| &line["response"]["status_code"]).collect();
    assert_eq!(statuses, [&json!(400), &json!(500)]);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn bad_lines_fail_their_batch_before_any_runs() {
    let world = World::with(BatchOptions { max_lines: 4, max_line_bytes: 200, ..BatchOptions::default() });
    let runner = world.run();
    let good = |number| input_line(number, &json!({"n": number}));
    let cases = [
        (String::new(), "empty_file", None),
        (format!("{}\nno json\n{}", good(1), good(2)), "invalid_json_line", Some(3)),
        (format!("{}{}", good(1), good(1)), "duplicate_custom_id", Some(2)),
        (format!("{}{}", good(1), good(2).replace("completions", "embeddings")), "mismatched_url", Some(2)),
        ((1..=5).map(good).collect(), "too_many_lines", Some(5)),
        (format!("{}{}", good(1), good(2).replace("line-2", &"x".repeat(200))), "line_too_long", Some(2)),
    ];
    for (text, code, line) in cases {
        let ended = world.ended(&world.make_of(&owner("a"), text, "24h").await).await;
        assert_eq!(ended.status, BatchStatus::Failed, "{code}");
        let problem = &ended.problems[0];
        assert_eq!((problem.code.as_str(), problem.line), (code, line));
        assert!(ended.output_file.is_none() && ended.error_file.is_none());
    }
    let long = format!("\"{}\"", "x".repeat(190));
    let ended = world.ended(&world.make_of(&owner("a"), long, "24h").await).await;
    let message = &ended.problems[0].message;
    assert!(message.chars().count() <= 200 && message.contains("xxx"), "{message}");
    assert_eq!(world.lines.begun(""), 0);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn owners_share_what_runs() {
    let world = World::new();
    let bodies = |owner: &str| (0..30).map(|n| json!({"n": n, "of": owner, "takes": 10})).collect::<Vec<_>>();
    // Both have two; the second of each waits for the first.
    let mut made = Vec::new();
    for name in ["a", "a", "b", "b"] {
        let of = format!("{name}{}", made.len());
        made.push(world.make(&owner(name), &bodies(&of), "24h").await);
    }
    let runner = world.run();
    for batch in &made {
        assert_eq!(world.ended(batch).await.status, BatchStatus::Completed);
    }
    let owners = world.lines.owners();
    assert_eq!(owners.len(), 120);
    // As long as both have lines left; then the other has all.
    let ends = ["a", "b"].map(|name| owners.iter().rposition(|owner| *owner == name).unwrap());
    let both = &owners[..ends[0].min(ends[1])];
    assert!(both.len() >= 72, "{owners:?}");
    for window in both.chunks_exact(12) {
        let of_a = window.iter().filter(|owner| *owner == "a").count();
        assert!((3..=9).contains(&of_a), "{owners:?}");
    }
    runner.stop().await;
}
