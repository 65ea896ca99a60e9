//! The description of the HTTP API, made from the table of routes and the schemas of the bodies.

use serde_json::{Map, Value, json};
use yard_access::Role;

use crate::routes::{Access, Body, Endpoint as E, ErrorStyle, ROUTES, Route, Verb};

/// The committed description; a test holds it against [`build`].
pub(crate) const fn document() -> &'static str {
    yard_api::openapi::OPENAPI
}

/// Makes the description.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the committed file is served; only the test makes it anew")
)]
pub(crate) fn build() -> Result<Value, serde_json::Error> {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES.iter().filter(|route| route.verb != Verb::Rpc) {
        let path = route.pattern.replace("{*", "{");
        let operations = paths.entry(path).or_insert_with(|| json!({}));
        operations[route.verb.as_str().to_ascii_lowercase()] = operation(route);
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Modelyard",
            "description": "Models as services: the Open Inference Protocol V2, plain predictions, and management. \
                The same table of routes makes this description, the router and the permission checks.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "version": "1",
        },
        "tags": [
            {"name": "inference", "description": "Open Inference Protocol V2"},
            {"name": "language", "description": "OpenAI's API for language models"},
            {"name": "plain", "description": "Rows in, predictions out"},
            {"name": "management", "description": "Models, versions, uploads, jobs, data sets, keys"},
            {"name": "operations", "description": "Health and metrics"},
        ],
        "paths": paths,
        "components": {
            "schemas": yard_api::openapi::schemas()?,
            "responses": {
                "Failure": failure(&reference("ErrorBody")),
                "OpenAiFailure": failure(&json!({
                    "type": "object", "required": ["error"], "properties": {"error": {
                        "type": "object",
                        "required": ["message", "type", "param", "code"],
                        "properties": {
                            "message": {"type": "string"},
                            "type": {"type": "string"},
                            "param": {"type": ["string", "null"]},
                            "code": {"type": "string"},
                        },
                    }},
                })),
                "PlainFailure": failure(&json!({
                    "type": "object", "required": ["error"], "properties": {"error": {"type": "string"}},
                })),
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    });
    // The order of keys depends on features that other crates may switch on; the file may not.
    document.sort_all_objects();
    Ok(document)
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "summary": route.summary,
        "operationId": operation_id(route),
        "tags": [tag(route)],
        "parameters": parameters(route),
        "responses": responses(route),
    });
    match route.access {
        Access::Open => operation["security"] = json!([]),
        Access::Needs(permission) => {
            operation["security"] = json!([{"bearer": []}, {"apiKey": []}]);
            let roles = Role::ALL.into_iter().filter(|role| role.grants(permission));
            let roles: Vec<&str> = roles.map(Role::as_str).collect();
            operation["description"] =
                json!(format!("Needs a key that may {} ({}).", permission.action(), roles.join(", ")));
        }
    }
    match (route.body, body_schema(route.endpoint)) {
        (Body::Nothing, _) => {}
        (Body::File, _) if route.endpoint == E::CreateBatchFile => {
            operation["requestBody"] = json!({
                "required": true,
                "content": {"multipart/form-data": {"schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string", "enum": ["batch"]},
                        "expires_after": {"type": "object", "required": ["anchor", "seconds"], "properties": {
                            "anchor": {"type": "string", "enum": ["created_at"]},
                            "seconds": {"type": "integer", "minimum": 3600, "maximum": 2592000},
                        }},
                    },
                }}},
            });
        }
        (Body::File, _) => {
            operation["requestBody"] = json!({
                "required": true,
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            });
        }
        (Body::Json | Body::Prompt | Body::Tensors | Body::Messages, schema) => {
            let schema = schema.map_or_else(|| json!({"type": "object"}), reference);
            operation["requestBody"] = json!({"content": {"application/json": {"schema": schema}}});
        }
    }
    operation
}

/// The endpoint in lower camel case, with what tells two routes of one endpoint apart.
fn operation_id(route: &Route) -> String {
    let mut name = format!("{:?}", route.endpoint);
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    let is_twin = |other: &&Route| other.endpoint == route.endpoint && other.pattern != route.pattern;
    if ROUTES.iter().any(|other| is_twin(&other)) && route.pattern.contains("{version}") {
        name.push_str("OfVersion");
    }
    if route.pattern.starts_with("/openai/") {
        name.push_str("UnderOpenai");
    }
    name
}

fn tag(route: &Route) -> &'static str {
    match route.pattern.split('/').nth(1) {
        Some("v2") => "inference",
        Some("v1" | "openai" | "tokenize" | "detokenize") => "language",
        Some("api") => "management",
        Some("health" | "metrics") => "operations",
        _ => "plain",
    }
}

