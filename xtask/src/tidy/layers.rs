//! Who may know whom.
//!
//! A crate knows what it depends on, and what our own crates that it depends on know. Other people's crates are judged
//! by who names them: what they pull in themselves is their affair, and which of it is switched on depends on the
//! whole workspace.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::workspace::Workspace;

/// One of our crates and what it may not know, directly or through another of ours.
pub(super) struct Layer {
    pub(super) name: &'static str,
    pub(super) may_not_know: &'static [&'static [&'static str]],
}

/// A package and the only crates of ours that may name it.
pub(super) struct Owner {
    pub(super) package: &'static str,
    pub(super) users: &'static [&'static str],
}

const HTTP: &[&str] =
    &["axum", "http", "http-body", "http-body-util", "hyper", "hyper-util", "reqwest", "tonic", "tower"];
const HTTP_SERVERS: &[&str] = &["axum", "hyper", "hyper-util"];
const SQL: &[&str] = &["sqlx", "yard-store"];
const WIRE_FORMATS: &[&str] = &["prost", "serde", "serde_json", "utoipa", "yard-api"];
const ASYNC: &[&str] = &["async-trait", "futures-util", "tokio", "tokio-stream", "tokio-util"];
const RUNTIMES: &[&str] = &["ort", "ort-sys", "rten", "rten-tensor", "yard-engine-onnx"];
const ENGINES: &[&str] = &["yard-engine", "yard-engine-onnx"];
const SERVER: &[&str] = &["yard-server"];
const SERVICES: &[&str] = &["yard-access", "yard-registry", "yard-serving"];
const WIRING: &[&str] = &["modelyard", "modelyard-lab", "xtask", "yard-bench"];
const TRAINING: &[&str] = &["burn", "yard-training"];
const DATA: &[&str] = &["arrow-array", "parquet", "yard-data"];

