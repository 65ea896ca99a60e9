//! Reading the file, the variables and the flags into [`Settings`].

use std::path::{Path, PathBuf};

use super::{Settings, table::SETTINGS};

/// The file that is read when `--config` names none.
const DEFAULT_FILE: &str = "modelyard.toml";

/// `MODELYARD_*` variables that belong to other parts of Modelyard.
const OTHER_VARIABLES: [&str; 5] =
    ["MODELYARD_API_KEY", "MODELYARD_BIN", "MODELYARD_CACHE", "MODELYARD_HOME", "MODELYARD_SERVER"];
/// Those of the tests begin so.
const OF_TESTS: &str = "MODELYARD_TEST_";

/// Where settings come from, the weakest first.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// The file that `--config` names.
    pub(crate) file: Option<PathBuf>,
    /// The environment.
    pub(crate) variables: Vec<(String, String)>,
    /// `KEY=VALUE` of flags.
    pub(crate) flags: Vec<(String, String)>,
}

/// Why the settings are not usable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("cannot read {path}")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is not valid TOML: {message}")]
    NotToml { path: PathBuf, message: String },
    #[error("{origin}: there is no setting '{key}'; docs/configuration.md lists them")]
    UnknownKey { origin: String, key: String },
    #[error("{origin}: '{key}' is '{value}': {expected}")]
    BadValue { origin: String, key: String, value: String, expected: String },
}

/// Reads all sources over the defaults. Gives the settings and warnings to log.
pub(crate) fn load(sources: &Sources) -> Result<(Settings, Vec<String>), SettingsError> {
    let mut settings = Settings::default();
    if let Some((path, text)) = read_file(sources.file.as_deref())? {
        for (key, value) in flatten(&path, &text)? {
            set(&mut settings, &path.display().to_string(), &key, &value)?;
        }
    }
    let mut warnings = Vec::new();
    for (name, value) in &sources.variables {
        if !name.starts_with("MODELYARD_")
            || name.starts_with(OF_TESTS)
            || OTHER_VARIABLES.contains(&name.as_str())
        {
            continue;
        }
        match SETTINGS.iter().find(|setting| setting.variable() == *name) {
            Some(setting) => set(&mut settings, &format!("variable {name}"), setting.key, value)?,
            // Not an error: Kubernetes sets MODELYARD_PORT and others for a service of that name.
            None => warnings.push(format!("variable {name} is not a setting and is ignored")),
        }
    }
    for (key, value) in &sources.flags {
        set(&mut settings, "flag", key, value)?;
    }
    Ok((settings, warnings))
}

fn set(settings: &mut Settings, origin: &str, key: &str, value: &str) -> Result<(), SettingsError> {
    let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
        return Err(SettingsError::UnknownKey { origin: origin.to_owned(), key: key.to_owned() });
    };
    (setting.set)(settings, value).map_err(|expected| SettingsError::BadValue {
        origin: origin.to_owned(),
        key: key.to_owned(),
        value: value.to_owned(),
        expected,
    })
}

/// The named file must be there; the default one may be missing.
fn read_file(named: Option<&Path>) -> Result<Option<(PathBuf, String)>, SettingsError> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE)).to_owned();
    match fs_err::read_to_string(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SettingsError::Unreadable { path, source }),
    }
}

/// `section.key` and its value as text, for every value of the file.
fn flatten(path: &Path, text: &str) -> Result<Vec<(String, String)>, SettingsError> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| SettingsError::NotToml {
        path: path.to_owned(),
        message: error.message().to_owned(),
    })?;
    let mut pairs = Vec::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(section) => {
                pairs.extend(
                    section.into_iter().map(|(key, value)| (format!("{name}.{key}"), as_text(&value))),
                );
            }
            value => pairs.push((name, as_text(&value))),
        }
    }
    Ok(pairs)
}

fn as_text(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(values) => values.iter().map(as_text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
