//! A server for one test: its own folder, its own ports, the digits model at hand.

mod lab;
mod prover;
mod valve;

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use yard_access::Access;
use yard_engine_onnx::engines_available;
use yard_jobs::{Capacity, Jobs, NoSearches, Scheduler, SchedulerOptions, SchedulerParts};
use yard_registry::{EngineStamp, Registry, RegistryOptions, SystemClock};
use yard_server::{
    Application, ApplicationParts, JobResults, JobService, RegistrySource, Server, ServerOptions,
};
use yard_serving::{Serving, ServingSettings};
use yard_store::{
    Database, DatabaseOptions, ObjectArtifacts, SqliteAuditStore, SqliteJobStore, SqliteKeyStore,
    SqliteRegistryStore, SqliteUsageStore,
};
use yard_types::Timestamp;

pub(crate) use lab::TestLab;
use prover::InProcessProver;
use valve::ValveEngine;
pub(crate) use valve::{VALVE_MODEL, Valve, until};

/// What a test may want otherwise.
pub(crate) struct Setting {
    pub(crate) options: ServerOptions,
    pub(crate) serving: ServingSettings,
}

/// A running server.
pub(crate) struct TestServer {
    pub(crate) server: Server,
    pub(crate) client: Client,
    pub(crate) admin: String,
    pub(crate) url: String,
    pub(crate) valve: Arc<Valve>,
    pub(crate) lab: Arc<TestLab>,
    pub(crate) jobs: Jobs,
    _folder: TempDir,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Default for Setting {
    fn default() -> Self {
        let free = ([127, 0, 0, 1], 0).into();
        let options = ServerOptions {
            http_address: free,
            grpc_address: Some(free),
            shutdown_grace: Duration::from_secs(10),
            ..ServerOptions::default()
        };
        Self { options, serving: ServingSettings::default() }
    }
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A server that has the digits model as version 1 of `digits`.
    pub(crate) async fn with_digits() -> Self {
        let server = Self::start().await;
        server.push("digits", &digits_file()).await;
        server
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Setting)) -> Self {
        let mut setting = Setting::default();
        change(&mut setting);
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("db"), &DatabaseOptions::default()).await.unwrap();
        let valve = Arc::new(Valve::default());
        let (mut engines, _) = engines_available(onnxruntime().as_deref());
        engines.insert(0, Arc::new(ValveEngine(Arc::clone(&valve))));
        let artifacts = folder.path().join("artifacts");
        std::fs::create_dir(&artifacts).unwrap();
        let registry = Registry::new(
            Arc::new(SqliteRegistryStore::new(database.clone())),
            Arc::new(ObjectArtifacts::local(&artifacts).unwrap()),
            Arc::new(InProcessProver::new(engines.clone())),
            Arc::new(SystemClock),
            RegistryOptions::new(folder.path().join("packages")),
        );
        registry.recover().await.unwrap();
        let keys = Arc::new(SqliteKeyStore::new(database.clone()));
        let audit = Arc::new(SqliteAuditStore::new(database.clone()));
        let access = Access::open(keys, audit, Instant::now()).await.unwrap();
        let usage = Arc::new(SqliteUsageStore::new(database.clone()));
        let access = Arc::new(access.with_usage_store(usage, now()).await.unwrap());
        let admin = access.ensure_admin_key(now(), |_| Ok(())).await.unwrap().unwrap();
        let queue_defaults = setting.serving.queue.clone();
        let source = Arc::new(RegistrySource::new(registry.clone(), queue_defaults.clone(), 16_384));
        let stamps = engines.iter().map(|engine| {
            let info = engine.info();
            EngineStamp { name: info.name.to_owned(), version: info.version }
        });
        let parts = ApplicationParts {
            registry,
            access,
            engines: stamps.collect(),
            serving: Serving::start(source, engines, setting.serving).unwrap(),
            queue_defaults,
            version: "0.0.0-test".to_owned(),
            default_model: setting.options.default_model.clone(),
        };
        parts.serving.start_all().await.unwrap();
        let application = Application::new(parts).await.unwrap();
        let lab = Arc::new(TestLab::default());
        let jobs = Scheduler::start(
            SchedulerParts {
                store: Arc::new(SqliteJobStore::new(database)),
                launcher: Arc::clone(&lab) as _,
                results: Arc::new(JobResults::new(application.clone())),
                planner: Arc::new(NoSearches),
                clock: Arc::new(yard_jobs::SystemClock),
            },
            SchedulerOptions::new(Capacity { threads: 2, memory_bytes: 8 << 30 }),
        )
        .unwrap();
        application.attach_jobs(JobService { jobs: jobs.clone(), default_memory_bytes: 1 << 30 });
        let server = Server::start(application, setting.options).await.unwrap();
        let url = format!("http://{}", server.http_address());
        let client = Client::builder().pool_max_idle_per_host(64).build().unwrap();
        Self { server, client, admin: admin.text.reveal().to_owned(), url, valve, lab, jobs, _folder: folder }
    }

    /// A request with the admin key.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(&self.admin)
    }

    /// A request without a key.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::POST, path).json(&body)).await
    }

    /// A server that has a model whose runs the test holds up, as version 1 of `valve`. One run at a time.
    pub(crate) async fn with_valve(change: impl FnOnce(&mut Setting)) -> Self {
        let server = Self::start_with(|setting| {
            setting.serving.compute_threads = NonZeroUsize::MIN;
            // Never on the thread that talks to clients.
            setting.serving.inline_below = Duration::ZERO;
            change(setting);
        })
        .await;
        server.push_bytes("valve", VALVE_MODEL.to_vec(), json!({})).await;
        server
    }

    /// Pushes one file and gives the version.
    pub(crate) async fn push(&self, model: &str, file: &Path) -> u32 {
        self.push_with(model, file, json!({})).await.json()["version"].as_u64().unwrap() as u32
    }

    /// Pushes one file with this commit.
    pub(crate) async fn push_with(&self, model: &str, file: &Path, commit: Value) -> Answer {
        self.push_bytes(model, std::fs::read(file).unwrap(), commit).await
    }

    pub(crate) async fn push_bytes(&self, model: &str, bytes: Vec<u8>, commit: Value) -> Answer {
        self.push_named(model, "model.onnx", bytes, commit).await
    }

    /// Pushes one file of this name.
    pub(crate) async fn push_named(&self, model: &str, file: &str, bytes: Vec<u8>, commit: Value) -> Answer {
        let upload = self.post("/api/v1/uploads", json!({ "model": model })).await.expect(201).json();
        let id = upload["id"].as_str().unwrap();
        let path = format!("/api/v1/uploads/{id}/files/{file}");
        send(self.request(Method::PUT, &path).body(bytes)).await.expect(201);
        let committed = self.post(&format!("/api/v1/uploads/{id}/commit"), commit).await;
        assert!(committed.status.is_success(), "{committed:?}");
        committed
    }

    /// Makes a key and gives its text.
    pub(crate) async fn key(&self, body: Value) -> String {
        let created = self.post("/api/v1/keys", body).await.expect(201).json();
        created["secret"].as_str().unwrap().to_owned()
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The text of a failure, in either style.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        let body = self.json();
        let text = body["error"]["message"].as_str().or(body["error"].as_str());
        text.unwrap_or_else(|| panic!("no error: {body}")).to_owned()
    }
}