/// The right-hand column of the crate map, as data. A new crate needs a row.
pub(super) const LAYERS: [Layer; 30] = [
    // Wires all the others together, so it knows them; what it may not name itself, the owners say.
    Layer { name: "modelyard", may_not_know: &[TRAINING, DATA, &["modelyard-lab", "xtask", "yard-bench"]] },
    Layer {
        name: "yard-types",
        may_not_know: &[
            HTTP,
            SQL,
            WIRE_FORMATS,
            ASYNC,
            RUNTIMES,
            ENGINES,
            SERVER,
            SERVICES,
            WIRING,
            &["fs-err", "yard-onnx"],
        ],
    },
    Layer {
        name: "yard-api",
        may_not_know: &[HTTP_SERVERS, SQL, RUNTIMES, ENGINES, SERVER, SERVICES, WIRING],
    },
    Layer {
        name: "yard-engine",
        may_not_know: &[HTTP, SQL, ASYNC, RUNTIMES, SERVER, SERVICES, WIRING, &["yard-api"]],
    },
    // Knows what goes into a model and comes out, not who runs it.
    Layer {
        name: "yard-encoders",
        may_not_know: &[
            HTTP,
            SQL,
            ASYNC,
            RUNTIMES,
            SERVER,
            SERVICES,
            WIRING,
            TRAINING,
            DATA,
            &["yard-api", "yard-onnx"],
        ],
    },
    Layer {
        name: "yard-engine-onnx",
        may_not_know: &[HTTP, SQL, ASYNC, SERVER, SERVICES, WIRING, &["yard-api"]],
    },
    Layer {
        name: "yard-onnx",
        may_not_know: &[HTTP, SQL, ASYNC, RUNTIMES, ENGINES, SERVER, SERVICES, WIRING, &["yard-api"]],
    },
    Layer {
        name: "yard-worker",
        may_not_know: &[HTTP, SQL, RUNTIMES, ENGINES, SERVER, SERVICES, WIRING, &["yard-onnx"]],
    },
    Layer {
        name: "yard-access",
        may_not_know: &[HTTP, SQL, RUNTIMES, ENGINES, SERVER, WIRING, &["yard-api"]],
    },
    Layer { name: "yard-serving", may_not_know: &[HTTP, SQL, RUNTIMES, SERVER, WIRING, &["yard-api"]] },
    Layer {
        name: "yard-registry",
        may_not_know: &[HTTP, SQL, RUNTIMES, ENGINES, SERVER, WIRING, &["yard-api"]],
    },
    Layer {
        name: "yard-store",
        may_not_know: &[HTTP, RUNTIMES, ENGINES, SERVER, WIRING, &["yard-api", "yard-serving"]],
    },
    Layer { name: "yard-server", may_not_know: &[SQL, RUNTIMES, WIRING] },
    Layer {
        name: "yard-client",
        may_not_know: &[HTTP_SERVERS, SQL, RUNTIMES, ENGINES, SERVER, SERVICES, WIRING],
    },
    // Jobs run here, so that the server links no training code.
    Layer {
        name: "modelyard-lab",
        may_not_know: &[HTTP, SQL, SERVER, SERVICES, &["modelyard", "xtask", "yard-bench"]],
    },
    Layer {
        name: "yard-spec",
        may_not_know: &[
            HTTP,
            SQL,
            ASYNC,
            RUNTIMES,
            ENGINES,
            SERVER,
            SERVICES,
            WIRING,
            TRAINING,
            DATA,
            &["fs-err", "yard-api"],
        ],
    },
    Layer {
        name: "yard-data",
        may_not_know: &[
            HTTP,
            SQL,
            ASYNC,
            RUNTIMES,
            ENGINES,
            SERVER,
            SERVICES,
            WIRING,
            TRAINING,
            &["yard-api", "yard-onnx"],
        ],
    },
    Layer {
        name: "yard-features",
        may_not_know: &[
            HTTP,
            SQL,
            ASYNC,
            RUNTIMES,
            ENGINES,
            SERVER,
            SERVICES,
            WIRING,
            TRAINING,
            &["yard-api"],
        ],
    },
    Layer {
        name: "yard-trees",
        may_not_know: &[
            HTTP,
            SQL,
            ASYNC,
            RUNTIMES,
            ENGINES,
            SERVER,
            SERVICES,
            WIRING,
            TRAINING,
            DATA,
            &["fs-err", "yard-api"],
        ],
    },
    Layer {
        name: "yard-training",
        may_not_know: &[
            HTTP,
            SQL,
            ASYNC,
            RUNTIMES,
            ENGINES,
            SERVER,
            SERVICES,
            WIRING,
            &["yard-api", "yard-jobs"],
        ],
    },
    Layer {
        name: "yard-jobs",
        may_not_know: &[
            HTTP,
            SQL,
            RUNTIMES,
            ENGINES,
            SERVER,
            SERVICES,
            WIRING,
            TRAINING,
            DATA,
            &["yard-api"],
        ],
    },
    // Files of requests: what a request is, others know.
    Layer {
        name: "yard-batches",
        may_not_know: &[
            HTTP,
            SQL,
            RUNTIMES,
            ENGINES,
            SERVER,
            SERVICES,
            WIRING,
            TRAINING,
            DATA,
            &["yard-api", "yard-language", "yard-llm"],
        ],
    },
    // Files of language models: bytes and numbers, no model family.
    Layer {
        name: "yard-gguf",
        may_not_know: &[
            HTTP,
            SQL,
            WIRE_FORMATS,
            ASYNC,
            RUNTIMES,
            ENGINES,
            SERVER,
            SERVICES,
            WIRING,
            TRAINING,
            DATA,
            &["yard-onnx"],
        ],
    },
    // Arithmetic of language models: no model, no file.
    Layer {
        name: "yard-kernels",
        may_not_know: &[
            HTTP,
            SQL,
            WIRE_FORMATS,
            ASYNC,
            RUNTIMES,
            ENGINES,
            SERVER,
            SERVICES,
            WIRING,
            TRAINING,
            DATA,
            &["yard-onnx"],
        ],
    },
    // Texts of chats, JSON of functions in them among these: no model that reads them.
    Layer {
        name: "yard-chat",
        may_not_know: &[
            HTTP,
            SQL,
            ASYNC,
            RUNTIMES,
            ENGINES,
            SERVER,
            SERVICES,
            WIRING,
            TRAINING,
            DATA,
            &["yard-gguf", "yard-kernels", "yard-llm", "yard-onnx"],
        ],
    },
    // Knows models, not who asks for them.
    Layer {
        name: "yard-language",
        may_not_know: &[
            HTTP,
            SQL,
            RUNTIMES,
            SERVER,
            SERVICES,
            WIRING,
            TRAINING,
            DATA,
            &["yard-api", "yard-chat", "yard-gguf", "yard-kernels", "yard-llm"],
        ],
    },
    Layer {
        name: "yard-llm",
        may_not_know: &[
            HTTP,
            SQL,
            ASYNC,
            RUNTIMES,
            ENGINES,
            SERVER,
            SERVICES,
            WIRING,
            TRAINING,
            DATA,
            &["yard-api", "yard-onnx"],
        ],
    },
    // For tests alone: it names places and knows nobody.
    Layer {
        name: "yard-fixtures",
        may_not_know: &[
            HTTP,
            SQL,
            WIRE_FORMATS,
            ASYNC,
            RUNTIMES,
            ENGINES,
            SERVER,
            SERVICES,
            WIRING,
            TRAINING,
            DATA,
            &["yard-onnx", "yard-types"],
        ],
    },
    // Measures from outside, through the doors that clients use.
    Layer {
        name: "yard-bench",
        may_not_know: &[
            SQL,
            RUNTIMES,
            ENGINES,
            SERVER,
            SERVICES,
            &["modelyard", "xtask", "yard-api", "yard-client", "yard-onnx", "yard-types", "yard-worker"],
        ],
    },
    Layer { name: "xtask", may_not_know: &[SQL, RUNTIMES, ENGINES, SERVER, SERVICES, &["modelyard"]] },
];

