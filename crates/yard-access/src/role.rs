//! Roles, permissions and the table between them.

use std::{fmt, str::FromStr};

/// What a request wants to do. Every route needs exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Permission {
    /// Run a model.
    Predict,
    /// See one model: its versions, signature, passport, files.
    ReadModel,
    /// List models. The list holds what the key may see.
    ListModels,
    /// Upload a version of a model.
    PushModel,
    /// Move an alias, forwards or back.
    Promote,
    /// Archive a version.
    Archive,
    /// Load and unload a model.
    LoadUnload,
    /// Change how a model is served.
    Configure,
    /// Make, list, rotate and revoke keys.
    ManageKeys,
    /// Read the audit trail.
    ReadAudit,
    /// Read metrics. They show what the key may see.
    ReadMetrics,
    /// Delete what nothing points at.
    CollectGarbage,
    /// Submit jobs that make versions of a model, and call them off.
    Train,
    /// See data sets. The list holds what the key may see.
    ReadDataSets,
    /// Add versions of a data set.
    AddDataSets,
    /// Delete versions of a data set.
    RemoveDataSets,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Runs the server: everything.
    Admin,
    /// Brings models and decides which version is served.
    Publisher,
    /// Uses models.
    Consumer,
}

/// The text names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a role: use admin, publisher or consumer")]
pub struct UnknownRole(pub String);

// === impl Permission ===

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 16] = [
        Self::Predict,
        Self::ReadModel,
        Self::ListModels,
        Self::PushModel,
        Self::Promote,
        Self::Archive,
        Self::LoadUnload,
        Self::Configure,
        Self::ManageKeys,
        Self::ReadAudit,
        Self::ReadMetrics,
        Self::CollectGarbage,
        Self::Train,
        Self::ReadDataSets,
        Self::AddDataSets,
        Self::RemoveDataSets,
    ];

    /// What it allows, in words that follow "may" or "may not".
    pub const fn action(self) -> &'static str {
        match self {
            Self::Predict => "run models",
            Self::ReadModel => "read models",
            Self::ListModels => "list models",
            Self::PushModel => "push models",
            Self::Promote => "promote versions",
            Self::Archive => "archive versions",
            Self::LoadUnload => "load or unload models",
            Self::Configure => "change how models are served",
            Self::ManageKeys => "manage keys",
            Self::ReadAudit => "read the audit trail",
            Self::ReadMetrics => "read metrics",
            Self::CollectGarbage => "collect garbage",
            Self::Train => "train models",
            Self::ReadDataSets => "read data sets",
            Self::AddDataSets => "add data sets",
            Self::RemoveDataSets => "remove data sets",
        }
    }

    /// Whether the name it is asked for may be that of something to be made.
    pub(crate) const fn may_name_new(self) -> bool {
        matches!(self, Self::PushModel | Self::Train | Self::AddDataSets)
    }
}

// === impl Role ===

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Admin, Self::Publisher, Self::Consumer];

    /// The table of roles and permissions.
    pub const fn grants(self, permission: Permission) -> bool {
        match permission {
            Permission::Predict
            | Permission::ReadModel
            | Permission::ListModels
            | Permission::ReadMetrics => true,
            Permission::PushModel
            | Permission::Promote
            | Permission::Archive
            | Permission::LoadUnload
            | Permission::Configure
            | Permission::Train
            | Permission::ReadDataSets
            | Permission::AddDataSets
            | Permission::RemoveDataSets => matches!(self, Self::Admin | Self::Publisher),
            Permission::ManageKeys | Permission::ReadAudit | Permission::CollectGarbage => {
                matches!(self, Self::Admin)
            }
        }
    }

    /// The role as settings, answers and rows write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Publisher => "publisher",
            Self::Consumer => "consumer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| UnknownRole(text.chars().take(32).flat_map(char::escape_default).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_grants_its_row_of_the_table() {
        use Permission::*;
        let consumer = [Predict, ReadModel, ListModels, ReadMetrics];
        let publisher = [
            PushModel,
            Promote,
            Archive,
            LoadUnload,
            Configure,
            Train,
            ReadDataSets,
            AddDataSets,
            RemoveDataSets,
        ];
        for permission in Permission::ALL {
            assert!(Role::Admin.grants(permission), "{permission:?}");
            let consumes = consumer.contains(&permission);
            assert_eq!(Role::Consumer.grants(permission), consumes, "{permission:?}");
            let publishes = consumes || publisher.contains(&permission);
            assert_eq!(Role::Publisher.grants(permission), publishes, "{permission:?}");
        }
    }

    #[test]
    fn roles_read_back_and_others_are_refused() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        for text in ["", "Admin", "root", "admin "] {
            assert!(text.parse::<Role>().is_err(), "{text:?}");
        }
    }
}
