//! Jobs.

use reqwest::Method;
use yard_api::management::{JobBody, JobPage, LogLineBody, LogList, MetricBody, MetricList, NewJobBody};

use crate::{Client, ClientError, JobEvents};

/// Which jobs to list, newest first. `Default` means all that are no trials, the first page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobsQuery {
    /// Only those in this state.
    pub state: Option<String>,
    /// Only those of this model.
    pub model: Option<String>,
    /// The trials of this search instead.
    pub search: Option<String>,
    /// Only those after this point: `next_after` of the page before.
    pub after: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
}

impl Client {
    /// Submits a job. It goes on whatever becomes of this client.
    pub async fn submit_job(&self, job: &NewJobBody) -> Result<JobBody, ClientError> {
        self.send_json(Method::POST, self.url(["api", "v1", "jobs"]), job).await
    }

    /// A page of jobs, newest first, without their specifications.
    pub async fn jobs(&self, query: &JobsQuery) -> Result<JobPage, ClientError> {
        let mut url = self.url(["api", "v1", "jobs"]);
        let limit = query.limit.map(|limit| limit.to_string());
        let parameters = [
            ("state", &query.state),
            ("model", &query.model),
            ("search", &query.search),
            ("after", &query.after),
            ("limit", &limit),
        ];
        for (name, value) in parameters {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        self.get_json(url).await
    }

    /// One job.
    pub async fn job(&self, id: &str) -> Result<JobBody, ClientError> {
        self.get_json(self.url(["api", "v1", "jobs", id])).await
    }

    /// Calls a job off. One that was running ends within about a second after this returns.
    pub async fn cancel_job(&self, id: &str) -> Result<JobBody, ClientError> {
        let nothing = serde_json::Map::new();
        self.send_json(Method::POST, self.url(["api", "v1", "jobs", id, "cancel"]), &nothing).await
    }

    /// All numbers of a job, by split, name and step.
    pub async fn job_metrics(&self, id: &str) -> Result<Vec<MetricBody>, ClientError> {
        let list: MetricList = self.get_json(self.url(["api", "v1", "jobs", id, "metrics"])).await?;
        Ok(list.metrics)
    }

    /// The newest lines of a job's log, in their order.
    pub async fn job_log(&self, id: &str, limit: u32) -> Result<Vec<LogLineBody>, ClientError> {
        let mut url = self.url(["api", "v1", "jobs", id, "log"]);
        url.query_pairs_mut().append_pair("limit", &limit.to_string());
        let list: LogList = self.get_json(url).await?;
        Ok(list.lines)
    }

    /// Follows a job from the event after this one (0 for all) to its end. Nothing is sent yet.
    pub fn follow_job(&self, id: &str, after: u64) -> JobEvents {
        JobEvents::new(self.clone(), id, after)
    }
}
