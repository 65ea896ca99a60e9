//! A running search: it has no child, it submits trials and waits for them.

use std::collections::HashSet;

use tokio::sync::watch;
use yard_types::ErrorCode;

use super::runner::{Runner, Stop, Verdict, stopped};
use crate::{Ending, Job, JobFailure, JobId, JobKind, JobStoreError, NewJob, NewTrial, Product, SearchStep};

/// Most trials of one search that are queued or running. The others are submitted as these end.
const UNFINISHED_TRIALS: usize = 64;

impl Runner {
    pub(super) async fn search(&mut self, stop: &mut watch::Receiver<Option<Stop>>) -> Verdict {
        // A search that goes on has told of these already, but for those that ended while nobody looked.
        let mut told: Option<HashSet<JobId>> = (self.claim.attempt == 1).then(HashSet::new);
        loop {
            let trials = match self.tried(|| self.parts.store.trials(self.job.id)).await {
                Ok(trials) => trials,
                Err(error) => return self.given_up(&error),
            };
            if let Err(verdict) = self.tell_of(&trials, &mut told).await {
                return verdict;
            }
            let waiting = match self.parts.planner.next(&self.job, &trials) {
                Err(failure) => return Verdict::End(Ending::Failed(failure)),
                Ok(SearchStep::Finish { best, summary }) => {
                    return match self.product_of(&trials, best, summary).await {
                        Ok(product) => self.register(&product, stop).await,
                        Err(failure) => Verdict::End(Ending::Failed(failure)),
                    };
                }
                Ok(SearchStep::Wait) => unfinished(&trials),
                Ok(SearchStep::Submit(wanted)) => match self.submit(&trials, wanted).await {
                    Ok(waiting) => waiting,
                    Err(verdict) => return verdict,
                },
            };
            if waiting == 0 {
                return Verdict::End(Ending::Failed(fault(
                    "the search waits for trials, but there are none",
                )));
            }
            tokio::select! {
                biased;
                reason = stopped(stop) => return Self::verdict_of(reason),
                () = self.trial_ended.notified() => {}
            }
        }
    }

    /// Tells of the trials that have ended and were not told of; before the first trial, how many there will be.
    async fn tell_of(&mut self, trials: &[Job], told: &mut Option<HashSet<JobId>>) -> Result<(), Verdict> {
        let ended = trials.iter().filter(|trial| trial.state.is_final());
        let Some(told) = told else {
            *told = Some(ended.map(|trial| trial.id).collect());
            return Ok(());
        };
        let ended: Vec<&Job> = ended.filter(|trial| told.insert(trial.id)).collect();
        if ended.is_empty() && !trials.is_empty() {
            return Ok(());
        }
        let reports = self.parts.planner.told(&self.job, trials, &ended);
        if reports.is_empty() { Ok(()) } else { self.record(&reports).await }
    }

    /// Submits trials that are not there yet, as far as there is room; gives how many are unfinished then.
    async fn submit(&self, trials: &[Job], wanted: Vec<NewTrial>) -> Result<usize, Verdict> {
        let mut waiting = unfinished(trials);
        for trial in wanted {
            let taken =
                |job: &Job| matches!(job.kind, JobKind::Trial { number, .. } if number == trial.number);
            if trials.iter().any(taken) {
                continue;
            }
            if waiting >= UNFINISHED_TRIALS {
                break;
            }
            let new = NewJob {
                kind: JobKind::Trial { search: self.job.id, number: trial.number },
                model: self.job.model.clone(),
                spec: trial.spec,
                inputs: self.job.inputs.clone(),
                demand: trial.demand,
                owner: self.job.owner.clone(),
            };
            let id = JobId::random()
                .map_err(|_| Verdict::End(Ending::Failed(fault("no id could be made for a trial"))))?;
            let job = Job::queued(new, id, self.parts.clock.now());
            match self.tried(|| self.parts.store.insert(&job)).await {
                // An insert whose answer was lost and that was tried again is there.
                Ok(()) | Err(JobStoreError::Conflict(_)) => waiting += 1,
                Err(error) => return Err(self.given_up(&error)),
            }
        }
        self.owner.notify_one();
        Ok(waiting)
    }

    /// What the best trial made, told as the search's result.
    async fn product_of(&self, trials: &[Job], best: JobId, summary: String) -> Result<Product, JobFailure> {
        let trial = trials.iter().find(|trial| trial.id == best);
        let trial = trial.ok_or_else(|| fault("the best trial is not one of the search's"))?;
        let product = self.parts.launcher.product(trial).await?;
        Ok(Product { summary, ..product })
    }
}

fn unfinished(trials: &[Job]) -> usize {
    trials.iter().filter(|trial| !trial.state.is_final()).count()
}

fn fault(message: &str) -> JobFailure {
    JobFailure { code: ErrorCode::Internal, message: message.to_owned() }
}
