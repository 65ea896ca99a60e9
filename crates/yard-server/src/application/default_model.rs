//! Which model a request means that names none.

use yard_access::{Principal, Visibility};
use yard_types::{Coded, ErrorCode, ModelName};

/// Most names that the refusal shows.
const MAX_SHOWN: usize = 20;

/// It cannot be said which model is meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoDefaultModel {
    #[error("there is no model yet that takes rows: push one first")]
    NoModels,
    #[error("the request names no model, and there are several: use /models/NAME/predict with one of {0}")]
    Several(String),
}

impl Coded for NoDefaultModel {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }
}

/// The configured model, else the only one, of those that the principal may see: a name that it may not see is not told.
pub(crate) fn choose(
    configured: Option<&ModelName>,
    names: &[ModelName],
    principal: &Principal,
) -> Result<ModelName, NoDefaultModel> {
    let is_visible = |name: &&ModelName| principal.visibility(name.as_str()) == Visibility::Visible;
    if let Some(configured) = configured.filter(is_visible) {
        return Ok(configured.clone());
    }
    let mut visible = names.iter().filter(is_visible);
    match (visible.next(), visible.next()) {
        (None, _) => Err(NoDefaultModel::NoModels),
        (Some(only), None) => Ok(only.clone()),
        (Some(_), Some(_)) => {
            let all: Vec<&str> = names.iter().filter(is_visible).map(ModelName::as_str).collect();
            let mut shown = all[..all.len().min(MAX_SHOWN)].join(", ");
            if all.len() > MAX_SHOWN {
                shown.push_str(", ...");
            }
            Err(NoDefaultModel::Several(shown))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configured_model_wins_and_a_single_one_is_meant() {
        let principal = Principal::without_keys();
        let names: Vec<ModelName> = ["a", "b"].iter().map(|name| name.parse().unwrap()).collect();
        assert_eq!(choose(Some(&names[1]), &names, &principal), Ok(names[1].clone()));
        assert_eq!(choose(None, &names[..1], &principal), Ok(names[0].clone()));
        assert_eq!(choose(None, &[], &principal), Err(NoDefaultModel::NoModels));
        let refusal = choose(None, &names, &principal).unwrap_err();
        assert!(refusal.to_string().ends_with("one of a, b"), "{refusal}");
    }
}
