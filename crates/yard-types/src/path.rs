//! Paths of files inside a model package.

use std::{fmt, str::FromStr, sync::Arc};

/// Longest path, in bytes.
const MAX_LENGTH: usize = 512;
/// Longest component, in bytes (what common file systems take).
const MAX_COMPONENT: usize = 255;
/// Most components.
const MAX_DEPTH: usize = 16;

/// A relative path inside a model package, with `/` between components.
///
/// It cannot leave the package: no component is empty, `.` or `..`, and no character has a meaning to a file system or
/// a terminal (control characters, `\`, `:`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackagePath(Arc<str>);

/// Why a text is not a path inside a package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{shown}' is not a path inside a model package: {reason}")]
pub struct PackagePathError {
    shown: String,
    reason: &'static str,
}

impl PackagePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// What stands after the last `.` of the file name, if anything does.
    pub fn extension(&self) -> Option<&str> {
        self.file_name().rsplit_once('.').map(|(_, extension)| extension)
    }
}

fn fault(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if text.len() > MAX_LENGTH {
        return Some("it is longer than 512 bytes");
    }
    if text.starts_with('/') {
        return Some("it is absolute");
    }
    if text.chars().any(|character| character.is_control() || matches!(character, '\\' | ':')) {
        return Some("it holds a control character, a backslash or a colon");
    }
    if text.split('/').count() > MAX_DEPTH {
        return Some("it has more than 16 components");
    }
    text.split('/').find_map(|component| match component {
        "" => Some("it has an empty component"),
        "." | ".." => Some("it has a component '.' or '..'"),
        _ if component.len() > MAX_COMPONENT => Some("a component is longer than 255 bytes"),
        _ => None,
    })
}

impl FromStr for PackagePath {
    type Err = PackagePathError;

    fn from_str(text: &str) -> Result<Self, PackagePathError> {
        match fault(text) {
            None => Ok(Self(text.into())),
            Some(reason) => {
                let shown = text.chars().take(96).flat_map(char::escape_default).collect();
                Err(PackagePathError { shown, reason })
            }
        }
    }
}

impl fmt::Display for PackagePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_the_package() {
        let long = format!("{}/x", "a".repeat(256));
        let deep = ["a"; 17].join("/");
        for text in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a//b",
            "a/",
            "./a",
            "a\\b",
            "c:x",
            "a\0b",
            "a\nb",
            &long,
            &deep,
        ] {
            assert!(text.parse::<PackagePath>().is_err(), "{text:?}");
        }
        for text in ["model.onnx", "weights/part 1.data", "..data", "a/b/c.json", "naïve.txt"] {
            assert!(text.parse::<PackagePath>().is_ok(), "{text:?}");
        }
    }

    #[test]
    fn names_and_extensions_are_of_the_last_component() {
        let path: PackagePath = "a.b/model.tar.gz".parse().unwrap();
        assert_eq!((path.file_name(), path.extension()), ("model.tar.gz", Some("gz")));
        let path: PackagePath = "a.b/model".parse().unwrap();
        assert_eq!(path.extension(), None);
    }
}