/// `deny.toml` says the same to those who have cargo-deny.
pub(super) const OWNERS: [Owner; 23] = [
    Owner { package: "anyhow", users: &["modelyard", "modelyard-lab", "xtask", "yard-bench"] },
    Owner { package: "axum", users: &["yard-bench", "yard-server"] },
    Owner { package: "burn", users: &["yard-training"] },
    Owner { package: "clap", users: &["modelyard", "modelyard-lab", "xtask", "yard-bench"] },
    Owner { package: "clap_complete", users: &["modelyard"] },
    Owner { package: "hyper", users: &["yard-server"] },
    Owner { package: "hyper-util", users: &["yard-server"] },
    Owner { package: "indicatif", users: &["modelyard"] },
    Owner { package: "llguidance", users: &["yard-llm"] },
    Owner { package: "memmap2", users: &["yard-gguf"] },
    Owner { package: "minijinja", users: &["yard-chat"] },
    Owner { package: "object_store", users: &["yard-store"] },
    Owner { package: "ort", users: &["yard-engine-onnx"] },
    Owner { package: "ort-sys", users: &["yard-engine-onnx"] },
    Owner { package: "parquet", users: &["yard-data"] },
    Owner { package: "reqwest", users: &["yard-client"] },
    Owner { package: "rten", users: &["yard-engine-onnx"] },
    Owner { package: "rten-tensor", users: &["yard-engine-onnx"] },
    Owner { package: "sqlx", users: &["yard-store"] },
    Owner { package: "tokenizers", users: &["yard-encoders"] },
    Owner { package: "tonic", users: &["yard-api", "yard-client", "yard-server"] },
    Owner { package: "tonic-health", users: &["yard-server"] },
    Owner { package: "tonic-reflection", users: &["yard-server"] },
];

pub(super) fn findings(workspace: &Workspace, layers: &[Layer], owners: &[Owner]) -> Vec<String> {
    let graph: BTreeMap<&str, &BTreeSet<String>> =
        workspace.crates.iter().map(|own| (own.name.as_str(), &own.dependencies)).collect();
    let mut findings = Vec::new();
    for name in graph.keys() {
        if !layers.iter().any(|layer| layer.name == *name) {
            findings.push(format!("{name} has no row in the table of layers: say what it may not know"));
        }
    }
    for layer in layers {
        if graph.contains_key(layer.name) {
            findings.extend(what_it_should_not_know(layer, &graph));
        } else {
            findings.push(format!("the table of layers has a row for {}, which is not there", layer.name));
        }
    }
    for owner in owners {
        for (name, dependencies) in &graph {
            if dependencies.contains(owner.package) && !owner.users.contains(name) {
                let users = owner.users.join(", ");
                findings.push(format!("{name} depends on {}, which only {users} may", owner.package));
            }
        }
    }
    findings
}

