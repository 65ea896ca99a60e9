//! `data`: data sets of a server, and what is in files.

mod lab;

pub(super) use lab::description;

use std::{ffi::OsString, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::Subcommand;
use yard_api::management::{DataSetBody, DataSetList};
use yard_client::LocalPackage;
use yard_types::{ModelName, VersionNumber};

use super::{Session, on_runtime, session};
use crate::{
    cli::GlobalArgs,
    exit::{Interrupted, UsageError},
    output::{Output, Table, bytes},
};

/// Add data sets to a server, list and show them; describe, check and compare files
#[derive(Debug, clap::Args)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    Add(AddArgs),
    /// List the data sets that the key may see
    List(ListArgs),
    /// Show one version of a data set
    Show(ShowArgs),
    Rm(RemoveArgs),
    /// Show what each column of files holds; runs here, without a server
    #[command(disable_help_flag = true)]
    Describe(LabArgs),
    /// Print the schema of a file as JSON, to be edited; runs here, without a server
    #[command(disable_help_flag = true)]
    Schema(LabArgs),
    /// Check files against a schema or earlier statistics; runs here, without a server
    #[command(disable_help_flag = true)]
    Check(LabArgs),
    /// Measure how far one data set is from another; runs here, without a server
    #[command(disable_help_flag = true)]
    Drift(LabArgs),
}

/// Send files to a server as the next version of a data set
///
/// The files are described first, here, so that the server knows their columns and what they hold. Prints
/// `NAME version N`; the same files are not made a version twice. A specification names it in `data.dataset`.
#[derive(Debug, clap::Args)]
struct AddArgs {
    /// Name of the data set; it is made with its first version
    name: ModelName,

    /// One file, several, or one directory
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Leave the description out
    #[arg(long)]
    undescribed: bool,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// All versions of this one data set [default: the newest version of each]
    name: Option<ModelName>,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The data set: NAME for its newest version, or NAME:VERSION
    #[arg(value_name = "NAME", value_parser = read_reference)]
    reference: (ModelName, Option<VersionNumber>),
}

/// Delete a version of a data set from a server
///
/// It is refused while a job that is queued or running reads it. Models that were trained on it stay, with its name and
/// digest in their passports; they can no longer be trained again. `modelyard gc` then frees its space.
#[derive(Debug, clap::Args)]
struct RemoveArgs {
    /// The data set and its version: NAME:VERSION, or NAME with --all
    #[arg(value_name = "NAME:VERSION", value_parser = read_reference)]
    reference: (ModelName, Option<VersionNumber>),

    /// Delete all versions
    #[arg(long)]
    all: bool,
}

