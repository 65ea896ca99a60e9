//! Jobs: submitted, listed, called off; and what they made, served.

mod results;

use std::collections::BTreeSet;

use yard_access::{Permission, Principal, Visibility};
use yard_api::management::{JobBody, JobPage, LogList, MetricList, NewJobBody};
use yard_jobs::{Demand, Job, JobId, JobKind, JobQuery, JobState, Jobs, JobsError, NewJob, Owner};
use yard_registry::RegistryError;
use yard_spec::{DatasetRef, TrainingSpec};
use yard_types::{ModelName, Timestamp, VersionNumber};

pub use results::JobResults;

use super::{Application, ApplicationError, bodies, error::member};

/// Less does not even hold the program.
const MIN_MEMORY_BYTES: u64 = 64 << 20;
/// Rows read at once for a list.
const ROWS_AT_ONCE: u32 = 200;
/// Most rows that are looked through for one page: those that the key may not see are passed over.
const MAX_ROWS: usize = 5_000;

/// What runs jobs for an application.
#[derive(Debug, Clone)]
pub struct JobService {
    /// The handle of the scheduler.
    pub jobs: Jobs,
    /// The memory of a job that does not say.
    pub default_memory_bytes: u64,
}

/// Which jobs to list.
#[derive(Debug, Clone)]
pub(crate) struct JobFilter {
    pub(crate) state: Option<JobState>,
    pub(crate) model: Option<ModelName>,
    /// The trials of this search instead of jobs that are none.
    pub(crate) search: Option<JobId>,
    pub(crate) after: Option<(Timestamp, JobId)>,
    pub(crate) limit: usize,
}

impl Application {
    /// From now on jobs are run. Once: a second service is not taken.
    pub fn attach_jobs(&self, service: JobService) {
        if self.shared.jobs.set(service).is_err() {
            tracing::error!("a second scheduler of jobs was not taken");
        }
    }

    fn job_service(&self) -> Result<&JobService, ApplicationError> {
        self.shared.jobs.get().ok_or(ApplicationError::NoJobs)
    }

    pub(super) fn jobs(&self) -> Result<&Jobs, ApplicationError> {
        Ok(&self.job_service()?.jobs)
    }

    /// Checks a specification and submits it. The job is a row when this returns.
    pub(crate) async fn submit_job(
        &self,
        principal: &Principal,
        body: &NewJobBody,
    ) -> Result<JobBody, ApplicationError> {
        let spec = TrainingSpec::from_json(body.spec.get()).map_err(ApplicationError::Spec)?;
        principal.require(Permission::Train, Some(&spec.name))?;
        if spec.names_paths() {
            return Err(member(
                "spec.data.path",
                "data.path: a server reads no files of this machine: add them with `modelyard data add NAME FILE` and \
                 name them in data.dataset, or train with `modelyard train --local`",
            ));
        }
        let _no_data_set_goes_meanwhile = self.data_set_lock().read().await;
        let spec = self.pin_data_sets(principal, spec).await?;
        let service = self.job_service()?;
        let memory_bytes = body.memory_bytes.unwrap_or(service.default_memory_bytes);
        if memory_bytes < MIN_MEMORY_BYTES {
            let message = format!("a job needs at least {MIN_MEMORY_BYTES} bytes of memory");
            return Err(member("memory_bytes", message));
        }
        let kind = if spec.search.is_some() { JobKind::Search } else { JobKind::Train };
        let threads = u32::try_from(spec.training.threads).unwrap_or(u32::MAX);
        let new = NewJob {
            kind,
            model: spec.name.clone(),
            spec: spec.to_json(),
            // Contents of data sets are kept by the data sets, of which no version is deleted while a job reads it.
            inputs: Vec::new(),
            // What a search asks is for each of its trials.
            demand: Demand { threads, memory_bytes },
            owner: Owner(principal.actor().as_str().to_owned()),
        };
        let job = service.jobs.submit(new).await?;
        self.record(principal, "job.submit", job.model.as_str(), &format!("job {}", job.id)).await?;
        Ok(bodies::job(&job))
    }

    /// The jobs that have not ended and read a version of a data set; of a trial its search, which is what can be called off.
    pub(super) async fn jobs_that_read(
        &self,
        name: &ModelName,
        version: VersionNumber,
    ) -> Result<Vec<JobId>, ApplicationError> {
        let Some(service) = self.shared.jobs.get() else { return Ok(Vec::new()) };
        let active = service.jobs.active().await?;
        let reading = active.iter().filter(|job| reads(job, name, version));
        let found: BTreeSet<JobId> = reading.map(|job| job.search().unwrap_or(job.id)).collect();
        Ok(found.into_iter().collect())
    }

