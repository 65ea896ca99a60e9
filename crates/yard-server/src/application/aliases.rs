//! Promote, roll back, archive: which version requests get.

use yard_access::Principal;
use yard_serving::{Prepared, ServingError};
use yard_types::{AliasName, ModelName, Selector, VersionNumber, VersionRef};

use super::{Application, ApplicationError, audit::registry_actor};

/// An alias was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Where it pointed before.
    pub(crate) from: Option<VersionNumber>,
    /// Where it points now.
    pub(crate) to: VersionNumber,
}

impl Application {
    /// Points an alias at a version. The version is in memory and warm before the alias moves: when it cannot be, nothing
    /// has changed.
    pub(crate) async fn promote(
        &self,
        principal: &Principal,
        model: &ModelName,
        alias: &AliasName,
        version: VersionNumber,
    ) -> Result<Moved, ApplicationError> {
        // Asked first, so that a version that is not there is told in the registry's words.
        self.registry().version(model, version).await?;
        let reference = VersionRef { model: model.clone(), version };
        let prepared = self.serving().prepare(&reference).await?;
        let moved = self.registry().promote(model, alias, version, &registry_actor(principal)).await;
        // Whatever became of the move, serving lets go of what it prepared in vain.
        let switched = self.switch(alias, &reference, prepared, moved.is_ok()).await;
        let from = moved?;
        let detail = match from {
            Some(from) => format!("{alias} from {from} to {version}"),
            None => format!("{alias} to {version}"),
        };
        self.record(principal, "model.promote", model.as_str(), &detail).await?;
        self.refresh_names().await?;
        switched?;
        Ok(Moved { from, to: version })
    }

    /// Undoes the last promotion of an alias. As with [`Self::promote`], the version is in memory before the alias moves;
    /// when somebody else moves the alias meanwhile, nothing has changed.
    pub(crate) async fn roll_back(
        &self,
        principal: &Principal,
        model: &ModelName,
        alias: &AliasName,
    ) -> Result<Moved, ApplicationError> {
        let rollback = self.registry().rollback_target(model, alias).await?;
        let (from, to) = (rollback.from, rollback.to);
        let reference = VersionRef { model: model.clone(), version: to };
        let prepared = self.serving().prepare(&reference).await?;
        let moved = self.registry().roll_back_to(model, alias, &rollback, &registry_actor(principal)).await;
        let switched = self.switch(alias, &reference, prepared, moved.is_ok()).await;
        moved?;
        self.record(principal, "model.rollback", model.as_str(), &format!("{alias} from {from} to {to}"))
            .await?;
        self.refresh_names().await?;
        switched?;
        Ok(Moved { from: Some(from), to })
    }

    /// Lets serving follow an alias that was to move to this version. What other aliases of the model need and cannot
    /// have is no fault of this move; serving writes it to the log.
    async fn switch(
        &self,
        alias: &AliasName,
        moved_to: &VersionRef,
        prepared: Prepared,
        has_moved: bool,
    ) -> Result<(), ServingError> {
        let serving = self.serving();
        if !has_moved {
            drop(prepared);
            serving.refresh(&moved_to.model).await?;
            return Ok(());
        }
        // Until the alias leads to it in memory too, others would evict it.
        let report = serving.refresh(&moved_to.model).await?;
        let found = serving.find(moved_to.model.as_str(), &Selector::Alias(alias.clone()));
        let leads_there = found.is_ok_and(|lease| lease.version() == moved_to.version);
        drop(prepared);
        if !leads_there {
            // Somebody has moved the alias on meanwhile, and could not let go of what was held here.
            serving.refresh(&moved_to.model).await?;
        }
        let own = report.failed.into_iter().find(|(version, _)| *version == moved_to.version);
        own.map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Removes an alias.
    pub(crate) async fn remove_alias(
        &self,
        principal: &Principal,
        model: &ModelName,
        alias: &AliasName,
    ) -> Result<(), ApplicationError> {
        self.registry().remove_alias(model, alias, &registry_actor(principal)).await?;
        self.serving().refresh(model).await?;
        self.refresh_names().await?;
        self.record(principal, "model.alias.remove", model.as_str(), alias.as_str()).await
    }

    /// Takes a version out of service for good.
    pub(crate) async fn archive(
        &self,
        principal: &Principal,
        model: &ModelName,
        version: VersionNumber,
    ) -> Result<(), ApplicationError> {
        self.registry().archive(model, version, &registry_actor(principal)).await?;
        self.serving().unload(&VersionRef { model: model.clone(), version }).await?;
        self.record(principal, "model.archive", model.as_str(), &format!("version {version}")).await
    }
}
