//! How values are written in files, variables and flags, and read again.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use yard_types::ModelName;

/// A type that a setting can have. Files, variables and flags all give text.
pub(super) trait SettingValue: Sized {
    /// Reads the value; the error says what is expected.
    fn read(text: &str) -> Result<Self, String>;
    /// Writes it as a person would in `modelyard.toml`.
    fn write(&self) -> String;
}

impl SettingValue for bool {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err("expected true or false".to_owned()),
        }
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// Whole numbers of each width; `_` may group their digits.
macro_rules! whole_number {
    ($($type:ty: $expected:literal),*) => {
        $(impl SettingValue for $type {
            fn read(text: &str) -> Result<Self, String> {
                text.replace('_', "").parse().map_err(|_| $expected.to_owned())
            }

            fn write(&self) -> String {
                self.to_string()
            }
        })*
    };
}

whole_number!(
    u8: "expected a whole number up to 255",
    u32: "expected a whole number",
    u64: "expected a whole number",
    usize: "expected a whole number",
    NonZeroUsize: "expected a whole number from 1"
);

/// A value that may be left out: nothing is written as `none`.
macro_rules! optional {
    ($($type:ty),*) => {
        $(impl SettingValue for Option<$type> {
            fn read(text: &str) -> Result<Self, String> {
                if matches!(text, "" | "none") { Ok(None) } else { SettingValue::read(text).map(Some) }
            }

            fn write(&self) -> String {
                self.as_ref().map_or_else(|| "\"none\"".to_owned(), SettingValue::write)
            }
        })*
    };
}

optional!(String, ModelName, SocketAddr, NonZeroUsize, u64);

impl SettingValue for ModelName {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: yard_types::NameError| error.to_string())
    }

    fn write(&self) -> String {
        format!("\"{self}\"")
    }
}

impl SettingValue for String {
    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn write(&self) -> String {
        format!("\"{self}\"")
    }
}

impl SettingValue for Vec<String> {
    fn read(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        Ok(parts.map(str::to_owned).collect())
    }

    fn write(&self) -> String {
        let parts: Vec<String> = self.iter().map(SettingValue::write).collect();
        format!("[{}]", parts.join(", "))
    }
}

impl SettingValue for PathBuf {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("expected a path".to_owned()) } else { Ok(Self::from(text)) }
    }

    fn write(&self) -> String {
        format!("\"{}\"", self.display())
    }
}

impl SettingValue for SocketAddr {
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| "expected an address and a port, such as 127.0.0.1:8080 or [::1]:8080".to_owned())
    }

    fn write(&self) -> String {
        format!("\"{self}\"")
    }
}

impl SettingValue for Duration {
    fn read(text: &str) -> Result<Self, String> {
        let expected = || "expected a number and a unit (us, ms, s, m, h), such as 250ms or 30s".to_owned();
        let split = text.find(|character: char| !character.is_ascii_digit()).ok_or_else(expected)?;
        let (number, unit) = text.split_at(split);
        let number: u64 = number.parse().map_err(|_| expected())?;
        let seconds = |factor: u64| number.checked_mul(factor).map(Self::from_secs).ok_or_else(expected);
        match unit.trim() {
            "us" => Ok(Self::from_micros(number)),
            "ms" => Ok(Self::from_millis(number)),
            "s" => Ok(Self::from_secs(number)),
            "m" => seconds(60),
            "h" => seconds(3600),
            _ => Err(expected()),
        }
    }

    fn write(&self) -> String {
        let micros = self.as_micros();
        match micros {
            _ if micros.is_multiple_of(1_000_000) => format!("\"{}s\"", self.as_secs()),
            _ if micros.is_multiple_of(1_000) => format!("\"{}ms\"", self.as_millis()),
            _ => format!("\"{micros}us\""),
        }
    }
}
