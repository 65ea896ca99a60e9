//! The per-user folder: what all data directories of a user share.

use std::path::PathBuf;

/// Where the per-user folder is.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct HomeArgs {
    /// Folder for what all data directories share, such as installed engines
    ///
    /// Without it: `$XDG_DATA_HOME/modelyard`, else `~/.local/share/modelyard`.
    #[arg(long, global = true, value_name = "DIR", env = "MODELYARD_HOME", help_heading = "Global options")]
    home: Option<PathBuf>,

    // Read through clap so that the environment is looked at in one place only.
    #[arg(long, global = true, hide = true, value_name = "DIR", env = "XDG_DATA_HOME")]
    xdg_data_home: Option<PathBuf>,
}

impl HomeArgs {
    /// The folder; `None` when the user has no home directory and names none.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        choose(self.home.clone(), self.xdg_data_home.clone(), std::env::home_dir())
    }
}

/// An empty variable counts as unset, and a relative `XDG_DATA_HOME` is ignored, as its specification asks.
fn choose(own: Option<PathBuf>, shared: Option<PathBuf>, user: Option<PathBuf>) -> Option<PathBuf> {
    let filled = |path: &PathBuf| !path.as_os_str().is_empty();
    if let Some(own) = own.filter(filled) {
        return std::path::absolute(own).ok();
    }
    if let Some(shared) = shared.filter(|path| path.is_absolute()) {
        return Some(shared.join("modelyard"));
    }
    user.filter(|path| path.is_absolute()).map(|user| user.join(".local/share/modelyard"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(own: &str, shared: &str, user: &str, expected: Option<&str>) {
        let chosen = choose(Some(own.into()), Some(shared.into()), Some(user.into()));
        assert_eq!(chosen, expected.map(PathBuf::from));
    }

    #[test]
    fn our_own_variable_wins_over_the_shared_one_and_that_over_the_default() {
        check("/own", "/shared", "/user", Some("/own"));
        check("", "/shared", "/user", Some("/shared/modelyard"));
        check("", "", "/user", Some("/user/.local/share/modelyard"));
        check("", "relative", "/user", Some("/user/.local/share/modelyard"));
        check("", "", "", None);
    }
}
