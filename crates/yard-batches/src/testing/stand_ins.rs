//! Stand-ins: a clock that runs with tokio's, and lines that answer as a test says.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::{Instant, sleep};
use yard_types::Timestamp;

use crate::{Clock, LineAnswer, LineCall, LineRunner};

/// The time of tokio, which tests can pause.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock(Instant);

impl TokioClock {
    /// It is now an hour after the beginning of all time.
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let since = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        Timestamp(3_600_000 + since)
    }
}

/// Answers each line with what it asked, after a while.
///
/// The body says how: `{"status": 400}` is the status; `{"takes": 50}` how many milliseconds it takes; `{"refusals": 2}` how
/// often it is refused with 429 before; `{"panics": true}` that it panics.
#[derive(Debug, Default)]
pub struct ScriptedLines {
    /// How often each body was begun.
    begun: Mutex<HashMap<String, u64>>,
    /// Who asked, in the order in which lines began.
    owners: Mutex<Vec<String>>,
    running: AtomicUsize,
    most: AtomicUsize,
}

/// Counts a line as running until it ends or is dropped.
struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl ScriptedLines {
    /// How often lines with this in their body were begun.
    pub fn begun(&self, part: &str) -> u64 {
        let begun = self.begun.lock().unwrap();
        begun.iter().filter(|(body, _)| body.contains(part)).map(|(_, count)| count).sum()
    }

    /// Whose lines began, in that order.
    pub fn owners(&self) -> Vec<String> {
        self.owners.lock().unwrap().clone()
    }

    /// Lines that run now.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    /// Most lines that ran at once.
    pub fn most_at_once(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl LineRunner for ScriptedLines {
    async fn run(&self, call: LineCall) -> LineAnswer {
        let body = String::from_utf8(call.body.to_vec()).unwrap();
        let asked: serde_json::Value = serde_json::from_str(&body).unwrap();
        let number = |name: &str| asked[name].as_u64();
        let times = {
            let mut begun = self.begun.lock().unwrap();
            let times = begun.entry(body.clone()).or_default();
            *times += 1;
            *times
        };
        self.owners.lock().unwrap().push(call.owner.0);
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        let _running = Running(&self.running);
        self.most.fetch_max(running, Ordering::SeqCst);
        sleep(Duration::from_millis(number("takes").unwrap_or(1))).await;
        assert!(asked["panics"] != true, "as the test asked");
        let refused = times <= number("refusals").unwrap_or(0);
        let status = if refused { 429 } else { number("status").unwrap_or(200) };
        LineAnswer {
            status: u16::try_from(status).unwrap(),
            request_id: format!("request-{times}"),
            body,
            retry_after: refused.then_some(Duration::from_secs(1)),
        }
    }
}
