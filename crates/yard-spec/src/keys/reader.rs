//! Reading one table: every key known, none left over.

use serde_json::{Map, Value};

use super::{Allowed, Field, found};
use crate::{
    error::{KeyPath, SpecError},
    nearest::nearest,
};

/// One table that is being read.
pub(crate) struct TableReader<'a> {
    table: &'a Map<String, Value>,
    path: &'a KeyPath,
}

impl<'a> TableReader<'a> {
    /// Starts to read a table that has no key besides `tag` and `known`.
    pub(crate) fn new(
        value: &'a Value,
        path: &'a KeyPath,
        tag: Option<&str>,
        known: &[&str],
    ) -> Result<Self, SpecError> {
        let table = value.as_object().ok_or_else(|| SpecError::WrongType {
            path: path.clone(),
            expected: "a table".to_owned(),
            found: found(value),
        })?;
        let all = || tag.into_iter().chain(known.iter().copied());
        for key in table.keys() {
            if !all().any(|name| name == key) {
                return Err(SpecError::UnknownKey {
                    path: path.key(key),
                    nearest: nearest(key, all()),
                    known: all().map(str::to_owned).collect(),
                });
            }
        }
        Ok(Self { table, path })
    }

    /// The value of a key that has no default.
    pub(crate) fn required<T: Field>(&self, key: &str, allowed: Allowed) -> Result<T, SpecError> {
        let path = self.path.key(key);
        match self.table.get(key) {
            Some(value) => T::read(value, &path, allowed),
            None => Err(SpecError::Missing { path }),
        }
    }

    /// The value of a key, or its default.
    pub(crate) fn or<T: Field>(
        &self,
        key: &str,
        allowed: Allowed,
        default: impl FnOnce() -> T,
    ) -> Result<T, SpecError> {
        match self.table.get(key) {
            Some(value) => T::read(value, &self.path.key(key), allowed),
            None => Ok(default()),
        }
    }
}
