//! What serving itself costs a request: a trivial engine behind the whole path from `find` to the answer, on one
//! thread. Build it with `--release`; prints nanoseconds for each request at 1 and 64 concurrent callers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use yard_engine::{
    Engine, EngineInfo, LoadError, LoadOptions, LoadedModel, ModelPackage, PredictError, RowJoining,
    RunControl,
};
use yard_serving::{
    LoadPlan, ModelRoutes, ModelSource, RequestContext, Serving, ServingSettings, SourceError,
};
use yard_types::{
    AliasName, DataType, Dim, ModelName, PackagePath, Selector, Signature, Tensor, TensorData, TensorSpec,
    VersionNumber, VersionRef,
};

const COLUMNS: usize = 100;
const OUTPUTS: usize = 10;
const REQUESTS: usize = 400_000;

/// Answers the first columns of each row.
#[derive(Debug)]
struct Trivial {
    signature: Signature,
}

#[derive(Debug)]
struct OneModel {
    model: ModelName,
    main: PackagePath,
    single_run: Option<Duration>,
}

impl OneModel {
    fn routes(&self) -> ModelRoutes {
        ModelRoutes {
            model: self.model.clone(),
            aliases: vec![(AliasName::production(), VersionNumber::FIRST)],
            options: None,
        }
    }
}

#[async_trait]
impl ModelSource for OneModel {
    async fn models(&self) -> Result<Vec<ModelRoutes>, SourceError> {
        Ok(vec![self.routes()])
    }

    async fn routes(&self, model: &ModelName) -> Result<Option<ModelRoutes>, SourceError> {
        Ok((*model == self.model).then(|| self.routes()))
    }

    async fn plan(&self, _version: &VersionRef) -> Result<LoadPlan, SourceError> {
        Ok(LoadPlan {
            package: ModelPackage::new("unused", self.main.clone()),
            engine: "trivial".to_owned(),
            joining_allowed: true,
            single_run: self.single_run,
            memory_bytes: 0,
            package_guard: Box::new(()),
        })
    }
}

#[derive(Debug)]
struct TrivialEngine;

impl Engine for TrivialEngine {
    fn info(&self) -> EngineInfo {
        EngineInfo { name: "trivial", version: "1".to_owned() }
    }

    fn load(
        &self,
        _package: &ModelPackage,
        _options: &LoadOptions,
    ) -> Result<Arc<dyn LoadedModel>, LoadError> {
        let spec = |name: &str, columns| TensorSpec {
            name: name.to_owned(),
            data_type: DataType::Fp32,
            shape: Some(vec![Dim::Symbol("batch".to_owned()), Dim::Fixed(columns)]),
            labels: None,
        };
        let signature = Signature { inputs: vec![spec("x", COLUMNS)], outputs: vec![spec("y", OUTPUTS)] };
        Ok(Arc::new(Trivial { signature }))
    }
}

impl LoadedModel for Trivial {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn row_joining(&self) -> RowJoining {
        RowJoining::Plausible
    }

    fn predict(&self, inputs: &[Tensor], _control: &RunControl) -> Result<Vec<Tensor>, PredictError> {
        let bad = |reason: &str| PredictError::BadInput(reason.to_owned());
        let [input] = inputs else { return Err(bad("one input is needed")) };
        let TensorData::Fp32(values) = input.data() else { return Err(bad("FP32 is needed")) };
        let rows = values.len() / COLUMNS;
        let mut answers = Vec::with_capacity(rows * OUTPUTS);
        for row in values.chunks_exact(COLUMNS) {
            answers.extend_from_slice(&row[..OUTPUTS]);
        }
        let output = Tensor::new(vec![rows, OUTPUTS], TensorData::Fp32(answers));
        Ok(vec![output.map_err(|error| bad(&error.to_string()))?])
    }
}

fn input() -> Result<Tensor, yard_types::TensorError> {
    Tensor::new(vec![1, COLUMNS], TensorData::Fp32(vec![0.25; COLUMNS]))
}

async fn caller(serving: Serving, requests: usize) -> anyhow::Result<()> {
    for _ in 0..requests {
        let lease = serving.find("m", &Selector::Production)?;
        let prediction = lease.predict(vec![input()?], RequestContext::default()).await?;
        anyhow::ensure!(prediction.outputs.len() == 1, "one output was expected");
    }
    Ok(())
}

/// Nanoseconds a request with so many callers.
async fn measure(serving: &Serving, callers: usize) -> anyhow::Result<f64> {
    let each = REQUESTS / callers;
    let began = Instant::now();
    let mut calling = tokio::task::JoinSet::new();
    for _ in 0..callers {
        calling.spawn(caller(serving.clone(), each));
    }
    while let Some(ended) = calling.join_next().await {
        ended??;
    }
    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
    let requests = (each * callers) as f64;
    Ok(began.elapsed().as_secs_f64() * 1e9 / requests)
}

#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for (place, single_run) in [("I/O thread", Some(Duration::from_micros(3))), ("compute threads", None)]
        {
            let source = OneModel { model: "m".parse()?, main: "model.onnx".parse()?, single_run };
            let settings = ServingSettings::default();
            let serving = Serving::start(Arc::new(source), vec![Arc::new(TrivialEngine)], settings)?;
            serving.start_all().await?;
            measure(&serving, 64).await?;
            for callers in [1, 64] {
                let nanoseconds = measure(&serving, callers).await?;
                println!("{place}, {callers:>2} callers: {nanoseconds:>6.0} ns a request");
            }
            let metrics = serving.metrics().remove(0);
            println!("{place}: {} requests in {} runs", metrics.requests, metrics.batches);
        }
        Ok(())
    })
}
