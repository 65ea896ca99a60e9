//! How keys are declared, read, written and described.
//!
//! [`spec_table!`] declares a table of keys, [`spec_choice!`] a closed list of words and [`spec_kinds!`] a table whose
//! further keys depend on one of them. A key cannot be declared without a documentation comment, a default (or
//! `required`, or `none`), a unit and the range it allows: the macros do not match otherwise.

#[macro_use]
mod macros;
mod allowed;
mod field;
mod reader;

pub(crate) use allowed::{ANY, Allowed, NOT_NEGATIVE, POSITIVE, SHARE, allowed_between};
pub(crate) use field::{ChoiceDoc, Field, KeyDoc, Section, Table, found};
pub(crate) use reader::TableReader;