#[derive(Debug, clap::Args)]
struct LabArgs {
    /// Files and options; `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

/// What to do when files cannot be described.
const UNDESCRIBED: &str = "the files cannot be described; --undescribed adds them all the same";

fn read_reference(text: &str) -> Result<(ModelName, Option<VersionNumber>), String> {
    let (name, version) = match text.split_once(':') {
        Some((name, version)) => (name, Some(version)),
        None => (text, None),
    };
    let name = name.parse().map_err(|error: yard_types::NameError| error.to_string())?;
    let version = version.map(str::parse).transpose();
    Ok((name, version.map_err(|error: yard_types::VersionNumberError| error.to_string())?))
}

/// Runs one of the commands.
pub(crate) fn run(args: DataArgs, global: &GlobalArgs, output: Output) -> Result<()> {
    let remote = match args.command {
        DataCommand::Describe(LabArgs { arguments }) => return lab::run("describe", &arguments, output),
        DataCommand::Schema(LabArgs { arguments }) => return lab::run("schema", &arguments, output),
        DataCommand::Check(LabArgs { arguments }) => return lab::run("check", &arguments, output),
        DataCommand::Drift(LabArgs { arguments }) => return lab::run("drift", &arguments, output),
        remote => remote,
    };
    on_runtime(async {
        let session = session(global, output)?;
        match remote {
            DataCommand::Add(args) => add(&args, &session).await,
            DataCommand::List(args) => list(&args, &session).await,
            DataCommand::Show(args) => show(&args, &session).await,
            DataCommand::Rm(args) => remove(&args, &session).await,
            // Returned above.
            _ => Ok(()),
        }
    })
}

async fn add(args: &AddArgs, session: &Session) -> Result<()> {
    let Session { client, output } = session;
    let files = LocalPackage::scan_data(&args.paths)?;
    let size = files.size();
    let description = if args.undescribed {
        lab::nothing()
    } else {
        lab::description(&args.paths, *output).context(UNDESCRIBED)?
    };
    let bar = output.transfer_bar();
    let stop = async {
        // Without a handler Ctrl-C ends the process, which is what it is for.
        drop(tokio::signal::ctrl_c().await);
    };
    let added = client.add_data_set_until(&args.name, files, &description, &bar.sink(), stop).await;
    drop(bar);
    let Some(reply) = added.with_context(|| format!("cannot add '{}'", args.name))? else {
        return Err(Interrupted.into());
    };
    if reply.created {
        output.talk(format!("{} sent", bytes(size)));
    } else {
        output.talk("the newest version has the same files");
    }
    output.data(&reply, || format!("{} version {}", reply.name, reply.version))
}

async fn list(args: &ListArgs, session: &Session) -> Result<()> {
    let data_sets = match &args.name {
        Some(name) => session.client.data_set_versions(name).await?,
        None => session.client.data_sets().await?,
    };
    let list = DataSetList { data_sets };
    if list.data_sets.is_empty() {
        session.output.talk("no data sets yet; `modelyard data add NAME FILE` makes one");
    }
    session.output.data(&list, || table(&list.data_sets))
}

fn table(data_sets: &[DataSetBody]) -> String {
    if data_sets.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["DATA SET", "VERSION", "FILES", "SIZE", "SINCE"]);
    for data_set in data_sets {
        table.row([
            data_set.name.clone(),
            data_set.version.to_string(),
            data_set.files.to_string(),
            bytes(data_set.bytes),
            data_set.created_at.clone(),
        ]);
    }
    table.render()
}

async fn show(args: &ShowArgs, session: &Session) -> Result<()> {
    let (name, version) = &args.reference;
    let data_set = session.client.data_set(name, *version).await?;
    session.output.data(&data_set, || render(&data_set))
}

async fn remove(args: &RemoveArgs, session: &Session) -> Result<()> {
    let Session { client, output } = session;
    let (name, version) = &args.reference;
    let versions: Vec<VersionNumber> = match (version, args.all) {
        (Some(version), false) => vec![*version],
        (None, true) => {
            let all = client.data_set_versions(name).await?;
            all.iter().filter_map(|known| VersionNumber::new(known.version).ok()).collect()
        }
        (None, false) => {
            return Err(UsageError(format!(
                "say which version: {name}:1 for example, or --all for every one"
            ))
            .into());
        }
        (Some(_), true) => {
            return Err(UsageError(format!("--all deletes every version: say {name} alone")).into());
        }
    };
    for version in versions {
        let removed = client.remove_data_set(name, version).await;
        removed.with_context(|| format!("cannot delete '{name}:{version}'"))?;
        output.talk(format!("{name} version {version} deleted"));
    }
    Ok(())
}

fn render(data_set: &DataSetBody) -> String {
    let mut table = Table::bare();
    table.row(["Data set".to_owned(), format!("{} version {}", data_set.name, data_set.version)]);
    table.row(["Added".to_owned(), format!("{} by {}", data_set.created_at, data_set.created_by)]);
    table.row(["Digest".to_owned(), data_set.digest.clone()]);
    table.row(["Size".to_owned(), format!("{} in {} files", bytes(data_set.bytes), data_set.files)]);
    let described = if data_set.statistics.is_some() { "yes; --json shows it" } else { "no" };
    table.row(["Described", described]);
    let mut text = table.render();
    for file in data_set.file_list.iter().flatten() {
        text.push_str(&format!("\n  {}  {}", file.path, bytes(file.size)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_set_is_named_with_or_without_a_version() {
        let (name, version) = read_reference("prices:3").unwrap();
        assert_eq!((name.as_str(), version.map(VersionNumber::get)), ("prices", Some(3)));
        assert_eq!(read_reference("prices").unwrap().1, None);
        for wrong in ["", ":1", "prices:", "prices:0", "prices:x", "a/b"] {
            assert!(read_reference(wrong).is_err(), "{wrong}");
        }
    }
}
