//! How access control refuses and fails.

use yard_types::{Coded, ErrorCode, ModelName};

use crate::{AccessStoreError, KeyId, Permission, RateLimited, Role, TokensExhausted};

/// Why a request was refused or a key was not changed.
///
/// The messages are for the caller. They never hold a secret, and do not tell a wrong secret from a key that is not
/// there.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// No key came with the request.
    #[error("an API key is needed: send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'")]
    NoKey,
    /// Malformed, unknown or with a wrong secret.
    #[error("the API key is not valid")]
    InvalidKey,
    /// The key is past its time.
    #[error("the API key has expired: ask for a new one")]
    ExpiredKey,
    /// The key was revoked.
    #[error("the API key was revoked: ask for a new one")]
    RevokedKey,
    /// The role does not allow it.
    #[error("a key with the role '{role}' may not {}", permission.action())]
    Forbidden {
        /// The role of the key.
        role: Role,
        /// What it wanted.
        permission: Permission,
    },
    /// The key may not use this name for a model or a data set of its own. Says nothing about whether there is one.
    #[error("this key may not use the name '{0}'")]
    NameNotAllowed(ModelName),
    /// The key may not see the model, which is to look as if there were none.
    #[error("model '{0}' is not found")]
    UnknownModel(ModelName),
    /// The key has used up its rate.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// The key has too few tokens left.
    #[error(transparent)]
    TokensExhausted(#[from] TokensExhausted),
    /// The key cannot be made as asked.
    #[error("{0}")]
    BadRequest(&'static str),
    /// There are as many keys as there may be.
    #[error("there are {0} keys already, which is the most there may be")]
    TooManyKeys(usize),
    /// There is no such key.
    #[error("key '{0}' is not found")]
    UnknownKey(KeyId),
    /// The key cannot be changed, since it was revoked.
    #[error("key '{0}' was revoked before")]
    AlreadyRevoked(KeyId),
    /// Nobody could manage the server any more.
    #[error("key '{0}' is the last admin key: create another before you revoke it")]
    LastAdmin(KeyId),
    /// The system gave no random bits.
    #[error("no random bits could be had for a key")]
    Random(#[source] getrandom::Error),
    /// The first admin key could not be kept where its owner finds it.
    #[error("the admin key could not be written")]
    KeepAdminKey(#[source] std::io::Error),
    /// Storing or reading rows failed.
    #[error("the metadata store failed")]
    Store(#[source] AccessStoreError),
}

impl From<AccessStoreError> for AccessError {
    fn from(error: AccessStoreError) -> Self {
        match error {
            AccessStoreError::Missing(id) => Self::UnknownKey(id),
            AccessStoreError::Revoked(id) => Self::AlreadyRevoked(id),
            AccessStoreError::LastAdmin(id) => Self::LastAdmin(id),
            AccessStoreError::Taken(_) | AccessStoreError::Backend(_) => Self::Store(error),
        }
    }
}

impl Coded for AccessError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoKey | Self::InvalidKey | Self::ExpiredKey | Self::RevokedKey => {
                ErrorCode::Unauthenticated
            }
            Self::Forbidden { .. } | Self::NameNotAllowed(_) => ErrorCode::PermissionDenied,
            Self::UnknownModel(_) | Self::UnknownKey(_) => ErrorCode::NotFound,
            // Waiting does not make a request smaller.
            Self::TokensExhausted(exhausted) if exhausted.never_fits() => ErrorCode::InvalidArgument,
            Self::BadRequest(_) => ErrorCode::InvalidArgument,
            Self::RateLimited(_) | Self::TokensExhausted(_) => ErrorCode::RateLimited,
            Self::TooManyKeys(_) | Self::AlreadyRevoked(_) | Self::LastAdmin(_) => ErrorCode::Conflict,
            Self::Random(_) | Self::KeepAdminKey(_) | Self::Store(_) => ErrorCode::Internal,
        }
    }
}
