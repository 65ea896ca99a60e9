//! `usage`: what keys used of language models.

use anyhow::Result;
use yard_api::management::UsageBody;
use yard_client::UsageQuery;

use super::Session;
use crate::output::Table;

/// Show tokens of language models by key, model and day
///
/// An admin key sees all keys, others see what they used themselves.
#[derive(Debug, clap::Args)]
pub(crate) struct UsageArgs {
    /// The first day of UTC, such as 2026-01-31 [default: the first of the month]
    #[arg(long, value_name = "DAY")]
    from: Option<String>,

    /// The last day of UTC [default: today]
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
}

pub(crate) async fn run(args: UsageArgs, session: &Session) -> Result<()> {
    let Session { client, output } = session;
    let list = client.usage(&UsageQuery { from: args.from, to: args.to }).await?;
    output.data(&list, || render(&list.usage))?;
    if let Some(last) = list.usage.last().filter(|_| list.truncated) {
        let (rows, day) = (list.usage.len(), &last.day);
        output.talk(format!(
            "these are the first {rows} rows, and there are more: --from {day} shows what comes next"
        ));
    }
    Ok(())
}

fn render(rows: &[UsageBody]) -> String {
    let mut table = Table::new(&["DAY", "KEY", "MODEL", "REQUESTS", "PROMPT TOKENS", "ANSWER TOKENS"]);
    for row in rows {
        table.row([
            row.day.clone(),
            row.key.clone().unwrap_or_else(|| "none".to_owned()),
            row.model.clone(),
            row.requests.to_string(),
            row.prompt_tokens.to_string(),
            row.answer_tokens.to_string(),
        ]);
    }
    table.render()
}
