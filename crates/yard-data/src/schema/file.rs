//! A schema as a file that people edit: JSON, unknown keys refused.

use serde::{Deserialize, Serialize};

use super::{ColumnSpec, Domain, Schema};
use crate::error::DataError;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaFile {
    modelyard_schema: u32,
    columns: Vec<ColumnFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnFile {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    role: String,
    nullable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    levels: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    shape: Vec<usize>,
}

const VERSION: u32 = 1;

impl Schema {
    /// The schema as JSON text, to be kept or edited.
    pub fn to_json(&self) -> String {
        let columns = self.columns.iter().map(to_file).collect();
        let file = SchemaFile { modelyard_schema: VERSION, columns };
        // Strings, finite numbers and lists always have a JSON form.
        serde_json::to_string_pretty(&file).unwrap_or_default()
    }

    /// Reads what [`Schema::to_json`] wrote, and checks it.
    pub fn from_json(text: &str) -> Result<Self, DataError> {
        let file: SchemaFile = serde_json::from_str(text)
            .map_err(|error| DataError::Invalid { problem: format!("the schema cannot be read: {error}") })?;
        if file.modelyard_schema != VERSION {
            let found = file.modelyard_schema;
            let problem = format!("the schema has format {found}, this program reads format {VERSION}");
            return Err(DataError::Invalid { problem });
        }
        let columns = file.columns.into_iter().map(from_file).collect::<Result<_, _>>()?;
        let schema = Self { columns };
        schema.check()?;
        Ok(schema)
    }
}

fn to_file(column: &ColumnSpec) -> ColumnFile {
    let (min, max, levels) = match &column.domain {
        Domain::Any => (None, None, None),
        Domain::Range { min, max } => (Some(*min), Some(*max), None),
        Domain::Levels(levels) => (None, None, Some(levels.clone())),
    };
    ColumnFile {
        name: column.name.clone(),
        kind: column.kind.to_string(),
        role: column.role.to_string(),
        nullable: column.nullable,
        min,
        max,
        levels,
        shape: column.shape.clone(),
    }
}

fn from_file(column: ColumnFile) -> Result<ColumnSpec, DataError> {
    let domain = match (column.min, column.max, column.levels) {
        (None, None, None) => Domain::Any,
        (None, None, Some(levels)) => Domain::Levels(levels),
        (min, max, None) => {
            Domain::Range { min: min.unwrap_or(f64::NEG_INFINITY), max: max.unwrap_or(f64::INFINITY) }
        }
        _ => {
            let problem = format!("column `{}` has both a range and levels", column.name);
            return Err(DataError::Invalid { problem });
        }
    };
    Ok(ColumnSpec {
        kind: column.kind.parse()?,
        role: column.role.parse()?,
        name: column.name,
        nullable: column.nullable,
        domain,
        shape: column.shape,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{ColumnType, Role};
    use super::*;

    #[test]
    fn a_schema_is_read_as_it_was_written() {
        let column = |name: &str, kind, domain, shape: &[usize]| ColumnSpec {
            name: name.to_owned(),
            kind,
            role: Role::Feature,
            nullable: true,
            domain,
            shape: shape.to_vec(),
        };
        let schema = Schema {
            columns: vec![
                column("a", ColumnType::Number, Domain::Range { min: -1.5, max: 0.1 }, &[]),
                column("b", ColumnType::Category, Domain::Levels(vec!["x".to_owned()]), &[]),
                column("c", ColumnType::Image, Domain::Any, &[3, 2, 2]),
            ],
        };
        assert_eq!(Schema::from_json(&schema.to_json()).unwrap(), schema);
    }

    #[test]
    fn unknown_keys_and_types_are_refused() {
        let text = r#"{"modelyard_schema": 1, "columns": [{"name": "a", "type": "date", "role": "feature",
            "nullable": true}]}"#;
        assert!(Schema::from_json(text).unwrap_err().to_string().contains("`date`"));
        let text = text.replace("\"date\"", "\"text\", \"colour\": 1");
        assert!(Schema::from_json(&text).unwrap_err().to_string().contains("colour"));
    }
}
