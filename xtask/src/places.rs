//! Where things lie: the checkout, the per-user cache and the per-user data folder.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The checkout that this program was built from.
pub(crate) fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in a folder of the checkout")
}

/// What can be made again: `$MODELYARD_CACHE`, else `modelyard` in the user's cache folder.
pub(crate) fn cache() -> Result<PathBuf> {
    choose("MODELYARD_CACHE", "XDG_CACHE_HOME", ".cache", |name| env::var_os(name).map(PathBuf::from))
}

/// What the product keeps for all data directories: `$MODELYARD_HOME`, else `modelyard` in the user's data folder.
pub(crate) fn home() -> Result<PathBuf> {
    choose("MODELYARD_HOME", "XDG_DATA_HOME", ".local/share", |name| env::var_os(name).map(PathBuf::from))
}

fn choose(
    own: &str,
    shared: &str,
    below_home: &str,
    variable: impl Fn(&str) -> Option<PathBuf>,
) -> Result<PathBuf> {
    let given = |name| variable(name).filter(|path| !path.as_os_str().is_empty());
    let chosen = match (given(own), given(shared)) {
        (Some(own), _) => own,
        (None, Some(shared)) => shared.join("modelyard"),
        (None, None) => {
            let user = given("HOME").with_context(|| format!("set {own}, {shared} or HOME"))?;
            user.join(below_home).join("modelyard")
        }
    };
    std::path::absolute(&chosen).with_context(|| format!("{} is no usable path", chosen.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variables: &[(&str, &str)], expected: &str) {
        let chosen = choose("MODELYARD_CACHE", "XDG_CACHE_HOME", ".cache", |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value))
        });
        assert_eq!(chosen.unwrap(), PathBuf::from(expected));
    }

    #[test]
    fn our_own_variable_wins_over_the_shared_one_and_that_over_the_default() {
        check(&[("MODELYARD_CACHE", "/own"), ("XDG_CACHE_HOME", "/shared"), ("HOME", "/user")], "/own");
        check(&[("XDG_CACHE_HOME", "/shared"), ("HOME", "/user")], "/shared/modelyard");
        check(&[("HOME", "/user")], "/user/.cache/modelyard");
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        check(
            &[("MODELYARD_CACHE", ""), ("XDG_CACHE_HOME", ""), ("HOME", "/user")],
            "/user/.cache/modelyard",
        );
    }
}
