//! Whether what the registry promises holds: for `doctor`, and for tests that kill the process.

use std::{collections::HashMap, fmt};

use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};
use yard_types::{AliasName, Digest, ModelName, PackagePath, VersionNumber, VersionState};

use super::Registry;
use crate::{ArtifactError, FileRecord, RegistryError, VersionRecord, rules::package_digest};

/// How closely files are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckDepth {
    /// Whether they are there with their sizes.
    Presence,
    /// Whether every byte is as it was; this reads all of them.
    Content,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntegrityFault {
    /// A file of a version is missing, cut short or changed.
    File {
        /// The model.
        model: ModelName,
        /// The version.
        version: VersionNumber,
        /// The file.
        path: PackagePath,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The record of a version does not agree with itself.
    Version {
        /// The model.
        model: ModelName,
        /// The version.
        version: VersionNumber,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// An alias points at nothing that could be served.
    Alias {
        /// The model.
        model: ModelName,
        /// The alias.
        alias: AliasName,
        /// What is wrong with it.
        fault: &'static str,
    },
}

impl fmt::Display for IntegrityFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { model, version, path, fault } => {
                write!(formatter, "file '{path}' of version {version} of model '{model}' {fault}")
            }
            Self::Version { model, version, fault } => {
                write!(formatter, "version {version} of model '{model}' {fault}")
            }
            Self::Alias { model, alias, fault } => {
                write!(formatter, "alias '{alias}' of model '{model}' {fault}")
            }
        }
    }
}

impl Registry {
    /// Looks for broken promises: versions that are not whole, aliases that point nowhere. Safe at any
    /// time; while versions are archived it may name an alias that has moved on meanwhile.
    pub async fn check(&self, depth: CheckDepth) -> Result<Vec<IntegrityFault>, RegistryError> {
        let mut faults = Vec::new();
        // Rows before files and aliases before versions: what comes in meanwhile is then there when it is looked for.
        let aliases = self.store.aliases().await?;
        let mut versions = Vec::new();
        for model in self.store.models().await? {
            let found = self.store.versions(&model.name).await?;
            if found.is_empty() {
                tracing::warn!(model = %model.name, "a model without versions");
            }
            versions.extend(found);
        }
        for alias in aliases {
            let target = versions
                .iter()
                .find(|version| version.model == alias.model && version.number == alias.version);
            let fault = match target.map(|version| version.state) {
                Some(VersionState::Ready) => continue,
                Some(VersionState::Archived) => "points at an archived version",
                None => "points at a version that does not exist",
            };
            faults.push(IntegrityFault::Alias { model: alias.model, alias: alias.alias, fault });
        }
        let stored = self.artifacts.list().await?;
        let sizes: HashMap<Digest, u64> =
            stored.into_iter().map(|artifact| (artifact.digest, artifact.size)).collect();
        // Files shared by versions are read once.
        let mut verdicts: HashMap<Digest, Option<&'static str>> = HashMap::new();
        for version in &versions {
            faults.extend(record_fault(version));
            for file in &version.files {
                let verdict = match verdicts.get(&file.digest) {
                    Some(verdict) => *verdict,
                    None => self.file_fault(file, &sizes, depth).await?,
                };
                verdicts.insert(file.digest, verdict);
                faults.extend(verdict.map(|fault| IntegrityFault::File {
                    model: version.model.clone(),
                    version: version.number,
                    path: file.path.clone(),
                    fault,
                }));
            }
        }
        Ok(faults)
    }

    async fn file_fault(
        &self,
        file: &FileRecord,
        sizes: &HashMap<Digest, u64>,
        depth: CheckDepth,
    ) -> Result<Option<&'static str>, RegistryError> {
        match sizes.get(&file.digest) {
            None => return Ok(Some("is missing")),
            Some(size) if *size != file.size => return Ok(Some("has another size than it had")),
            Some(_) if depth == CheckDepth::Presence => return Ok(None),
            Some(_) => {}
        }
        let (_, mut content) = self.artifacts.read(&file.digest).await?;
        let mut hash = Sha256::new();
        while let Some(piece) = content.next().await {
            let piece = piece.map_err(|error| ArtifactError::Backend(Box::new(error)))?;
            // Off the runtime: hashing large files takes seconds.
            let hashed = tokio::task::spawn_blocking(move || {
                hash.update(&piece);
                hash
            });
            hash = hashed.await.map_err(|error| ArtifactError::Backend(Box::new(error)))?;
        }
        let whole = Digest::from_bytes(hash.finalize().into()) == file.digest;
        Ok((!whole).then_some("has other content than it had"))
    }
}

fn record_fault(version: &VersionRecord) -> Option<IntegrityFault> {
    let fault = if package_digest(&version.files) != version.digest {
        "has other files than its digest says"
    } else if !version.files.iter().any(|file| file.path == version.proof.main) {
        "has no model file"
    } else {
        return None;
    };
    Some(IntegrityFault::Version { model: version.model.clone(), version: version.number, fault })
}
