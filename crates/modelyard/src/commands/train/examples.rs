//! `modelyard train --example`.

use anyhow::Result;
use serde::Serialize;
use yard_spec::{Example, example, examples};

use crate::{
    exit::UsageError,
    output::{Output, Table},
};

#[derive(Debug, Serialize)]
struct Listed<'a> {
    kind: &'a str,
    description: &'a str,
}

/// Prints one example as it is, or the list of all.
pub(super) fn print(kind: &str, output: Output) -> Result<()> {
    if kind == "list" {
        let listed =
            |example: &'static Example| Listed { kind: example.kind, description: example.description };
        let all: Vec<_> = examples().iter().map(listed).collect();
        return output.data(&all, || table(&all));
    }
    match example(kind) {
        Some(example) => output.text(example.toml),
        None => {
            let message =
                format!("there is no example '{kind}': `modelyard train --example list` names them");
            Err(UsageError(message).into())
        }
    }
}

fn table(all: &[Listed<'_>]) -> String {
    let mut table = Table::new(&["KIND", "SHOWS"]);
    for example in all {
        table.row([example.kind, example.description]);
    }
    table.render()
}
