//! Which server a command talks to, and with which key.

use std::{io, path::Path};

use anyhow::{Context as _, Result};
use fs_err as fs;
use yard_client::{ApiKey, Client, ClientError, ClientOptions, ServerAddress};

use crate::cli::GlobalArgs;

/// The server to talk to when none is named.
pub(crate) const DEFAULT_SERVER: &str = "http://127.0.0.1:8080";
/// The file in a data directory that holds the admin key.
pub(crate) const ADMIN_KEY_FILE: &str = "admin.key";

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ConnectionArgs {
    /// Address of the server
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "MODELYARD_SERVER",
        default_value = DEFAULT_SERVER,
        help_heading = "Global options"
    )]
    pub(crate) server: ServerAddress,

    /// Key to use; better given by the variable, since others on this machine can see arguments [default: the content
    /// of admin.key in the data directory, if it can be read]
    #[arg(
        long,
        global = true,
        value_name = "KEY",
        env = "MODELYARD_API_KEY",
        hide_env_values = true,
        value_parser = read_key,
        help_heading = "Global options"
    )]
    api_key: Option<ApiKey>,
}

fn read_key(text: &str) -> Result<ApiKey, String> {
    ApiKey::new(text.trim()).map_err(|error| error.to_string())
}

/// A client of the server that the command line names.
pub(crate) fn client(global: &GlobalArgs) -> Result<Client> {
    let key = match &global.connection.api_key {
        Some(key) => Some(key.clone()),
        None => admin_key(global.data_dir())?,
    };
    Ok(Client::new(global.connection.server.clone(), key, ClientOptions::default())?)
}

/// The admin key that a server left in its data directory; `None` when there is none for us.
pub(crate) fn admin_key(data_dir: &Path) -> Result<Option<ApiKey>> {
    let path = data_dir.join(ADMIN_KEY_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => {
            return Err(error).context("the admin key cannot be read; pass --api-key or --data-dir");
        }
    };
    let key = ApiKey::new(text.trim()).map_err(ClientError::Key);
    key.map(Some).with_context(|| format!("{} does not hold a key", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_admin_key_of_a_data_directory_is_found() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(admin_key(folder.path()).unwrap(), None);
        fs::write(folder.path().join(ADMIN_KEY_FILE), "my_id_secret\n").unwrap();
        assert_eq!(admin_key(folder.path()).unwrap(), ApiKey::new("my_id_secret").ok());
        fs::write(folder.path().join(ADMIN_KEY_FILE), "").unwrap();
        assert!(admin_key(folder.path()).is_err());
    }
}
