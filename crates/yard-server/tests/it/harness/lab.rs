//! Children of jobs that do what a test says, and make the digits model.

use std::{collections::HashMap, sync::Mutex};

use async_trait::async_trait;
use yard_jobs::{
    Child, ChildEnd, ChildEvent, Job, JobFailure, JobId, Launch, Launcher, ProducedFile, Product,
    testing::ScriptedLauncher,
};

use super::digits_file;

/// Runs the script that is set for the model of a job; see [`ScriptedLauncher`] for its words.
#[derive(Default)]
pub(crate) struct TestLab {
    pub(crate) children: ScriptedLauncher,
    scripts: Mutex<HashMap<String, String>>,
}

struct TestChild(Box<dyn Child>);

impl TestLab {
    /// Jobs of this model do this.
    pub(crate) fn script(&self, model: &str, script: &str) {
        self.scripts.lock().unwrap().insert(model.to_owned(), script.to_owned());
    }
}

#[async_trait]
impl Launcher for TestLab {
    async fn launch(&self, mut launch: Launch) -> Result<Box<dyn Child>, ChildEnd> {
        let script = self.scripts.lock().unwrap().get(launch.job.model.as_str()).cloned();
        launch.job.spec = script.unwrap_or_else(|| "finish".to_owned());
        Ok(Box::new(TestChild(self.children.launch(launch).await?)))
    }

    async fn product(&self, job: &Job) -> Result<Product, JobFailure> {
        Ok(with_model(self.children.product(job).await?))
    }

    async fn discard(&self, job: JobId) {
        self.children.discard(job).await;
    }
}

#[async_trait]
impl Child for TestChild {
    async fn next(&mut self) -> ChildEvent {
        match self.0.next().await {
            ChildEvent::Ended(ChildEnd::Finished(product)) => {
                ChildEvent::Ended(ChildEnd::Finished(with_model(product)))
            }
            other => other,
        }
    }

    async fn kill(&mut self) {
        self.0.kill().await;
    }
}

fn with_model(product: Product) -> Product {
    let files = vec![ProducedFile { path: "model.onnx".parse().unwrap(), source: digits_file() }];
    Product { files, ..product }
}
