//! `push`: a file or a directory becomes a version.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Serialize;
use yard_client::{LocalPackage, PushOptions};
use yard_types::{AliasName, ModelName, VersionNumber};

use super::Session;
use crate::{exit::Interrupted, output::bytes};

/// Make a new version of a model from a file or a directory
///
/// The server proves the model before the version is ready: it loads it in a child process, runs it and measures it.
/// The command returns 0 only when the version is ready, and prints `NAME version N`. Bytes that are already a version
/// of the model are not made one again.
#[derive(Debug, clap::Args)]
pub(crate) struct PushArgs {
    /// Name of the model; it is made with its first version
    name: ModelName,

    /// An ONNX file, a language model as a GGUF file, or a directory that holds one with the files that belong to it
    path: PathBuf,

    /// A note for the version's passport
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,

    /// The version of the same model that this one was made from
    #[arg(long, value_name = "VERSION")]
    parent: Option<VersionNumber>,

    /// A fact for the version's passport, such as `dataset=2026-11`; may be given several times
    #[arg(long = "fact", value_name = "NAME=VALUE", value_parser = read_fact)]
    facts: Vec<(String, String)>,

    /// Make a new version even when the same bytes are one already
    #[arg(long)]
    new_version: bool,

    /// Point this alias at the version once it is ready; `production` is what requests without a version get (the first
    /// version of a model gets it in any case)
    #[arg(long, value_name = "ALIAS")]
    alias: Option<AliasName>,
}

#[derive(Serialize)]
struct PushReport<'a> {
    model: &'a str,
    version: u32,
    created: bool,
    aliases: &'a [String],
}

fn read_fact(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

pub(crate) async fn run(args: PushArgs, session: &Session) -> Result<()> {
    let Session { client, output } = session;
    let package = LocalPackage::scan(&args.path)?;
    let size = package.size();
    let options = PushOptions {
        note: args.note,
        parent: args.parent,
        facts: args.facts.into_iter().collect(),
        new_version: args.new_version,
    };
    let bar = output.transfer_bar();
    let stop = async {
        // Without a handler Ctrl-C ends the process, which is what it is for.
        drop(tokio::signal::ctrl_c().await);
    };
    let pushed = client.push_until(&args.name, package, &options, &bar.sink(), stop).await;
    drop(bar);
    let Some(mut pushed) = pushed.with_context(|| format!("cannot push '{}'", args.name))? else {
        return Err(Interrupted.into());
    };

    if let Some(alias) = &args.alias {
        client.set_alias(&args.name, alias, pushed.version).await.with_context(|| {
            format!("{} is ready as version {}, but {alias} was not moved", args.name, pushed.version)
        })?;
        if !pushed.aliases.iter().any(|known| known == alias.as_str()) {
            pushed.aliases.push(alias.as_str().to_owned());
            pushed.aliases.sort();
        }
    }

    if pushed.created {
        output.talk(format!("{} pushed and proven", bytes(size)));
    } else {
        output.talk("the same bytes were a version already; --new-version makes another");
    }
    let report = PushReport {
        model: args.name.as_str(),
        version: pushed.version.get(),
        created: pushed.created,
        aliases: &pushed.aliases,
    };
    output.data(&report, || format!("{} version {}", args.name, pushed.version))?;
    if !pushed.aliases.is_empty() {
        output.talk(format!("aliases of this version: {}", pushed.aliases.join(", ")));
    } else {
        output.talk(format!("to serve it: modelyard promote {} {}", args.name, pushed.version));
    }
    Ok(())
}
