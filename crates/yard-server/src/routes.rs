//! The one list of what can be asked for.
//!
//! HTTP dispatch, the gate, the gRPC listener and the OpenAPI description are all made from [`ROUTES`]. What has no row
//! there cannot be reached.

mod path;
mod table;

use http::{HeaderValue, Method};
use yard_access::Permission;

pub(crate) use path::PathParameters;
pub(crate) use table::ROUTES;

use path::PathTree;

/// One route and everything that is decided before its handler runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) verb: Verb,
    pub(crate) pattern: &'static str,
    pub(crate) endpoint: Endpoint,
    pub(crate) access: Access,
    pub(crate) subject: Subject,
    pub(crate) body: Body,
    pub(crate) errors: ErrorStyle,
    pub(crate) leaving: Leaving,
    /// One line for the reference.
    pub(crate) summary: &'static str,
}

/// How a route is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Post,
    Put,
    Delete,
    /// A gRPC call.
    Rpc,
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anyone, without a key.
    Open,
    /// Holders of a key with this permission.
    Needs(Permission),
}

/// Which model a route is about, as far as the gate can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// None, or one that the body names: then the handler asks whether the key may.
    Unnamed,
    /// The one in the path.
    InPath,
}

/// What a route's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    Nothing,
    /// A JSON document; our own routes want it declared as such.
    Json,
    /// A JSON document with texts: larger than others.
    Prompt,
    /// Tensors or rows, in JSON or binary, whatever the client calls them.
    Tensors,
    /// A file, streamed.
    File,
    /// Messages of a gRPC call, one after the other.
    Messages,
}

/// How a route writes failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorStyle {
    /// `{"error": {"code", "message", "param", "request_id"}}`.
    Own,
    /// `{"error": {"message", "type", "param", "code"}}`, as clients of OpenAI's API expect.
    OpenAi,
    /// `{"error": "text"}`, as clients of the Open Inference Protocol expect.
    Plain,
}

/// What happens to a request whose client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// It is dropped, and with it whatever it had queued.
    Cancel,
    /// It goes on to its end.
    Finish,
}

/// What a route does. The dispatcher has one arm for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Endpoint {
    ServerMetadata,
    ServerLive,
    ServerReady,
    AllStatistics,
    ModelMetadata,
    ModelReady,
    ModelConfig,
    ModelStatistics,
    Infer,
    ListOpenAiModels,
    ShowOpenAiModel,
    ChatCompletions,
    Completions,
    Responses,
    Embeddings,
    Rerank,
    CreateBatchFile,
    ListBatchFiles,
    ShowBatchFile,
    RemoveBatchFile,
    ReadBatchFile,
    CreateBatch,
    ListBatches,
    ShowBatch,
    CancelBatch,
    Tokenize,
    Detokenize,
    RepositoryIndex,
    LoadModel,
    UnloadModel,
    PredictDefault,
    DescribeDefault,
    PredictModel,
    DescribeModel,
    ListModels,
    ShowModel,
    ListVersions,
    ShowVersion,
    ShowPassport,
    ListFiles,
    DownloadFile,
    ArchiveVersion,
    ListAliases,
    SetAlias,
    RemoveAlias,
    RollBack,
    ShowServing,
    SetServing,
    BeginUpload,
    ShowUpload,
    PutFile,
    CommitUpload,
    AbortUpload,
    SubmitJob,
    ListJobs,
    ShowJob,
    CancelJob,
    FollowJob,
    JobMetrics,
    JobLog,
    ListDataSets,
    ListDataSetVersions,
    ShowDataSet,
    RemoveDataSet,
    BeginDataSet,
    ShowDataSetDraft,
    PutDataFile,
    CommitDataSet,
    AbortDataSet,
    ListKeys,
    CreateKey,
    RotateKey,
    RevokeKey,
    ShowAudit,
    ShowUsage,
    CollectGarbage,
    ShowStatus,
    ShowOpenApi,
    ShowMetrics,
    HealthLive,
    HealthReady,
    /// A gRPC call; tonic finds its method.
    Rpc,
}

/// A route as the reference and the tests see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteSummary {
    /// `GET`, `POST`, `PUT` or `DELETE`; `POST` for a gRPC call.
    pub method: &'static str,
    /// Its path, with names of variable segments in braces.
    pub path: &'static str,
    /// What a key must be allowed to do; `None` for a route that needs no key.
    pub permission: Option<Permission>,
    /// Whether it is a gRPC call.
    pub is_call: bool,
    /// What it does.
    pub summary: &'static str,
}

/// Every route there is, over HTTP and gRPC.
pub fn routes() -> impl Iterator<Item = RouteSummary> {
    ROUTES.iter().map(|route| RouteSummary {
        method: route.verb.as_str(),
        path: route.pattern,
        permission: match route.access {
            Access::Open => None,
            Access::Needs(permission) => Some(permission),
        },
        is_call: route.verb == Verb::Rpc,
        summary: route.summary,
    })
}