    /// Writes the version that "the newest" means now into the specification: an attempt that goes on tomorrow reads the
    /// same data.
    async fn pin_data_sets(
        &self,
        principal: &Principal,
        mut spec: TrainingSpec,
    ) -> Result<TrainingSpec, ApplicationError> {
        for reference in spec.data.data_sets_mut() {
            let DatasetRef { name, version } = reference;
            let record = self.visible_data_set(principal, name, *version).await?;
            *version = Some(record.number);
        }
        Ok(spec)
    }

    /// A job of a model that the key may see.
    pub(crate) async fn visible_job(
        &self,
        principal: &Principal,
        id: JobId,
    ) -> Result<Job, ApplicationError> {
        let job = self.jobs()?.job(id).await?;
        match principal.visibility(job.model.as_str()) {
            Visibility::Visible => Ok(job),
            Visibility::Hidden => Err(JobsError::Unknown(id).into()),
        }
    }

    /// A page of jobs, newest first, as far as the key may see their models.
    pub(crate) async fn list_jobs(
        &self,
        principal: &Principal,
        filter: &JobFilter,
    ) -> Result<JobPage, ApplicationError> {
        let jobs = self.jobs()?;
        let mut query =
            JobQuery { state: filter.state, search: filter.search, after: filter.after, limit: ROWS_AT_ONCE };
        let (mut found, mut looked_at) = (Vec::new(), 0);
        loop {
            let rows = jobs.jobs(&query).await?;
            let is_last = rows.len() < ROWS_AT_ONCE as usize;
            for job in &rows {
                looked_at += 1;
                query.after = Some((job.created_at, job.id));
                let is_asked_for = filter.model.as_ref().is_none_or(|model| *model == job.model);
                if is_asked_for && principal.visibility(job.model.as_str()) == Visibility::Visible {
                    found.push(bodies::job_in_short(job));
                }
                if found.len() == filter.limit || looked_at == MAX_ROWS {
                    return Ok(JobPage { jobs: found, next_after: query.after.map(place) });
                }
            }
            if is_last {
                return Ok(JobPage { jobs: found, next_after: None });
            }
        }
    }

    /// Calls a job off.
    pub(crate) async fn cancel_job(
        &self,
        principal: &Principal,
        id: JobId,
    ) -> Result<JobBody, ApplicationError> {
        let job = self.visible_job(principal, id).await?;
        principal.require(Permission::Train, Some(&job.model))?;
        let job = self.jobs()?.cancel(id).await?;
        self.record(principal, "job.cancel", job.model.as_str(), &format!("job {id}")).await?;
        Ok(bodies::job(&job))
    }

    /// All numbers of a job.
    pub(crate) async fn job_metrics(
        &self,
        principal: &Principal,
        id: JobId,
    ) -> Result<MetricList, ApplicationError> {
        self.visible_job(principal, id).await?;
        let metrics = self.jobs()?.metrics(id).await?;
        Ok(MetricList { metrics: metrics.iter().map(bodies::metric).collect() })
    }

    /// The newest lines of a job's log.
    pub(crate) async fn job_log(
        &self,
        principal: &Principal,
        id: JobId,
        limit: u32,
    ) -> Result<LogList, ApplicationError> {
        self.visible_job(principal, id).await?;
        let lines = self.jobs()?.log_lines(id, limit).await?;
        Ok(LogList { lines: lines.iter().map(bodies::log_line).collect() })
    }

    /// Has what aliases of the model point at served, now that it has a version more.
    pub(super) async fn version_made(&self, model: &ModelName) -> Result<(), RegistryError> {
        self.refresh_names().await?;
        if let Err(error) = self.serving().refresh(model).await {
            tracing::warn!(%model, %error, "a new version is not served");
        }
        Ok(())
    }
}

impl JobFilter {
    /// Reads a place on the list, as [`JobPage::next_after`] names it.
    pub(crate) fn read_place(text: &str) -> Result<(Timestamp, JobId), ApplicationError> {
        let read = || {
            let (at, id) = text.split_once('-')?;
            Some((Timestamp(at.parse().ok()?), id.parse().ok()?))
        };
        read().ok_or_else(|| member("after", "'after' is the 'next_after' of the page before"))
    }
}

/// Whether a job's specification names this version of a data set, or the newest of this name. One that cannot be read is
/// run by nobody.
fn reads(job: &Job, name: &ModelName, version: VersionNumber) -> bool {
    let Ok(spec) = TrainingSpec::from_json(&job.spec) else { return false };
    spec.data
        .data_sets()
        .any(|named| named.name == *name && named.version.is_none_or(|named| named == version))
}

fn place((at, id): (Timestamp, JobId)) -> String {
    format!("{}-{id}", at.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_on_the_list_read_back() {
        let here = (Timestamp(1_763_775_665_120), JobId::from_bits(7));
        assert_eq!(JobFilter::read_place(&place(here)).ok(), Some(here));
        for wrong in ["", "-", "7", "x-00000000000000000000000000000007", "1-7"] {
            assert!(JobFilter::read_place(wrong).is_err(), "{wrong}");
        }
    }
}
