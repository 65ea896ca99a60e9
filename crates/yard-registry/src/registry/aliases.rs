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

    /// Undoes the last promotion of an alias that has not been undone yet: a second rollback goes back one more step.
    /// Gives where the alias pointed and where it points now.
    pub async fn rollback(
        &self,
        model: &ModelName,
        alias: &AliasName,
        by: &Actor,
    ) -> Result<(VersionNumber, VersionNumber), RegistryError> {
        let mut attempt = 1;
        loop {
            let from = self.alias_target(model, alias).await?;
            let (newest, to) = self.rollback_step(model, alias).await?;
            self.require_ready(model, to).await?;
            let moved = self.store.roll_back_alias(model, alias, to, newest, self.clock.now(), by).await;
            match moved {
                Ok(()) => return Ok((from, to)),
                // Somebody moved the alias between our reading and our writing: decide anew.
                Err(StoreError::Conflict(_)) if attempt < ROLLBACK_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error.into()),
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

    /// The sequence of the newest move of an alias, and where a rollback goes by the moves up to it.
    async fn rollback_step(
        &self,
        model: &ModelName,
        alias: &AliasName,
    ) -> Result<(u64, VersionNumber), RegistryError> {
        let nothing = || RegistryError::NothingToRollBack { model: model.clone(), alias: alias.clone() };
        let mut limit = FIRST_PAGE;
        loop {
            let moves = self.store.alias_moves(model, alias, limit).await?;
            let newest = moves.first().ok_or_else(nothing)?.sequence;
            match rollback_target(&moves) {
                RollbackTarget::To(version) => return Ok((newest, version)),
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