/// Finds routes.
#[derive(Debug)]
pub(crate) struct Router {
    tree: PathTree<Methods>,
}

/// The routes of one path.
#[derive(Debug, Default)]
struct Methods {
    routes: Vec<Route>,
}

/// What a router found.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    Route(&'a Route, PathParameters<'a>),
    /// The path is there, but not for this method; the methods it has.
    OtherMethods(HeaderValue),
    Nothing,
}

impl Verb {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post | Self::Rpc => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    fn of(method: &Method) -> Option<Self> {
        match *method {
            // An answer to HEAD is that to GET, of which hyper sends the head alone.
            Method::GET | Method::HEAD => Some(Self::Get),
            Method::POST => Some(Self::Post),
            Method::PUT => Some(Self::Put),
            Method::DELETE => Some(Self::Delete),
            _ => None,
        }
    }
}

impl ErrorStyle {
    /// The style of a path that is not routed.
    pub(crate) fn of_path(path: &str) -> Self {
        let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        match first {
            "v1" | "openai" => Self::OpenAi,
            "v2" => Self::Plain,
            _ => Self::Own,
        }
    }
}

impl Router {
    /// A router for the HTTP routes of the table.
    pub(crate) fn for_http() -> Self {
        Self::of(ROUTES.iter().filter(|route| route.verb != Verb::Rpc))
    }

    /// A router for the gRPC calls of the table.
    pub(crate) fn for_grpc() -> Self {
        Self::of(ROUTES.iter().filter(|route| route.verb == Verb::Rpc))
    }

    fn of<'r>(routes: impl Iterator<Item = &'r Route>) -> Self {
        let mut tree = PathTree::new();
        for route in routes {
            tree.entry(route.pattern, Methods::default).routes.push(*route);
        }
        Self { tree }
    }

    /// The route of an HTTP request.
    pub(crate) fn find<'a>(&'a self, method: &Method, path: &'a str) -> Found<'a> {
        let Some((methods, parameters)) = self.tree.find(path) else { return Found::Nothing };
        let verb = Verb::of(method);
        match methods.routes.iter().find(|route| Some(route.verb) == verb) {
            Some(route) => Found::Route(route, parameters),
            None => Found::OtherMethods(methods.allow()),
        }
    }

    /// The gRPC call of this path.
    pub(crate) fn find_call(&self, path: &str) -> Option<&Route> {
        let (methods, _) = self.tree.find(path)?;
        methods.routes.first()
    }
}

impl Methods {
    fn allow(&self) -> HeaderValue {
        let mut names: Vec<&str> = vec!["OPTIONS"];
        for route in &self.routes {
            names.push(route.verb.as_str());
            if route.verb == Verb::Get {
                names.push("HEAD");
            }
        }
        names.sort_unstable();
        HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_row_can_be_reached_and_stands_once() {
        let (http, grpc) = (Router::for_http(), Router::for_grpc());
        let mut seen = HashSet::new();
        for route in ROUTES {
            assert!(seen.insert((route.verb.as_str(), route.pattern)), "twice: {route:?}");
            let found = match route.verb {
                Verb::Rpc => grpc.find_call(route.pattern).copied(),
                verb => {
                    let method: Method = verb.as_str().parse().unwrap();
                    // A named segment matches its own braces.
                    match http.find(&method, route.pattern) {
                        Found::Route(found, _) => Some(*found),
                        _ => None,
                    }
                }
            };
            assert_eq!(found, Some(*route));
        }
    }

    #[test]
    fn only_health_is_open() {
        for route in ROUTES {
            let path = route.pattern.to_ascii_lowercase();
            let is_health =
                path.ends_with("live") || path.ends_with("/serverready") || path.contains("health");
            assert_eq!(route.access == Access::Open, is_health, "{route:?}");
        }
    }

    #[test]
    fn a_model_in_the_path_is_always_what_the_gate_asks_about() {
        for route in ROUTES {
            let named = route.pattern.contains("{model}");
            assert_eq!(route.subject == Subject::InPath, named, "{route:?}");
        }
    }

    #[test]
    fn other_methods_are_told() {
        let router = Router::for_http();
        let Found::OtherMethods(allow) = router.find(&Method::PATCH, "/predict") else {
            panic!("PATCH is not routed")
        };
        assert_eq!(allow, "GET, HEAD, OPTIONS, POST");
        assert!(
            matches!(router.find(&Method::HEAD, "/predict"), Found::Route(route, _) if route.verb == Verb::Get)
        );
        assert!(matches!(router.find(&Method::GET, "/predict/"), Found::Nothing));
    }
}