fn parameters(route: &Route) -> Vec<Value> {
    let mut parameters = Vec::new();
    for segment in route.pattern.split('/') {
        let Some(name) = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) else {
            continue;
        };
        let name = name.trim_start_matches('*');
        let description = match name {
            "model" => "The name of a model",
            "version" => "The number of a version, or an alias",
            "alias" => "The name of an alias",
            "upload" => "The id of an upload",
            "key" => "The id of a key",
            "id" => "A language model: NAME, NAME@ALIAS or NAME:VERSION",
            "job" => "The id of a job",
            "data_set" => "The name of a data set",
            "file" => "The id of a file",
            "batch" => "The id of a batch",
            _ => "The path of a file inside its package; may hold slashes",
        };
        parameters.push(json!({
            "name": name, "in": "path", "required": true, "description": description, "schema": {"type": "string"},
        }));
    }
    let header = |name: &str, description: &str| json!({"name": name, "in": "header", "description": description, "schema": {"type": "string"}});
    let query = |name: &str, description: &str| json!({"name": name, "in": "query", "description": description, "schema": {"type": "integer"}});
    let word = |name: &str, description: &str| json!({"name": name, "in": "query", "description": description, "schema": {"type": "string"}});
    match route.endpoint {
        E::PutFile | E::PutDataFile => {
            parameters.push(header(
                "x-content-sha256",
                "The SHA-256 of the file in hexadecimal; checked when given",
            ));
            parameters.push(header("repr-digest", "As RFC 9530: sha-256=:BASE64:; checked when given"));
        }
        E::ShowAudit => {
            parameters.push(query("before", "Only entries before this one: next_before of the page before"));
            parameters.push(query("limit", "Most entries of the page: 1 to 1000, 100 when left out"));
        }
        E::ShowUsage => {
            parameters.push(word(
                "from",
                "The first day of UTC, such as 2026-01-31; that of the month of `to` when left out",
            ));
            parameters.push(word("to", "The last day of UTC; today when left out"));
        }
        E::ListBatchFiles => {
            parameters.push(word("purpose", "Only files of this purpose: `batch` or `batch_output`"));
            parameters.push(word("order", "`asc` for the oldest first, `desc` when left out"));
            parameters.push(word("after", "Only files after this one on the list"));
            parameters.push(query("limit", "Most files of the page: 1 to 10000, 10000 when left out"));
        }
        E::ListBatches => {
            parameters.push(word("after", "Only batches after this one on the list"));
            parameters.push(query("limit", "Most batches of the page: 1 to 100, 20 when left out"));
        }
        E::ListJobs => {
            parameters.push(word("state", "Only jobs in this state"));
            parameters.push(word("model", "Only jobs of this model"));
            parameters.push(word("search", "The trials of this search, which are left out otherwise"));
            parameters.push(word("after", "Only jobs after this point: next_after of the page before"));
            parameters.push(query("limit", "Most jobs of the page: 1 to 500, 50 when left out"));
        }
        E::FollowJob => {
            parameters.push(query("after", "Only events after this sequence number; 0 when left out"));
            parameters.push(header("last-event-id", "As the query parameter `after`, which wins over it"));
        }
        E::JobLog => {
            parameters.push(query("limit", "Most lines: 1 to 2000, 200 when left out"));
        }
        _ => {}
    }
    parameters
}