/// A V2 request for the digits model.
pub(crate) fn infer_body(rows: &[Vec<f32>]) -> Value {
    let data: Vec<f32> = rows.concat();
    json!({"id": "r1", "inputs": [{"name": "pixels", "datatype": "FP32", "shape": [rows.len(), 64], "data": data}]})
}

/// A V2 request for the valve.
pub(crate) fn valve_body() -> Value {
    json!({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [1.0]}]})
}

/// The place of the largest number.
pub(crate) fn most_probable(scores: &[f64]) -> usize {
    (0..scores.len()).max_by(|one, other| scores[*one].total_cmp(&scores[*other])).unwrap()
}

pub(crate) fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

pub(crate) async fn send(request: RequestBuilder) -> Answer {
    read(request.send().await.unwrap()).await
}

pub(crate) async fn read(response: Response) -> Answer {
    Answer {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.bytes().await.unwrap().to_vec(),
    }
}

pub(crate) fn digits_file() -> PathBuf {
    yard_fixtures::model("digits")
}

/// Images that the model has not seen, with their labels.
pub(crate) fn held_out(count: usize) -> Vec<(Vec<f32>, usize)> {
    let text = std::fs::read_to_string(yard_fixtures::held_out_digits()).unwrap();
    let rows = text.lines().skip(1).take(count).map(|line| {
        let mut values: Vec<f32> = line.split(',').map(|value| value.parse().unwrap()).collect();
        let label = values.pop().unwrap() as usize;
        (values, label)
    });
    rows.collect()
}

/// One of them that the model tells right.
pub(crate) fn an_image() -> (Vec<f32>, usize) {
    held_out(2).remove(1)
}

/// ONNX Runtime's library, where this machine has one; the tests go without it on RTen.
fn onnxruntime() -> Option<PathBuf> {
    yard_fixtures::named_onnxruntime()
}

pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp(since_epoch.as_millis() as i64)
}
