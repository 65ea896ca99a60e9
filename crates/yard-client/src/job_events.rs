//! Following a job over any number of connections.

use std::{collections::VecDeque, time::Duration};

use reqwest::{
    Method, Response,
    header::{ACCEPT, HeaderValue},
};
use tokio::time::{sleep, timeout};
use yard_api::management::{JobEventBody, JobEventKind};
use yard_types::ErrorCode;

use crate::{
    Client, ClientError,
    event_reader::{EventReader, RawEvent},
};

/// A server sends at least a comment more often than this.
const MAX_SILENCE: Duration = Duration::from_secs(45);
/// The wait before the first try to come back; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Tries without a single event before the last failure is told: about a minute and a half.
const MAX_TRIES: u32 = 20;

/// What comes to whoever follows a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobNews {
    /// Something happened.
    Event(JobEventBody),
    /// This client was too slow; what it missed comes again as far as the server keeps it.
    Missed,
    /// The connection was lost, and is sought again.
    Reconnecting,
}

/// The events of one job, to its end. A connection that breaks, as when the server starts again, is made anew, and goes
/// on after the last event that was seen.
#[derive(Debug)]
pub struct JobEvents {
    client: Client,
    job: String,
    seen: u64,
    connection: Option<Connection>,
    pending: VecDeque<RawEvent>,
    tries: u32,
    is_over: bool,
}

#[derive(Debug)]
struct Connection {
    response: Response,
    reader: EventReader,
}

/// Why a connection is no more.
enum Lost {
    /// The server ended it: the job has ended, or the server stops.
    Ended,
    Failed(ClientError),
}

impl JobEvents {
    pub(crate) fn new(client: Client, job: &str, after: u64) -> Self {
        Self {
            client,
            job: job.to_owned(),
            seen: after,
            connection: None,
            pending: VecDeque::new(),
            tries: 0,
            is_over: false,
        }
    }

    /// The last event that was seen.
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// Waits for what comes next; `None` once the job has ended.
    pub async fn next(&mut self) -> Result<Option<JobNews>, ClientError> {
        loop {
            while let Some(event) = self.pending.pop_front() {
                if let Some(news) = self.read(&event)? {
                    return Ok(Some(news));
                }
            }
            if self.is_over {
                return Ok(None);
            }
            let lost = match self.receive().await {
                Ok(()) => continue,
                Err(lost) => lost,
            };
            self.connection = None;
            let failure = match lost {
                // The last event may have been seen before, on another connection.
                Lost::Ended => match self.client.job(&self.job).await {
                    Ok(job) if is_final(&job.state) => {
                        self.is_over = true;
                        continue;
                    }
                    Ok(_) => self.client.protocol("it ends the stream of events of a job that goes on"),
                    Err(error) if is_passing(&error) => error,
                    Err(error) => return Err(error),
                },
                Lost::Failed(error) if is_passing(&error) => error,
                Lost::Failed(error) => return Err(error),
            };
            if self.tries >= MAX_TRIES {
                return Err(failure);
            }
            let wait = FIRST_WAIT.saturating_mul(1 << self.tries.min(16)).min(LONGEST_WAIT);
            self.tries += 1;
            sleep(wait).await;
            if self.tries == 1 {
                return Ok(Some(JobNews::Reconnecting));
            }
        }
    }

    /// `None` for what is not new and for kinds that this client does not know.
    fn read(&mut self, event: &RawEvent) -> Result<Option<JobNews>, ClientError> {
        match event.kind.as_str() {
            "state" | "progress" | "metric" | "log" | "checkpoint" => {}
            "missed" => return Ok(Some(JobNews::Missed)),
            _ => return Ok(None),
        }
        let body: JobEventBody = serde_json::from_str(&event.data)
            .map_err(|error| self.client.protocol(format!("an event is not what was expected: {error}")))?;
        if body.sequence <= self.seen {
            return Ok(None);
        }
        self.seen = body.sequence;
        self.tries = 0;
        if let JobEventKind::State { state } = &body.what {
            self.is_over = is_final(state);
        }
        Ok(Some(JobNews::Event(body)))
    }

    /// Takes in what has come, over a new connection if there is none.
    async fn receive(&mut self) -> Result<(), Lost> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => {
                let response = open(&self.client, &self.job, self.seen).await.map_err(Lost::Failed)?;
                self.connection.insert(Connection { response, reader: EventReader::default() })
            }
        };
        let chunk = timeout(MAX_SILENCE, connection.response.chunk()).await;
        let chunk = chunk.map_err(|_| Lost::Failed(self.client.timed_out()))?;
        let chunk = chunk.map_err(|error| Lost::Failed(self.client.transport(error)))?.ok_or(Lost::Ended)?;
        connection.reader.take(&chunk, &mut self.pending).map_err(|error| {
            Lost::Failed(self.client.protocol(format!("it is no stream of events: {error}")))
        })
    }
}

async fn open(client: &Client, job: &str, seen: u64) -> Result<Response, ClientError> {
    let url = client.url(["api", "v1", "jobs", job, "events"]);
    let request = client.request(Method::GET, url).header(ACCEPT, "text/event-stream");
    let request = request.header("last-event-id", HeaderValue::from(seen));
    // No limit in time for the answer as a whole, but for its beginning.
    let answer = timeout(client.options().timeout, client.accepted(request)).await;
    answer.map_err(|_| client.timed_out())?
}

fn is_final(state: &str) -> bool {
    matches!(state, "succeeded" | "failed" | "cancelled")
}

/// Whether another try may go better.
fn is_passing(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } | ClientError::TimedOut { .. } | ClientError::Broken { .. } => true,
        error => matches!(error.code(), Some(ErrorCode::Unavailable | ErrorCode::RateLimited)),
    }
}
