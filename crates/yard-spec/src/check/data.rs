//! Sources, columns and splits.

use crate::{
    error::SpecError,
    spec::{ColumnRole, DataSpec, TrainingSpec},
};

pub(super) fn check_data(data: &DataSpec) -> Result<(), SpecError> {
    data.source()?;
    if let Some(test) = &data.test {
        test.source()?;
    }
    if let Some(label) = &data.label
        && data.ignore.contains(label)
    {
        let problem = format!("'{label}' is the label and cannot be left out: remove it from one of the two");
        return Err(SpecError::contradiction("data.ignore", problem));
    }
    let mut label = data.label.as_deref();
    for (name, column) in &data.columns {
        let path = format!("data.columns.{name}.role");
        if column.role == Some(ColumnRole::Label) {
            if let Some(label) = label.filter(|label| label != name) {
                let problem = format!("'{label}' is the label already: a model predicts one column");
                return Err(SpecError::contradiction(&path, problem));
            }
            label = Some(name);
        } else if column.role.is_some() && data.label.as_deref() == Some(name) {
            let problem = format!("'{name}' is the label by data.label: remove one of the two");
            return Err(SpecError::contradiction(&path, problem));
        }
        let used = matches!(column.role, Some(ColumnRole::Feature | ColumnRole::Label));
        if used && data.ignore.contains(name) {
            let problem = format!("'{name}' is left out by data.ignore: remove one of the two");
            return Err(SpecError::contradiction(&path, problem));
        }
    }
    Ok(())
}

pub(super) fn check_split(spec: &TrainingSpec) -> Result<(), SpecError> {
    let split = &spec.split;
    let shares = format!("train = {}, validation = {}, test = {}", split.train, split.validation, split.test);
    if spec.data.test.is_some() && split.test > 0.0 {
        let problem =
            "data.test is the held-out set: set this to 0, and train and validation so that they sum to 1";
        return Err(SpecError::contradiction("split.test", problem));
    }
    let sum = split.train + split.validation + split.test;
    if (sum - 1.0).abs() > 1e-6 {
        let problem = format!("the shares must sum to 1, not {:.6} ({shares})", sum);
        return Err(SpecError::contradiction("split", problem));
    }
    if split.train <= 0.0 {
        return Err(SpecError::contradiction(
            "split.train",
            format!("nothing is left to learn from ({shares})"),
        ));
    }
    if split.folds == 1 {
        let problem =
            "one fold cannot be compared with anything: use 0 for no cross-validation, or 2 and more";
        return Err(SpecError::contradiction("split.folds", problem));
    }
    if spec.training.early_stopping.is_some() && split.validation <= 0.0 {
        let problem = "early stopping watches the validation rows, of which there are none: set a share, or remove \
                       training.early_stopping";
        return Err(SpecError::contradiction("split.validation", problem));
    }
    if spec.search.is_some() && split.validation <= 0.0 && split.folds == 0 {
        let problem = "a search compares trials on the validation rows, of which there are none: set a share";
        return Err(SpecError::contradiction("split.validation", problem));
    }
    Ok(())
}
