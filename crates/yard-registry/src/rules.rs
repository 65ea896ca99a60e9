//! The rules as pure functions: data in, decision out.

mod file_kind;
mod package;
mod rollback;

pub(crate) use file_kind::{HEAD_BYTES, refused_by_content, refused_by_name};
pub use package::package_digest;
pub(crate) use package::{collision, find_model_file, room_for};
pub(crate) use rollback::{RollbackTarget, rollback_target};
