//! Promote, roll back, remove.

use yard_types::{AliasName, ModelName, Selector, VersionNumber, VersionState};

use super::Registry;
use crate::{
    Actor, AliasMove, AliasRecord, RegistryError, StoreError,
    rules::{RollbackTarget, rollback_target},
};

/// How many moves are read at first to find where a rollback goes. Few histories need more.
const FIRST_PAGE: u32 = 64;
/// How often a rollback starts over because the alias was moved meanwhile.
const ROLLBACK_ATTEMPTS: usize = 8;

/// A rollback that can be made: what [`Registry::rollback_target`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollback {
    /// Where the alias points.
    pub from: VersionNumber,
    /// Where it pointed before.
    pub to: VersionNumber,
    /// The newest move by which this was decided.
    newest: u64,
}

impl Registry {
    /// All aliases of all models.
    pub async fn aliases(&self) -> Result<Vec<AliasRecord>, RegistryError> {
        Ok(self.store.aliases().await?)
    }

    /// All aliases of one model, by name.
    pub async fn aliases_of(&self, model: &ModelName) -> Result<Vec<AliasRecord>, RegistryError> {
        self.model(model).await?;
        Ok(self.store.aliases_of(model).await?)
    }

    /// The moves of an alias, newest first, at most `limit`. Those of a removed alias are kept.
    pub async fn alias_moves(
        &self,
        model: &ModelName,
        alias: &AliasName,
        limit: u32,
    ) -> Result<Vec<AliasMove>, RegistryError> {
        self.model(model).await?;
        Ok(self.store.alias_moves(model, alias, limit).await?)
    }

    /// The moves of all aliases to and from a version, newest first, at most `limit`.
    pub async fn moves_of_version(
        &self,
        model: &ModelName,
        version: VersionNumber,
        limit: u32,
    ) -> Result<Vec<AliasMove>, RegistryError> {
        self.version(model, version).await?;
        Ok(self.store.moves_of_version(model, version, limit).await?)
    }

    /// Points an alias at a version, making the alias when it is new. Gives where it pointed before.
    pub async fn promote(
        &self,
        model: &ModelName,
        alias: &AliasName,
        version: VersionNumber,
        by: &Actor,
    ) -> Result<Option<VersionNumber>, RegistryError> {
        self.require_ready(model, version).await?;
        Ok(self.store.move_alias(model, alias, version, self.clock.now(), by).await?)
    }

    /// Where a rollback of an alias goes: it undoes the last promotion that has not been undone yet, so that a second
    /// rollback goes back one more step. Changes nothing; [`Self::roll_back_to`] does.
    pub async fn rollback_target(
        &self,
        model: &ModelName,
        alias: &AliasName,
    ) -> Result<Rollback, RegistryError> {
        self.alias_target(model, alias).await?;
        let rollback = self.rollback_step(model, alias).await?;
        self.require_ready(model, rollback.to).await?;
        Ok(rollback)
    }

    /// Makes a rollback that was looked up before; [`StoreError::Conflict`] when the alias has been moved since.
    pub async fn roll_back_to(
        &self,
        model: &ModelName,
        alias: &AliasName,
        rollback: &Rollback,
        by: &Actor,
    ) -> Result<(), RegistryError> {
        let Rollback { to, newest, .. } = *rollback;
        Ok(self.store.roll_back_alias(model, alias, to, newest, self.clock.now(), by).await?)
    }

    /// Looks a rollback up and makes it, anew when somebody moves the alias between. Gives where the alias pointed and
    /// where it points now.
    pub async fn rollback(
        &self,
        model: &ModelName,
        alias: &AliasName,
        by: &Actor,
    ) -> Result<(VersionNumber, VersionNumber), RegistryError> {
        let mut attempt = 1;
        loop {
            let rollback = self.rollback_target(model, alias).await?;
            match self.roll_back_to(model, alias, &rollback, by).await {
                Ok(()) => return Ok((rollback.from, rollback.to)),
                Err(RegistryError::Store(StoreError::Conflict(_))) if attempt < ROLLBACK_ATTEMPTS => {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes an alias; `production` stays.
    pub async fn remove_alias(
        &self,
        model: &ModelName,
        alias: &AliasName,
        by: &Actor,
    ) -> Result<(), RegistryError> {
        self.alias_target(model, alias).await?;
        if *alias == AliasName::production() {
            return Err(RegistryError::ProductionStays);
        }
        Ok(self.store.remove_alias(model, alias, self.clock.now(), by).await?)
    }

    /// Where an alias points.
    pub(super) async fn alias_target(
        &self,
        model: &ModelName,
        alias: &AliasName,
    ) -> Result<VersionNumber, RegistryError> {
        if let Some(record) = self.store.alias(model, alias).await? {
            return Ok(record.version);
        }
        self.model(model).await?;
        Err(RegistryError::UnknownAlias { model: model.clone(), alias: alias.clone() })
    }

    /// Where a rollback goes by the moves of an alias.
    async fn rollback_step(&self, model: &ModelName, alias: &AliasName) -> Result<Rollback, RegistryError> {
        let nothing = || RegistryError::NothingToRollBack { model: model.clone(), alias: alias.clone() };
        let mut limit = FIRST_PAGE;
        loop {
            let moves = self.store.alias_moves(model, alias, limit).await?;
            let newest = moves.first().ok_or_else(nothing)?;
            // Every change of the alias writes a move: the newest tells where it points.
            let (newest, from) = (newest.sequence, newest.to.ok_or_else(nothing)?);
            match rollback_target(&moves) {
                RollbackTarget::To(to) => return Ok(Rollback { from, to, newest }),
                RollbackTarget::Nothing => return Err(nothing()),
                // Fewer came than were asked for: there are no older ones.
                RollbackTarget::OlderMovesNeeded if moves.len() < limit as usize => return Err(nothing()),
                RollbackTarget::OlderMovesNeeded => limit = limit.saturating_mul(4),
            }
        }
    }

    async fn require_ready(&self, model: &ModelName, version: VersionNumber) -> Result<(), RegistryError> {
        match self.version(model, version).await?.state {
            VersionState::Ready => Ok(()),
            VersionState::Archived => {
                Err(RegistryError::Archived { model: model.clone(), selector: Selector::Version(version) })
            }
        }
    }
}
