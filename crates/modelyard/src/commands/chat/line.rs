//! What a line means that somebody typed.

/// What is to be done with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action<'a> {
    /// It is empty.
    Nothing,
    /// Say this to the model.
    Say(&'a str),
    /// Tell the model this before the chat; nothing if it is left out.
    System(Option<&'a str>),
    /// Begin a new chat.
    Reset,
    /// Have the last question answered once more.
    Retry,
    /// Show what can be typed.
    Help,
    /// Leave.
    Quit,
    /// It begins like a command and is none: the name, and whether there is one of this name, which takes nothing.
    NoCommand { name: &'a str, takes_nothing: bool },
}

/// What `/help` shows.
pub(super) const HELP: &str = "\
/system TEXT  tell the model TEXT before the chat; without TEXT, tell it nothing
/reset        begin a new chat; what was told with /system stays
/retry        have the last question answered once more
/help         show this
/quit         leave; the end of the input (Ctrl-D) does so too
//TEXT        say /TEXT
Ctrl-C stops an answer; here it leaves.";

/// What a line means. Blanks around it mean nothing.
pub(super) fn action(line: &str) -> Action<'_> {
    let line = line.trim();
    if line.is_empty() {
        return Action::Nothing;
    }
    let Some(command) = line.strip_prefix('/') else { return Action::Say(line) };
    if command.starts_with('/') {
        return Action::Say(command);
    }
    let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let rest = Some(rest.trim()).filter(|rest| !rest.is_empty());
    match (name, rest) {
        ("system", text) => Action::System(text),
        ("reset", None) => Action::Reset,
        ("retry", None) => Action::Retry,
        ("help", None) => Action::Help,
        ("quit", None) => Action::Quit,
        ("reset" | "retry" | "help" | "quit", Some(_)) => Action::NoCommand { name, takes_nothing: true },
        _ => Action::NoCommand { name, takes_nothing: false },
    }
}

/// Why a line is no command, and what to do.
pub(super) fn no_command(name: &str, takes_nothing: bool) -> String {
    let why = if takes_nothing {
        format!("/{name} takes nothing after it")
    } else {
        format!("there is no command /{name}; /help shows those that there are")
    };
    format!("{why}. To say something that begins with a slash, type two")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Action<'_>) {
        assert_eq!(action(line), expected, "{line:?}");
    }

    #[test]
    fn what_is_no_command_is_said() {
        for line in ["", " ", "\t\r\n"] {
            check(line, Action::Nothing);
        }
        check("What is 1/2?\r\n", Action::Say("What is 1/2?"));
        check("  a  b ", Action::Say("a  b"));
        check("//etc/hosts: what is it?", Action::Say("/etc/hosts: what is it?"));
        check("///", Action::Say("//"));
        check("quit", Action::Say("quit"));
    }

    #[test]
    fn commands_are_known_by_their_whole_names() {
        check("/reset", Action::Reset);
        check("/retry\n", Action::Retry);
        check(" /help ", Action::Help);
        check("/quit\r\n", Action::Quit);
        check("/system Be brief.", Action::System(Some("Be brief.")));
        check("/system\tBe\tbrief. ", Action::System(Some("Be\tbrief.")));
        check("/system", Action::System(None));
        check("/system  ", Action::System(None));
    }

    #[test]
    fn what_looks_like_a_command_is_not_said_by_mistake() {
        for name in ["", "Quit", "exit", "systems", "etc/hosts"] {
            check(&format!("/{name}"), Action::NoCommand { name, takes_nothing: false });
        }
        for name in ["reset", "retry", "help", "quit"] {
            check(&format!("/{name} now"), Action::NoCommand { name, takes_nothing: true });
        }
        assert!(no_command("exit", false).contains("/help"));
        assert!(no_command("quit", true).contains("/quit takes nothing"));
    }

    #[test]
    fn every_command_is_in_the_help() {
        for command in ["/system", "/reset", "/retry", "/help", "/quit"] {
            assert!(HELP.lines().any(|line| line.split(' ').next() == Some(command)), "{command}");
            assert!(!matches!(action(command), Action::NoCommand { .. } | Action::Say(_)), "{command}");
        }
    }
}
