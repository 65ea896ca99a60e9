//! `models`: what there is.

use anyhow::Result;
use yard_api::management::{ModelBody, ModelList};

use super::Session;
use crate::output::Table;

/// List the models that the key may see
#[derive(Debug, clap::Args)]
pub(crate) struct ModelsArgs {}

pub(crate) async fn run(_: &ModelsArgs, session: &Session) -> Result<()> {
    let list = ModelList { models: session.client.models().await? };
    if list.models.is_empty() {
        session.output.talk("no models yet; `modelyard push NAME FILE` makes one");
    }
    session.output.data(&list, || render(&list.models))
}

fn render(models: &[ModelBody]) -> String {
    if models.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["MODEL", "VERSIONS", "LATEST", "ALIASES", "SINCE"]);
    for model in models {
        let aliases: Vec<String> =
            model.aliases.iter().map(|(alias, version)| format!("{alias}={version}")).collect();
        table.row([
            model.name.clone(),
            model.versions.to_string(),
            model.latest_version.map_or_else(|| "-".to_owned(), |version| version.to_string()),
            if aliases.is_empty() { "-".to_owned() } else { aliases.join(" ") },
            model.created_at.clone(),
        ]);
    }
    table.render()
}