fn responses(route: &Route) -> Value {
    let failure = match route.errors {
        ErrorStyle::Own => "Failure",
        ErrorStyle::OpenAi => "OpenAiFailure",
        ErrorStyle::Plain => "PlainFailure",
    };
    let (status, schema) = answer_schema(route.endpoint);
    let content = match (route.endpoint, schema) {
        (E::DownloadFile | E::ReadBatchFile, _) => {
            json!({"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}})
        }
        (E::FollowJob, _) => {
            json!({"text/event-stream": {"schema": {"type": "string"}, "x-event-data": reference("JobEventBody"), "x-missed-data": reference("MissedBody")}})
        }
        (E::ShowMetrics, _) => json!({"text/plain": {"schema": {"type": "string"}}}),
        (_, Some(name)) => json!({"application/json": {"schema": reference(name)}}),
        (_, None) => json!({"application/json": {"schema": {"type": "object"}}}),
    };
    let mut done = json!({"description": route.summary});
    if status != "204" {
        done["content"] = content;
    }
    let mut responses = Map::new();
    responses.insert(status.to_owned(), done);
    if matches!(route.endpoint, E::CommitUpload | E::CommitDataSet) {
        let schema = schema.map_or_else(|| json!({"type": "object"}), reference);
        let description = "An identical version was there";
        responses.insert(
            "200".to_owned(),
            json!({"description": description, "content": {"application/json": {"schema": schema}}}),
        );
    }
    responses.insert("default".to_owned(), json!({"$ref": format!("#/components/responses/{failure}")}));
    responses.into()
}

fn failure(schema: &Value) -> Value {
    json!({"description": "A failure", "content": {"application/json": {"schema": schema}}})
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// What a route takes, where it is a body of the management API.
const fn body_schema(endpoint: E) -> Option<&'static str> {
    match endpoint {
        E::SetAlias => Some("SetAlias"),
        E::RollBack => Some("RollbackRequest"),
        E::SetServing => Some("ServingOptionsBody"),
        E::BeginUpload => Some("NewUpload"),
        E::CommitUpload => Some("CommitRequest"),
        E::SubmitJob => Some("NewJobBody"),
        E::BeginDataSet => Some("NewDataSetBody"),
        E::CommitDataSet => Some("CommitDataSetBody"),
        E::CreateKey => Some("NewKeyBody"),
        E::RotateKey => Some("RotateKey"),
        _ => None,
    }
}

/// What a route answers: the status, and the body where it is one of the management API.
const fn answer_schema(endpoint: E) -> (&'static str, Option<&'static str>) {
    match endpoint {
        E::ListModels => ("200", Some("ModelList")),
        E::ShowModel => ("200", Some("ModelBody")),
        E::ListVersions => ("200", Some("VersionList")),
        E::ShowVersion | E::ArchiveVersion => ("200", Some("VersionBody")),
        E::ShowPassport => ("200", Some("Passport")),
        E::ListFiles => ("200", Some("FileList")),
        E::ListAliases => ("200", Some("AliasList")),
        E::SetAlias => ("200", Some("PromoteReply")),
        E::RollBack => ("200", Some("RollbackReply")),
        E::ShowServing | E::SetServing => ("200", Some("ServingOptionsBody")),
        E::BeginUpload => ("201", Some("UploadBody")),
        E::ShowUpload => ("200", Some("UploadBody")),
        E::PutFile | E::PutDataFile => ("201", Some("FileBody")),
        E::CommitUpload => ("201", Some("CommitReply")),
        E::SubmitJob => ("202", Some("JobBody")),
        E::ListJobs => ("200", Some("JobPage")),
        E::ShowJob | E::CancelJob => ("200", Some("JobBody")),
        E::JobMetrics => ("200", Some("MetricList")),
        E::JobLog => ("200", Some("LogList")),
        E::ListDataSets | E::ListDataSetVersions => ("200", Some("DataSetList")),
        E::ShowDataSet => ("200", Some("DataSetBody")),
        E::BeginDataSet => ("201", Some("DataSetDraftBody")),
        E::ShowDataSetDraft => ("200", Some("DataSetDraftBody")),
        E::CommitDataSet => ("201", Some("CommitDataSetReply")),
        E::ListKeys => ("200", Some("KeyList")),
        E::CreateKey => ("201", Some("CreatedKey")),
        E::RotateKey => ("200", Some("CreatedKey")),
        E::ShowAudit => ("200", Some("AuditPage")),
        E::ShowUsage => ("200", Some("UsageList")),
        E::CollectGarbage => ("200", Some("GarbageBody")),
        E::ShowStatus => ("200", Some("StatusBody")),
        E::RemoveAlias | E::AbortUpload | E::AbortDataSet | E::RemoveDataSet | E::RevokeKey => ("204", None),
        _ => ("200", None),
    }
}

#[cfg(test)]
mod tests {
    use std::{env, path::Path};

    use super::*;

    #[test]
    fn the_committed_description_is_what_code_makes() {
        let built = serde_json::to_string_pretty(&build().unwrap()).unwrap() + "\n";
        if env::var_os("UPDATE_EXPECTED").is_some() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../yard-api/openapi.json");
            std::fs::write(path, &built).unwrap();
            return;
        }
        assert!(
            built == document(),
            "crates/yard-api/openapi.json is not what the routes and bodies say: run this test with \
             UPDATE_EXPECTED=1 and commit the file"
        );
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let built = build().unwrap();
        let text = built.to_string();
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(built["components"]["schemas"].get(name).is_some(), "{name}");
        }
    }

    #[test]
    fn operations_have_their_own_names() {
        let mut seen = std::collections::HashSet::new();
        for route in ROUTES.iter().filter(|route| route.verb != Verb::Rpc) {
            assert!(seen.insert(operation_id(route)), "{}", operation_id(route));
        }
    }
}
