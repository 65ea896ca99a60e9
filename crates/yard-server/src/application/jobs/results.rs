//! Where the results of jobs go: into the registry, and from there into serving.

use async_trait::async_trait;
use yard_jobs::{Claim, Job, Product, RegisterError, Results};

use crate::application::Application;

/// Registers what jobs made, and has it served like what was pushed.
#[derive(Debug, Clone)]
pub struct JobResults {
    application: Application,
}

impl JobResults {
    /// Results go to the registry and the serving of this application.
    pub fn new(application: Application) -> Self {
        Self { application }
    }
}

#[async_trait]
impl Results for JobResults {
    async fn register(&self, claim: Claim, job: &Job, product: &Product) -> Result<(), RegisterError> {
        let (application, job, product) = (self.application.clone(), job.clone(), product.clone());
        // A caller that gives up, because the job is called off too late, must not keep a version from being served.
        let work = tokio::spawn(async move {
            application.registry().register(claim, &job, &product).await?;
            if let Err(error) = application.version_made(&job.model).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(model = %job.model, error, "what a job made could not be announced");
            }
            Ok(())
        });
        work.await.unwrap_or_else(|error| Err(RegisterError::Unavailable(Box::new(error))))
    }
}
