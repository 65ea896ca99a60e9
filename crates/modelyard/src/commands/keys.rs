//! `keys`: who may do what.

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use yard_api::management::{CreatedKey, KeyBody, KeyList, NewKeyBody, RotateKey};

use super::Session;
use crate::output::Table;

/// Make, list, rotate and revoke API keys
#[derive(Debug, clap::Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    Create(CreateArgs),
    /// List all keys, without their secrets
    List,
    Rotate(RotateArgs),
    Revoke(RevokeArgs),
}

/// Make a key; its secret is printed this once and kept nowhere
#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// What the key is for, in your words
    name: String,

    /// What it may do
    #[arg(long, value_enum, default_value_t = Role::Consumer)]
    role: Role,

    /// A model that it may see, or the beginning of names with `*` after it; may be given several times [default: all]
    #[arg(long = "model", value_name = "NAME")]
    models: Vec<String>,

    /// Most requests a minute [default: no limit]
    #[arg(long, value_name = "REQUESTS")]
    requests_per_minute: Option<u32>,

    /// Most requests at once after a pause [default: a sixth of a minute's]
    #[arg(long, value_name = "REQUESTS", requires = "requests_per_minute")]
    burst: Option<u32>,

    /// Most tokens of language models a minute, of prompts and answers together [default: no limit]
    #[arg(long, value_name = "TOKENS")]
    tokens_per_minute: Option<u64>,

    /// Most tokens a day of UTC [default: no limit]
    #[arg(long, value_name = "TOKENS")]
    tokens_per_day: Option<u64>,

    /// Most tokens a month of UTC [default: no limit]
    #[arg(long, value_name = "TOKENS")]
    tokens_per_month: Option<u64>,

    /// Most tokens of one request [default: no limit]
    #[arg(long, value_name = "TOKENS")]
    tokens_per_request: Option<u64>,

    /// Its share of language models beside other keys, 1 to 1000: twice the weight gets twice the tokens [default: 1]
    #[arg(long, value_name = "WEIGHT")]
    weight: Option<u32>,

    /// When it stops working, such as 2027-01-31T00:00:00Z [default: never]
    #[arg(long, value_name = "MOMENT")]
    expires_at: Option<String>,
}

/// Give a key a new secret, printed this once
#[derive(Debug, clap::Args)]
struct RotateArgs {
    /// Id of the key: the middle part of it, as `keys list` shows
    id: String,

    /// How long the old secret goes on working, in seconds; 0 stops it at once
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    grace: u32,
}

/// Stop a key for good
#[derive(Debug, clap::Args)]
struct RevokeArgs {
    /// Id of the key: the middle part of it, as `keys list` shows
    id: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    /// May do everything
    Admin,
    /// May push, promote and use models
    Publisher,
    /// May use models
    Consumer,
}

#[derive(Serialize)]
struct RevokeReport<'a> {
    id: &'a str,
    revoked: bool,
}

impl Role {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Publisher => "publisher",
            Self::Consumer => "consumer",
        }
    }
}

pub(crate) async fn run(args: KeysArgs, session: &Session) -> Result<()> {
    let Session { client, output } = session;
    match args.command {
        KeysCommand::Create(args) => {
            let key = NewKeyBody {
                name: args.name,
                role: args.role.as_str().to_owned(),
                models: Some(args.models).filter(|models| !models.is_empty()),
                requests_per_minute: args.requests_per_minute,
                burst: args.burst,
                tokens_per_minute: args.tokens_per_minute,
                tokens_per_day: args.tokens_per_day,
                tokens_per_month: args.tokens_per_month,
                tokens_per_request: args.tokens_per_request,
                weight: args.weight,
                expires_at: args.expires_at,
            };
            show_secret(&client.create_key(&key).await?, session)
        }
        KeysCommand::List => {
            let list = KeyList { keys: client.keys().await? };
            output.data(&list, || render(&list.keys))
        }
        KeysCommand::Rotate(args) => {
            let rotation = RotateKey { grace_seconds: args.grace };
            show_secret(&client.rotate_key(&args.id, &rotation).await?, session)
        }
        KeysCommand::Revoke(args) => {
            client.revoke_key(&args.id).await?;
            output
                .data(&RevokeReport { id: &args.id, revoked: true }, || format!("key {} is revoked", args.id))
        }
    }
}

/// The secret alone goes to stdout, so that it can be caught in a variable.
fn show_secret(created: &CreatedKey, session: &Session) -> Result<()> {
    let KeyBody { id, name, role, .. } = &created.key;
    session.output.talk(format!("key {id} ({name}, {role}); it is shown this once and kept nowhere:"));
    session.output.data(created, || created.secret.clone())
}

fn render(keys: &[KeyBody]) -> String {
    let mut table =
        Table::new(&["ID", "NAME", "ROLE", "MODELS", "A MINUTE", "TOKENS", "WEIGHT", "SINCE", "STATE"]);
    for key in keys {
        let state = match (&key.revoked_at, &key.expires_at) {
            (Some(revoked_at), _) => format!("revoked {revoked_at}"),
            (None, Some(expires_at)) => format!("until {expires_at}"),
            (None, None) => "in use".to_owned(),
        };
        table.row([
            key.id.clone(),
            key.name.clone(),
            key.role.clone(),
            key.models.as_ref().map_or_else(|| "all".to_owned(), |models| models.join(" ")),
            key.requests_per_minute.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string()),
            tokens(key),
            key.weight.to_string(),
            key.created_at.clone(),
            state,
        ]);
    }
    table.render()
}

/// The budgets of a key in short, such as `5000 a minute, 100000 a day`.
fn tokens(key: &KeyBody) -> String {
    let budgets = [
        (key.tokens_per_minute, "minute"),
        (key.tokens_per_day, "day"),
        (key.tokens_per_month, "month"),
        (key.tokens_per_request, "request"),
    ];
    let set = budgets.iter().filter_map(|(tokens, span)| tokens.map(|tokens| format!("{tokens} a {span}")));
    let text = set.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "no limit".to_owned() } else { text }
}
