use std::fmt::Write as _;

use clap::{Command as ClapCommand, CommandFactory as _};

use super::*;

const INTRODUCTION: &str = "\
# Command line

Made from the code: `modelyard COMMAND --help` says the same. Change the code, then run
`UPDATE_EXPECTED=1 cargo nextest run -p modelyard`.

Data goes to stdout, talk to stderr. With `--json` data is one line of JSON, and a failure is one line of JSON on
stderr: `{\"error\": {\"code\", \"message\", \"param\", \"request_id\", \"exit_status\"}}`.
";

/// The help of a command as a terminal of 100 columns shows it, without what this machine's environment says.
fn help(command: &ClapCommand, path: &str) -> String {
    let command = command.clone().term_width(100).mut_args(|argument| argument.hide_env_values(true));
    let text = command.bin_name(path).render_long_help().to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// What all commands share is told once.
fn without_global_options(text: &str) -> &str {
    text.split("\nGlobal options:").next().unwrap_or(text).trim_end()
}

fn append(page: &mut String, command: &ClapCommand, path: &str) {
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        let path = format!("{path} {}", subcommand.get_name());
        let text = help(subcommand, &path);
        write!(page, "\n## {path}\n\n```text\n{}\n```\n", without_global_options(&text)).unwrap();
        append(page, subcommand, &path);
    }
}

fn page() -> String {
    let mut command = Cli::command();
    command.build();
    let mut page = INTRODUCTION.to_owned();
    write!(page, "\n```text\n{}\n```\n", help(&command, "modelyard").trim_end()).unwrap();
    append(&mut page, &command, "modelyard");
    page
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn the_committed_help_of_every_command_is_that_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/command-line.md");
    let page = page();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs_err::write(path, &page).unwrap();
    }
    let committed = fs_err::read_to_string(path).unwrap();
    assert!(
        committed == page,
        "docs/command-line.md differs from the code; run with UPDATE_EXPECTED=1 to rewrite it"
    );
}

#[test]
fn every_command_says_what_it_does() {
    fn check(command: &ClapCommand) {
        for subcommand in command.get_subcommands() {
            assert!(subcommand.get_about().is_some(), "{}", subcommand.get_name());
            for argument in subcommand.get_arguments() {
                let told = argument.get_help().is_some() || argument.is_hide_set();
                assert!(told, "{} {}", subcommand.get_name(), argument.get_id());
            }
            check(subcommand);
        }
    }
    let mut command = Cli::command();
    command.build();
    check(&command);
}
