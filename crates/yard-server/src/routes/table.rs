//! The table itself.

use yard_access::Permission::{self, *};

use super::{Access, Body, Endpoint as E, ErrorStyle, Leaving, Route, Subject, Verb};

/// Every route. Each row says who may use it: a row that does not is not a [`Route`] and does not compile.
#[rustfmt::skip]
pub(crate) const ROUTES: &[Route] = &[
    // === Open Inference Protocol V2 ===
    v2_get("/v2", E::ServerMetadata, "The server's name, version and extensions").needs(ListModels),
    v2_get("/v2/health/live", E::ServerLive, "Whether the process is alive").open(),
    v2_get("/v2/health/ready", E::ServerReady, "Whether the server can do its work").open(),
    v2_get("/v2/models/stats", E::AllStatistics, "Statistics of all models").needs(ListModels),
    v2_get("/v2/models/{model}", E::ModelMetadata, "What a model takes and gives").needs(ReadModel),
    v2_get("/v2/models/{model}/versions/{version}", E::ModelMetadata, "What a version takes and gives").needs(ReadModel),
    v2_get("/v2/models/{model}/ready", E::ModelReady, "Whether a model is served").needs(ReadModel),
    v2_get("/v2/models/{model}/versions/{version}/ready", E::ModelReady, "Whether a version is served").needs(ReadModel),
    v2_get("/v2/models/{model}/config", E::ModelConfig, "How a model is served").needs(ReadModel),
    v2_get("/v2/models/{model}/versions/{version}/config", E::ModelConfig, "How a version is served").needs(ReadModel),
    v2_get("/v2/models/{model}/stats", E::ModelStatistics, "Statistics of a model").needs(ReadModel),
    v2_get("/v2/models/{model}/versions/{version}/stats", E::ModelStatistics, "Statistics of a version").needs(ReadModel),
    v2_post("/v2/models/{model}/infer", E::Infer, "Run a model").takes(Body::Tensors).needs(Predict),
    v2_post("/v2/models/{model}/versions/{version}/infer", E::Infer, "Run a version").takes(Body::Tensors).needs(Predict),
    v2_post("/v2/repository/index", E::RepositoryIndex, "All models and whether they are served").needs(ListModels),
    v2_post("/v2/repository/models/{model}/load", E::LoadModel, "Load a model").finishes().needs(LoadUnload),
    v2_post("/v2/repository/models/{model}/unload", E::UnloadModel, "Unload a model").finishes().needs(LoadUnload),

    // === OpenAI's API, at both places where clients look for it. The handler asks about the model that the body names. ===
    openai_get("/v1/models", E::ListOpenAiModels, "Language models and encoders that the key may use").needs(ListModels),
    openai_get("/v1/models/{id}", E::ShowOpenAiModel, "One language model or encoder").needs(ListModels),
    openai_post("/v1/chat/completions", E::ChatCompletions, "The next message of a chat").needs(Predict),
    openai_post("/v1/completions", E::Completions, "How a text goes on").needs(Predict),
    openai_post("/v1/responses", E::Responses, "The next items of a conversation, of which nothing is kept").needs(Predict),
    openai_post("/v1/embeddings", E::Embeddings, "Texts as rows of numbers").needs(Predict),
    openai_post("/v1/rerank", E::Rerank, "Documents in the order in which they answer a query").needs(Predict),
    openai_get("/openai/v1/models", E::ListOpenAiModels, "Language models and encoders that the key may use").needs(ListModels),
    openai_get("/openai/v1/models/{id}", E::ShowOpenAiModel, "One language model or encoder").needs(ListModels),
    openai_post("/openai/v1/chat/completions", E::ChatCompletions, "The next message of a chat").needs(Predict),
    openai_post("/openai/v1/completions", E::Completions, "How a text goes on").needs(Predict),
    openai_post("/openai/v1/responses", E::Responses, "The next items of a conversation, of which nothing is kept").needs(Predict),
    openai_post("/openai/v1/embeddings", E::Embeddings, "Texts as rows of numbers").needs(Predict),
    openai_post("/openai/v1/rerank", E::Rerank, "Documents in the order in which they answer a query").needs(Predict),
    openai_post("/v1/files", E::CreateBatchFile, "Upload the input of a batch").takes(Body::File).needs(Predict),
    openai_get("/v1/files", E::ListBatchFiles, "The key's files, newest first").needs(Predict),
    openai_get("/v1/files/{file}", E::ShowBatchFile, "One file").needs(Predict),
    openai_delete("/v1/files/{file}", E::RemoveBatchFile, "Delete a file").needs(Predict),
    openai_get("/v1/files/{file}/content", E::ReadBatchFile, "The bytes of a file").needs(Predict),
    openai_post("/v1/batches", E::CreateBatch, "Have the requests of a file answered in the background").finishes().needs(Predict),
    openai_get("/v1/batches", E::ListBatches, "The key's batches, newest first").needs(Predict),
    openai_get("/v1/batches/{batch}", E::ShowBatch, "One batch").needs(Predict),
    openai_post("/v1/batches/{batch}/cancel", E::CancelBatch, "Call a batch off; what is done is kept").takes(Body::Nothing).finishes().needs(Predict),
    openai_post("/openai/v1/files", E::CreateBatchFile, "Upload the input of a batch").takes(Body::File).needs(Predict),
    openai_get("/openai/v1/files", E::ListBatchFiles, "The key's files, newest first").needs(Predict),
    openai_get("/openai/v1/files/{file}", E::ShowBatchFile, "One file").needs(Predict),
    openai_delete("/openai/v1/files/{file}", E::RemoveBatchFile, "Delete a file").needs(Predict),
    openai_get("/openai/v1/files/{file}/content", E::ReadBatchFile, "The bytes of a file").needs(Predict),
    openai_post("/openai/v1/batches", E::CreateBatch, "Have the requests of a file answered in the background").finishes().needs(Predict),
    openai_get("/openai/v1/batches", E::ListBatches, "The key's batches, newest first").needs(Predict),
    openai_get("/openai/v1/batches/{batch}", E::ShowBatch, "One batch").needs(Predict),
    openai_post("/openai/v1/batches/{batch}/cancel", E::CancelBatch, "Call a batch off; what is done is kept").takes(Body::Nothing).finishes().needs(Predict),
    openai_post("/tokenize", E::Tokenize, "The tokens of a text or a chat").needs(Predict),
    openai_post("/detokenize", E::Detokenize, "The text of tokens").needs(Predict),

    // === Plain ===
    post("/predict", E::PredictDefault, "Run the default model on rows").takes(Body::Tensors).needs(Predict),
    get("/predict", E::DescribeDefault, "What the default model takes, with a sample").needs(Predict),
    post("/models/{model}/predict", E::PredictModel, "Run a model on rows").takes(Body::Tensors).needs(Predict),
    get("/models/{model}/predict", E::DescribeModel, "What a model takes, with a sample").needs(Predict),

    // === Management: models ===
    get("/api/v1/models", E::ListModels, "All models that the key may see").needs(ListModels),
    get("/api/v1/models/{model}", E::ShowModel, "One model").needs(ReadModel),
    get("/api/v1/models/{model}/versions", E::ListVersions, "The versions of a model").needs(ReadModel),
    get("/api/v1/models/{model}/versions/{version}", E::ShowVersion, "One version in short").needs(ReadModel),
    get("/api/v1/models/{model}/versions/{version}/passport", E::ShowPassport, "Everything that is known of a version").needs(ReadModel),
    get("/api/v1/models/{model}/versions/{version}/files", E::ListFiles, "The files of a version").needs(ReadModel),
    get("/api/v1/models/{model}/versions/{version}/files/{*path}", E::DownloadFile, "One file of a version").needs(ReadModel),
    post("/api/v1/models/{model}/versions/{version}/archive", E::ArchiveVersion, "Archive a version").finishes().needs(Archive),
    get("/api/v1/models/{model}/aliases", E::ListAliases, "The aliases of a model").needs(ReadModel),
    put("/api/v1/models/{model}/aliases/{alias}", E::SetAlias, "Point an alias at a version (promote)").needs(Promote),
    delete("/api/v1/models/{model}/aliases/{alias}", E::RemoveAlias, "Remove an alias").needs(Promote),
    post("/api/v1/models/{model}/rollback", E::RollBack, "Undo the last move of an alias").finishes().needs(Promote),
    get("/api/v1/models/{model}/serving", E::ShowServing, "How a model is served").needs(ReadModel),
    put("/api/v1/models/{model}/serving", E::SetServing, "Change how a model is served").needs(Configure),

    // === Management: uploads. The handler asks about the model that the body or the upload names. ===
    post("/api/v1/uploads", E::BeginUpload, "Begin an upload").finishes().needs(PushModel),
    get("/api/v1/uploads/{upload}", E::ShowUpload, "One upload").needs(PushModel),
    put("/api/v1/uploads/{upload}/files/{*path}", E::PutFile, "Send a file of an upload").takes(Body::File).cancels().needs(PushModel),
    post("/api/v1/uploads/{upload}/commit", E::CommitUpload, "Prove an upload and make it a version").finishes().needs(PushModel),
    delete("/api/v1/uploads/{upload}", E::AbortUpload, "Give up an upload").needs(PushModel),

    // === Management: jobs. The handler asks about the model that the body or the job names. ===
    post("/api/v1/jobs", E::SubmitJob, "Submit a job").finishes().needs(Train),
    get("/api/v1/jobs", E::ListJobs, "Jobs, newest first").needs(ListModels),
    get("/api/v1/jobs/{job}", E::ShowJob, "One job").needs(ReadModel),
    post("/api/v1/jobs/{job}/cancel", E::CancelJob, "Call a job off").finishes().needs(Train),
    get("/api/v1/jobs/{job}/events", E::FollowJob, "What a job tells, as server-sent events, until it ends").needs(ReadModel),
    get("/api/v1/jobs/{job}/metrics", E::JobMetrics, "All numbers of a job").needs(ReadModel),
    get("/api/v1/jobs/{job}/log", E::JobLog, "The newest lines of a job's log").needs(ReadModel),

    // === Management: data sets. The handler asks about the data set that the path, the body or the upload names. ===
    get("/api/v1/datasets", E::ListDataSets, "The newest version of every data set").needs(ReadDataSets),
    get("/api/v1/datasets/{data_set}/versions", E::ListDataSetVersions, "The versions of a data set").needs(ReadDataSets),
    get("/api/v1/datasets/{data_set}/versions/{version}", E::ShowDataSet, "One version of a data set; `latest` is the newest").needs(ReadDataSets),
    delete("/api/v1/datasets/{data_set}/versions/{version}", E::RemoveDataSet, "Delete one version of a data set that no job reads").needs(RemoveDataSets),
    post("/api/v1/dataset-uploads", E::BeginDataSet, "Begin a version of a data set").finishes().needs(AddDataSets),
    get("/api/v1/dataset-uploads/{upload}", E::ShowDataSetDraft, "One upload of a data set").needs(AddDataSets),
    put("/api/v1/dataset-uploads/{upload}/files/{*path}", E::PutDataFile, "Send a file of a data set").takes(Body::File).cancels().needs(AddDataSets),
    post("/api/v1/dataset-uploads/{upload}/commit", E::CommitDataSet, "Make an upload a version of its data set").finishes().needs(AddDataSets),
    delete("/api/v1/dataset-uploads/{upload}", E::AbortDataSet, "Give up an upload of a data set").needs(AddDataSets),

    // === Management: keys, audit, the server itself ===
    get("/api/v1/keys", E::ListKeys, "All keys").needs(ManageKeys),
    post("/api/v1/keys", E::CreateKey, "Make a key").finishes().needs(ManageKeys),
    post("/api/v1/keys/{key}/rotate", E::RotateKey, "Give a key a new secret").finishes().needs(ManageKeys),
    delete("/api/v1/keys/{key}", E::RevokeKey, "Revoke a key").needs(ManageKeys),
    get("/api/v1/audit", E::ShowAudit, "Who did what, newest first").needs(ReadAudit),
    get("/api/v1/usage", E::ShowUsage, "Tokens of language models by key, model and day; its own for a key that is no admin").needs(ReadMetrics),
    post("/api/v1/gc", E::CollectGarbage, "Delete contents that nothing points at").finishes().needs(CollectGarbage),
    get("/api/v1/status", E::ShowStatus, "The server's version, engines and loaded models").needs(ReadMetrics),
    get("/api/openapi.json", E::ShowOpenApi, "This description").needs(ListModels),

    // === Operations ===
    get("/metrics", E::ShowMetrics, "Metrics in the Prometheus text format").needs(ReadMetrics),
    get("/health/live", E::HealthLive, "Whether the process is alive").open(),
    get("/health/ready", E::HealthReady, "Whether the server can do its work").open(),

    // === gRPC. The handler asks about the model that the message names. ===
    call("/inference.GRPCInferenceService/ServerLive", "Whether the process is alive").open(),
    call("/inference.GRPCInferenceService/ServerReady", "Whether the server can do its work").open(),
    call("/inference.GRPCInferenceService/ServerMetadata", "The server's name, version and extensions").needs(ListModels),
    call("/inference.GRPCInferenceService/ModelReady", "Whether a model is served").needs(ReadModel),
    call("/inference.GRPCInferenceService/ModelMetadata", "What a model takes and gives").needs(ReadModel),
    call("/inference.GRPCInferenceService/ModelConfig", "How a model is served").needs(ReadModel),
    call("/inference.GRPCInferenceService/ModelStatistics", "Statistics of models").needs(ListModels),
    call("/inference.GRPCInferenceService/ModelInfer", "Run a model").needs(Predict),
    call("/inference.GRPCInferenceService/ModelStreamInfer", "Run models, request by request").takes(Body::Messages).needs(Predict),
    call("/inference.GRPCInferenceService/RepositoryIndex", "All models and whether they are served").needs(ListModels),
    call("/inference.GRPCInferenceService/RepositoryModelLoad", "Load a model").finishes().needs(LoadUnload),
    call("/inference.GRPCInferenceService/RepositoryModelUnload", "Unload a model").finishes().needs(LoadUnload),
    call("/grpc.health.v1.Health/Check", "Whether the server or a model can do its work").open(),
    call("/grpc.health.v1.Health/Watch", "As Check, again at every change").open(),
    call("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "The services and messages there are").takes(Body::Messages).needs(ListModels),
    call("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "The services and messages there are").takes(Body::Messages).needs(ListModels),
];

/// A row that does not yet say who may use it.
struct Unguarded(Route);

impl Unguarded {
    const fn needs(mut self, permission: Permission) -> Route {
        self.0.access = Access::Needs(permission);
        self.0
    }

    const fn open(self) -> Route {
        self.0
    }

    const fn takes(mut self, body: Body) -> Self {
        self.0.body = body;
        self
    }

    const fn finishes(mut self) -> Self {
        self.0.leaving = Leaving::Finish;
        self
    }

    const fn cancels(mut self) -> Self {
        self.0.leaving = Leaving::Cancel;
        self
    }
}

const fn row(verb: Verb, pattern: &'static str, endpoint: E, summary: &'static str) -> Unguarded {
    let subject = if names_model(pattern) { Subject::InPath } else { Subject::Unnamed };
    let (body, leaving) = match verb {
        Verb::Get => (Body::Nothing, Leaving::Cancel),
        Verb::Post => (Body::Json, Leaving::Cancel),
        Verb::Put => (Body::Json, Leaving::Finish),
        Verb::Delete => (Body::Nothing, Leaving::Finish),
        Verb::Rpc => (Body::Tensors, Leaving::Cancel),
    };
    let errors = ErrorStyle::Own;
    Unguarded(Route {
        verb,
        pattern,
        endpoint,
        access: Access::Open,
        subject,
        body,
        errors,
        leaving,
        summary,
    })
}

const fn get(pattern: &'static str, endpoint: E, summary: &'static str) -> Unguarded {
    row(Verb::Get, pattern, endpoint, summary)
}

const fn post(pattern: &'static str, endpoint: E, summary: &'static str) -> Unguarded {
    row(Verb::Post, pattern, endpoint, summary)
}

const fn put(pattern: &'static str, endpoint: E, summary: &'static str) -> Unguarded {
    row(Verb::Put, pattern, endpoint, summary)
}

const fn delete(pattern: &'static str, endpoint: E, summary: &'static str) -> Unguarded {
    row(Verb::Delete, pattern, endpoint, summary)
}

const fn plain_errors(mut row: Unguarded) -> Unguarded {
    row.0.errors = ErrorStyle::Plain;
    row
}

const fn v2_get(pattern: &'static str, endpoint: E, summary: &'static str) -> Unguarded {
    plain_errors(get(pattern, endpoint, summary))
}

const fn v2_post(pattern: &'static str, endpoint: E, summary: &'static str) -> Unguarded {
    plain_errors(post(pattern, endpoint, summary))
}

const fn openai_errors(mut row: Unguarded) -> Unguarded {
    row.0.errors = ErrorStyle::OpenAi;
    row
}

const fn openai_get(pattern: &'static str, endpoint: E, summary: &'static str) -> Unguarded {
    openai_errors(get(pattern, endpoint, summary))
}

const fn openai_post(pattern: &'static str, endpoint: E, summary: &'static str) -> Unguarded {
    openai_errors(post(pattern, endpoint, summary)).takes(Body::Prompt)
}

const fn openai_delete(pattern: &'static str, endpoint: E, summary: &'static str) -> Unguarded {
    openai_errors(delete(pattern, endpoint, summary))
}

const fn call(pattern: &'static str, summary: &'static str) -> Unguarded {
    plain_errors(row(Verb::Rpc, pattern, E::Rpc, summary))
}

/// Whether the pattern has the segment `{model}`.
const fn names_model(pattern: &str) -> bool {
    const NEEDLE: &[u8] = b"{model}";
    let pattern = pattern.as_bytes();
    let mut start = 0;
    while start + NEEDLE.len() <= pattern.len() {
        let mut matched = 0;
        while matched < NEEDLE.len() && pattern[start + matched] == NEEDLE[matched] {
            matched += 1;
        }
        if matched == NEEDLE.len() {
            return true;
        }
        start += 1;
    }
    false
}