/// Walks outwards from the crate, so that the way told is a shortest one.
fn what_it_should_not_know(layer: &Layer, graph: &BTreeMap<&str, &BTreeSet<String>>) -> Vec<String> {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    let mut ways = VecDeque::from([vec![layer.name]]);
    while let Some(way) = ways.pop_front() {
        let Some(dependencies) = way.last().and_then(|last| graph.get(last)) else {
            continue;
        };
        for dependency in *dependencies {
            if !seen.insert(dependency.as_str()) {
                continue;
            }
            let mut longer = way.clone();
            longer.push(dependency);
            if layer.may_not_know.iter().any(|group| group.contains(&dependency.as_str())) {
                findings.push(format!("{} may not know {dependency} ({})", layer.name, longer.join(" -> ")));
            }
            ways.push_back(longer);
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::workspace::OwnCrate;
    use super::*;

    const LAYERS_OF_A_CASE: [Layer; 3] = [
        Layer { name: "server", may_not_know: &[&["sql"]] },
        Layer { name: "rules", may_not_know: &[&["sql"], &["server", "web"]] },
        Layer { name: "store", may_not_know: &[&["web"]] },
    ];
    const OWNERS_OF_A_CASE: [Owner; 1] = [Owner { package: "web", users: &["server"] }];

    #[track_caller]
    fn check(crates: &[(&str, &[&str])], expected: &[&str]) {
        let crates = crates.iter().map(|(name, dependencies)| OwnCrate {
            name: (*name).to_owned(),
            dependencies: dependencies.iter().map(|name| (*name).to_owned()).collect(),
        });
        let workspace = Workspace { crates: crates.collect(), packages: Vec::new() };
        assert_eq!(findings(&workspace, &LAYERS_OF_A_CASE, &OWNERS_OF_A_CASE), expected);
    }

    #[test]
    fn crates_that_keep_to_their_layer_give_no_finding() {
        check(&[("server", &["rules", "web"]), ("rules", &["store"]), ("store", &[])], &[]);
    }

    #[test]
    fn a_forbidden_direct_dependency_is_found() {
        check(
            &[("server", &["sql"]), ("rules", &[]), ("store", &[])],
            &["server may not know sql (server -> sql)"],
        );
    }

    #[test]
    fn a_forbidden_dependency_through_another_crate_is_found_with_the_way_to_it() {
        check(
            &[("server", &["rules"]), ("rules", &["store"]), ("store", &["sql"])],
            &[
                "server may not know sql (server -> rules -> store -> sql)",
                "rules may not know sql (rules -> store -> sql)",
            ],
        );
    }

    #[test]
    fn a_package_is_named_only_by_its_owners() {
        check(
            &[("server", &["web"]), ("rules", &[]), ("store", &["web"])],
            &["store may not know web (store -> web)", "store depends on web, which only server may"],
        );
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_found() {
        check(
            &[("server", &[]), ("rules", &[]), ("newcomer", &[])],
            &[
                "newcomer has no row in the table of layers: say what it may not know",
                "the table of layers has a row for store, which is not there",
            ],
        );
    }

    #[test]
    fn deny_toml_names_the_same_owners() {
        let text = fs_err::read_to_string(crate::places::checkout().join("deny.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        let own = |name: &str| LAYERS.iter().any(|layer| layer.name == name);
        let mut told = BTreeMap::new();
        for entry in manifest["bans"]["deny"].as_array().unwrap() {
            let wrappers = entry["wrappers"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
            let ours: BTreeSet<&str> = wrappers.filter(|name| own(name)).collect();
            told.insert(entry["crate"].as_str().unwrap(), ours);
        }
        let meant: BTreeMap<&str, BTreeSet<&str>> =
            OWNERS.iter().map(|owner| (owner.package, owner.users.iter().copied().collect())).collect();
        assert_eq!(told, meant);
    }
}
