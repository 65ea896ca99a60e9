//! `show`: the passport of a version.

use anyhow::Result;
use yard_api::management::{LanguageBody, Passport, TensorBody};

use super::Session;
use crate::{
    model_ref::ModelRef,
    output::{Table, bytes},
};

/// Show everything that is known of a version: its passport
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// The model, as NAME (what unversioned requests get), NAME@alias or NAME:version
    name: ModelRef,
}

pub(crate) async fn run(args: &ShowArgs, session: &Session) -> Result<()> {
    let version = session.client.resolve(&args.name.model, &args.name.selector).await?;
    let passport = session.client.passport(&args.name.model, version).await?;
    session.output.data(&passport, || render(&passport))
}

/// The passport as a person reads it.
fn render(passport: &Passport) -> String {
    let (takes, gives) = match &passport.version.language {
        // It takes and gives texts.
        Some(model) => (language(model), String::new()),
        None => (tensors("Takes", &passport.signature.inputs), tensors("Gives", &passport.signature.outputs)),
    };
    let sections = [overview(passport), takes, gives, proof(passport), files(passport), history(passport)];
    let filled: Vec<String> = sections.into_iter().filter(|section| !section.is_empty()).collect();
    filled.join("\n\n")
}

fn overview(passport: &Passport) -> String {
    let version = &passport.version;
    let provenance = &passport.provenance;
    let mut table = Table::bare();
    table.row(["State", &version.state]);
    if !version.aliases.is_empty() {
        table.row(["Aliases".to_owned(), version.aliases.join(", ")]);
    }
    table.row(["Ready since".to_owned(), format!("{} by {}", version.created_at, version.created_by)]);
    table.row(["Digest", &version.digest]);
    table.row(["Size".to_owned(), bytes(version.size)]);
    table.row(["Origin", &provenance.origin]);
    if let Some(parent) = provenance.parent {
        table.row(["Made from".to_owned(), format!("version {parent}")]);
    }
    if let Some(note) = &provenance.note {
        table.row(["Note", note]);
    }
    for (name, value) in &provenance.facts {
        table.row([name, value]);
    }
    format!("{} version {}\n{}", version.model, version.version, table.render())
}

fn language(model: &LanguageBody) -> String {
    let mut table = Table::bare();
    table.row(["  Family", &model.architecture]);
    table.row(["  Parameters".to_owned(), model.parameters.to_string()]);
    table.row(["  Context".to_owned(), format!("{} tokens", model.context)]);
    table.row(["  Vocabulary".to_owned(), format!("{} tokens, {}", model.vocabulary, model.tokenizer)]);
    table.row(["  Width".to_owned(), model.width.to_string()]);
    let weights = format!("mostly {}, {} when loaded", model.quantization, bytes(model.weight_bytes));
    table.row(["  Weights", &weights]);
    let template = match model.chat_template.as_deref() {
        Some("file") => "in the file".to_owned(),
        Some(form) => format!("{form}, told by the vocabulary"),
        None => "none: it was not made for chats".to_owned(),
    };
    table.row(["  Chat template", &template]);
    if let Some(rate) = model.tokens_per_second {
        table.row(["  Speed".to_owned(), format!("{rate:.1} tokens a second (one answer, at proof)")]);
    }
    format!("Language model\n{}", table.render())
}

fn tensors(heading: &str, tensors: &[TensorBody]) -> String {
    let mut table = Table::bare();
    for tensor in tensors {
        let shape = match &tensor.shape {
            Some(dims) => format!("[{}]", dims.join(", ")),
            None => "any shape".to_owned(),
        };
        let labels = tensor.labels.as_deref().map(few).unwrap_or_default();
        table.row([format!("  {}", tensor.name), tensor.datatype.clone(), shape, labels]);
    }
    format!("{heading}\n{}", table.render())
}

/// The first labels, and how many more there are.
fn few(labels: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut text = format!("labels: {}", labels.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", "));
    if labels.len() > SHOWN {
        text.push_str(&format!(" and {} more", labels.len() - SHOWN));
    }
    text
}

fn proof(passport: &Passport) -> String {
    let proof = &passport.proof;
    let mut table = Table::bare();
    table.row(["  Engine".to_owned(), format!("{} {}", proof.engine.name, proof.engine.version)]);
    table.row(["  Main file", &proof.main_file]);
    let joining = &proof.joining;
    let batching = match (joining.allowed, joining.max_difference, &joining.reason) {
        (true, Some(0.0), _) => "rows of several requests run together; proven bit for bit equal".to_owned(),
        (true, Some(difference), _) => {
            format!("rows of several requests run together; proven equal within {difference:e}")
        }
        (true, None, _) => "rows of several requests run together".to_owned(),
        (false, _, Some(reason)) => format!("requests run one by one: {reason}"),
        (false, _, None) => "requests run one by one".to_owned(),
    };
    let is_language_model = passport.version.language.is_some();
    if !is_language_model {
        table.row(["  Batching", &batching]);
    }
    let warm_up = match (&proof.warm_up.shapes, &proof.warm_up.skipped) {
        (None, Some(reason)) if is_language_model => reason.clone(),
        (Some(shapes), _) => {
            let shapes: Vec<String> = shapes.iter().map(|shape| format!("{shape:?}")).collect();
            format!("ran on {}", shapes.join(", "))
        }
        (None, Some(reason)) => format!("not run: {reason}"),
        (None, None) => "not run".to_owned(),
    };
    table.row(["  First run", &warm_up]);
    if proof.golden_samples > 0 {
        table.row(["  Golden samples".to_owned(), format!("{} reproduced", proof.golden_samples)]);
    }
    if let Some(microseconds) = proof.single_run_microseconds {
        table.row([
            "  One row takes".to_owned(),
            format!("{microseconds:.1} microseconds (median, at proof)"),
        ]);
    }
    table.row(["  Memory".to_owned(), bytes(proof.memory_bytes)]);
    format!("Proof\n{}", table.render())
}

fn files(passport: &Passport) -> String {
    let mut table = Table::bare();
    for file in &passport.files {
        table.row([format!("  {}", file.path), bytes(file.size), file.digest.clone()]);
    }
    format!("Files\n{}", table.render())
}

fn history(passport: &Passport) -> String {
    if passport.alias_history.is_empty() {
        return String::new();
    }
    let mut table = Table::bare();
    let version = |number: Option<u32>| number.map_or_else(|| "none".to_owned(), |number| number.to_string());
    for step in &passport.alias_history {
        let step_text = format!("{} -> {}", version(step.from), version(step.to));
        table.row([format!("  {}", step.at), step.alias.clone(), step_text, format!("by {}", step.by)]);
    }
    format!("Moves of aliases\n{}", table.render())
}

#[cfg(test)]
mod tests;
