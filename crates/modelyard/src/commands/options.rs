//! `options`: how a model is served.

use anyhow::Result;
use yard_api::management::ServingOptionsBody;
use yard_types::ModelName;

use super::Session;
use crate::output::Table;

/// Show or set how the versions of a model are served
///
/// Without an option: shows them. An option that is not given stays as it is; `--reset` first puts all of them back to
/// the server's defaults.
#[derive(Debug, clap::Args)]
pub(crate) struct OptionsArgs {
    /// Name of the model
    name: ModelName,

    /// Most rows of several requests that are run together; 1 turns batching off
    #[arg(long, value_name = "ROWS")]
    max_batch: Option<usize>,

    /// How long a request may wait for others to join it, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    max_queue_delay: Option<u64>,

    /// Most waiting interactive requests
    #[arg(long, value_name = "REQUESTS")]
    queue_length: Option<usize>,

    /// Most waiting background requests
    #[arg(long, value_name = "REQUESTS")]
    background_queue_length: Option<usize>,

    /// Runs side by side
    #[arg(long, value_name = "RUNS")]
    workers: Option<usize>,

    /// Longest time for a request that names none, in milliseconds
    #[arg(long, value_name = "MILLISECONDS")]
    timeout: Option<u64>,

    /// Whether what a language model computed for one key may serve others: saves time, but the time then tells what others ask
    #[arg(long, value_name = "BOOL")]
    share_prefixes: Option<bool>,

    /// Put every option that is not given back to the server's default
    #[arg(long)]
    reset: bool,
}

impl OptionsArgs {
    fn changes_nothing(&self) -> bool {
        !self.reset
            && self.max_batch.is_none()
            && self.max_queue_delay.is_none()
            && self.queue_length.is_none()
            && self.background_queue_length.is_none()
            && self.workers.is_none()
            && self.timeout.is_none()
            && self.share_prefixes.is_none()
    }

    fn over(&self, present: ServingOptionsBody) -> ServingOptionsBody {
        ServingOptionsBody {
            max_batch: self.max_batch.or(present.max_batch),
            max_queue_delay_microseconds: self.max_queue_delay.or(present.max_queue_delay_microseconds),
            queue_length: self.queue_length.or(present.queue_length),
            background_queue_length: self.background_queue_length.or(present.background_queue_length),
            workers: self.workers.or(present.workers),
            timeout_milliseconds: self.timeout.or(present.timeout_milliseconds),
            share_prefixes: self.share_prefixes.or(present.share_prefixes),
        }
    }
}

pub(crate) async fn run(args: &OptionsArgs, session: &Session) -> Result<()> {
    let Session { client, output } = session;
    let options = if args.changes_nothing() {
        client.serving_options(&args.name).await?
    } else {
        let present = if args.reset {
            ServingOptionsBody::default()
        } else {
            client.serving_options(&args.name).await?
        };
        client.set_serving_options(&args.name, &args.over(present)).await?
    };
    output.data(&options, || render(&options))
}

fn render(options: &ServingOptionsBody) -> String {
    fn cell(value: Option<impl ToString>, unit: &str) -> String {
        value.map_or_else(|| "server's default".to_owned(), |value| format!("{} {unit}", value.to_string()))
    }
    let mut table = Table::bare();
    table.row(["max-batch".to_owned(), cell(options.max_batch, "rows")]);
    table.row(["max-queue-delay".to_owned(), cell(options.max_queue_delay_microseconds, "microseconds")]);
    table.row(["queue-length".to_owned(), cell(options.queue_length, "requests")]);
    table.row(["background-queue-length".to_owned(), cell(options.background_queue_length, "requests")]);
    table.row(["workers".to_owned(), cell(options.workers, "runs side by side")]);
    table.row(["timeout".to_owned(), cell(options.timeout_milliseconds, "milliseconds")]);
    let shares = if options.share_prefixes == Some(true) { "yes" } else { "no" };
    table.row(["share-prefixes", shares]);
    table.render()
}
