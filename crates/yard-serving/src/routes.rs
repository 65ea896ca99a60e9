//! Which version a request gets: a map that requests read without a lock and operations replace.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use yard_types::{AliasName, ModelName, Selector, VersionNumber};

use crate::version::Version;

#[derive(Debug, Default)]
pub(crate) struct Routes {
    models: ArcSwap<HashMap<ModelName, Arc<RouteTable>>>,
}

/// The loaded versions of one model. Immutable: a change makes a new one.
#[derive(Debug, Default)]
pub(crate) struct RouteTable {
    production: Option<Arc<Version>>,
    aliases: Vec<(AliasName, Arc<Version>)>,
    versions: Vec<Arc<Version>>,
}

impl Routes {
    /// The version that the selector means, if it is loaded.
    pub(crate) fn find(&self, model: &str, selector: &Selector) -> Option<Arc<Version>> {
        let models = self.models.load();
        let version = models.get(model)?.select(selector)?;
        (!version.is_failed()).then(|| Arc::clone(version))
    }

    /// Puts a model's table in place of the one before; an empty one removes it.
    pub(crate) fn replace(&self, model: &ModelName, table: RouteTable) {
        let table = Arc::new(table);
        self.models.rcu(|models| {
            let mut models = HashMap::clone(models);
            if table.versions.is_empty() {
                models.remove(model);
            } else {
                models.insert(model.clone(), Arc::clone(&table));
            }
            models
        });
    }
}

impl RouteTable {
    pub(crate) fn new(aliases: &[(AliasName, VersionNumber)], versions: Vec<Arc<Version>>) -> Self {
        let loaded = |number: VersionNumber| {
            versions.iter().find(|version| version.reference.version == number).map(Arc::clone)
        };
        let mut table = Self::default();
        let production = AliasName::production();
        for (alias, number) in aliases {
            let Some(version) = loaded(*number) else { continue };
            if *alias == production {
                table.production = Some(version);
            } else {
                table.aliases.push((alias.clone(), version));
            }
        }
        table.versions = versions;
        table
    }

    fn select(&self, selector: &Selector) -> Option<&Arc<Version>> {
        match selector {
            Selector::Production => self.production.as_ref(),
            Selector::Version(number) => {
                self.versions.iter().find(|version| version.reference.version == *number)
            }
            Selector::Alias(name) if name.as_str() == "production" => self.production.as_ref(),
            Selector::Alias(name) => {
                self.aliases.iter().find(|(alias, _)| alias == name).map(|(_, version)| version)
            }
        }
    }
}
