//! `push`: a file or a directory becomes a version.

mod quantize;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Serialize;
use yard_client::{LocalPackage, PushOptions, Pushed};
use yard_types::{AliasName, ModelName, VersionNumber};

use self::quantize::{Card, Quantization, Quantized};
use super::Session;
use crate::{
    exit::Interrupted,
    output::{Output, bytes},
};

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
    /// version of a model gets it in any case). With `--quantize` it is pointed at the smaller version
    #[arg(long, value_name = "ALIAS")]
    alias: Option<AliasName>,

    /// Push a language model twice: as it is, and with its weights in this smaller type. The second version has the first
    /// as its parent, and in its passport how the two compare on a text
    #[arg(long, value_name = "TYPE", ignore_case = true)]
    quantize: Option<Quantization>,
}

#[derive(Serialize)]
struct PushReport<'a> {
    model: &'a str,
    version: u32,
    created: bool,
    aliases: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    quantized: Option<QuantizedReport<'a>>,
}

/// The second version, and how it compares with the first.
#[derive(Serialize)]
struct QuantizedReport<'a> {
    version: u32,
    created: bool,
    aliases: &'a [String],
    #[serde(flatten)]
    card: &'a Card,
}

fn read_fact(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

pub(crate) async fn run(args: PushArgs, session: &Session) -> Result<()> {
    let Session { output, .. } = session;
    let package = LocalPackage::scan(&args.path)?;
    // Before anything is sent: what cannot be quantized is not pushed half.
    let quantized = match args.quantize {
        None => None,
        Some(quantization) => {
            output.talk("quantizing, and comparing the two models on a text");
            let package = package.clone();
            let work = move || quantize::make(&package, quantization);
            Some(tokio::task::spawn_blocking(work).await??)
        }
    };
    let options = PushOptions {
        note: args.note,
        parent: args.parent,
        facts: args.facts.into_iter().collect(),
        new_version: args.new_version,
    };
    let mut pushed = push(session, &args.name, package, &options).await?;
    let Some(Quantized { package, card, .. }) = &quantized else {
        point_alias(session, &args.name, args.alias.as_ref(), &mut pushed).await?;
        return report(*output, &args.name, &pushed, None);
    };
    let mut facts = options.facts.clone();
    facts.extend(card.facts());
    let options = PushOptions { parent: Some(pushed.version), facts, ..options };
    let mut smaller = push(session, &args.name, package.clone(), &options).await.with_context(|| {
        format!("version {} is ready, but not the one in {}", pushed.version, card.quantization)
    })?;
    point_alias(session, &args.name, args.alias.as_ref(), &mut smaller).await?;
    // What was moved is not where it was.
    pushed.aliases.retain(|alias| !smaller.aliases.contains(alias));
    report(*output, &args.name, &pushed, Some((&smaller, card)))
}

async fn push(
    session: &Session,
    name: &ModelName,
    package: LocalPackage,
    options: &PushOptions,
) -> Result<Pushed> {
    let Session { client, output } = session;
    let size = package.size();
    let bar = output.transfer_bar();
    let stop = async {
        // Without a handler Ctrl-C ends the process, which is what it is for.
        drop(tokio::signal::ctrl_c().await);
    };
    let pushed = client.push_until(name, package, options, &bar.sink(), stop).await;
    drop(bar);
    let pushed = pushed.with_context(|| format!("cannot push '{name}'"))?.ok_or(Interrupted)?;
    if pushed.created {
        output.talk(format!("{} pushed and proven", bytes(size)));
    } else {
        output.talk("the same bytes were a version already; --new-version makes another");
    }
    Ok(pushed)
}

async fn point_alias(
    session: &Session,
    name: &ModelName,
    alias: Option<&AliasName>,
    pushed: &mut Pushed,
) -> Result<()> {
    let Some(alias) = alias else { return Ok(()) };
    session.client.set_alias(name, alias, pushed.version).await.with_context(|| {
        format!("{name} is ready as version {}, but {alias} was not moved", pushed.version)
    })?;
    if !pushed.aliases.iter().any(|known| known == alias.as_str()) {
        pushed.aliases.push(alias.as_str().to_owned());
        pushed.aliases.sort();
    }
    Ok(())
}

fn report(
    output: Output,
    name: &ModelName,
    pushed: &Pushed,
    smaller: Option<(&Pushed, &Card)>,
) -> Result<()> {
    let quantized = smaller.map(|(smaller, card)| QuantizedReport {
        version: smaller.version.get(),
        created: smaller.created,
        aliases: &smaller.aliases,
        card,
    });
    let report = PushReport {
        model: name.as_str(),
        version: pushed.version.get(),
        created: pushed.created,
        aliases: &pushed.aliases,
        quantized,
    };
    output.data(&report, || {
        let first = format!("{name} version {}", pushed.version);
        smaller.map_or_else(
            || first.clone(),
            |(smaller, _)| format!("{first}\n{name} version {}", smaller.version),
        )
    })?;
    if let Some((_, card)) = smaller {
        let compared = &card.compared;
        output.talk(format!(
            "{} in place of {}; perplexity {:.2} in place of {:.2}, divergence {:.4}, the same best token {:.1} % of the time",
            bytes(card.bytes),
            bytes(card.parent_bytes),
            compared.perplexity,
            compared.parent_perplexity,
            compared.divergence,
            compared.agreement * 100.0,
        ));
    }
    let last = smaller.map_or(pushed, |(smaller, _)| smaller);
    if last.aliases.is_empty() {
        output.talk(format!("to serve it: modelyard promote {name} {}", last.version));
    } else {
        output.talk(format!("aliases of this version: {}", last.aliases.join(", ")));
    }
    Ok(())
}
