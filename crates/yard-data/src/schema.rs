//! What each column is: its type, its role, what may stand in it.

use std::collections::BTreeSet;

use crate::error::DataError;

mod file;

/// The columns of a data set, in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Schema {
    /// In the order of the data; names differ.
    pub columns: Vec<ColumnSpec>,
}

/// What is expected of one column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnSpec {
    /// As it stands in the data.
    pub name: String,
    /// How its values are read.
    pub kind: ColumnType,
    /// What it is for.
    pub role: Role,
    /// Whether values may be missing.
    pub nullable: bool,
    /// Which values are expected.
    pub domain: Domain,
    /// Of one row of an image or tensor, outermost first; empty otherwise.
    pub shape: Vec<usize>,
}

/// How the values of a column are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// A number; Arrow `Float64`.
    Number,
    /// One of some names; Arrow `Utf8`.
    Category,
    /// Words; Arrow `Utf8`.
    Text,
    /// A block of numbers, the same shape in every row; Arrow `FixedSizeList<Float32>`. Pixels keep the values of the
    /// file: 0 to 255 for 8 bits.
    Image,
}

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Learned from.
    Feature,
    /// To be foretold.
    Label,
    /// Left out.
    Ignore,
}

/// Which values are expected.
#[derive(Debug, Clone, PartialEq)]
pub enum Domain {
    /// Any of the type.
    Any,
    /// Numbers from one to another, both included.
    Range {
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
    },
    /// These names, sorted by [`sort_levels`].
    Levels(Vec<String>),
}

impl Schema {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&ColumnSpec> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// As [`Schema::column`]; the error names the columns that there are.
    pub fn require(&self, name: &str) -> Result<&ColumnSpec, DataError> {
        self.column(name)
            .ok_or_else(|| DataError::NoSuchColumn { column: name.to_owned(), available: self.names() })
    }

    /// The column to be foretold, where there is one.
    pub fn label(&self) -> Option<&ColumnSpec> {
        self.columns.iter().find(|column| column.role == Role::Label)
    }

    /// The columns to learn from.
    pub fn features(&self) -> impl Iterator<Item = &ColumnSpec> {
        self.columns.iter().filter(|column| column.role == Role::Feature)
    }

    /// The names in their order.
    pub fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// Whether names differ, at most one column is the label and shapes go with types.
    pub fn check(&self) -> Result<(), DataError> {
        let invalid = |problem: String| Err(DataError::Invalid { problem });
        let mut seen = BTreeSet::new();
        for column in &self.columns {
            if !seen.insert(&column.name) {
                return invalid(format!("the schema names the column `{}` twice", column.name));
            }
            let has_shape = !column.shape.is_empty() && !column.shape.contains(&0);
            if (column.kind == ColumnType::Image) != has_shape {
                return invalid(format!(
                    "column `{}`: an image needs a shape without zeros, other types have none",
                    column.name
                ));
            }
            if column.kind == ColumnType::Image && column.role == Role::Label {
                return invalid(format!("column `{}`: an image cannot be the label", column.name));
            }
        }
        if self.columns.iter().filter(|column| column.role == Role::Label).count() > 1 {
            return invalid("the schema has more than one label".to_owned());
        }
        Ok(())
    }
}

/// Sorts the names of categories: as numbers where all are whole numbers, else by their bytes.
pub fn sort_levels(levels: &mut [String]) {
    let whole = |level: &String| level.parse::<i64>().ok().filter(|number| number.to_string() == *level);
    if levels.iter().all(|level| whole(level).is_some()) {
        levels.sort_by_key(|level| whole(level));
    } else {
        levels.sort_unstable();
    }
}

macro_rules! words {
    ($type:ty, $what:literal, $($word:literal => $variant:path),+) => {
        impl $type {
            /// As it stands in files.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($variant => $word),+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::DataError;

            fn from_str(text: &str) -> Result<Self, $crate::DataError> {
                match text {
                    $($word => Ok($variant),)+
                    _ => Err($crate::DataError::Invalid {
                        problem: format!("`{text}` is no {}; there are: {}", $what, [$($word),+].join(", ")),
                    }),
                }
            }
        }
    };
}
pub(crate) use words;

words!(ColumnType, "type of a column", "number" => ColumnType::Number, "category" => ColumnType::Category,
    "text" => ColumnType::Text, "image" => ColumnType::Image);
words!(Role, "role of a column", "feature" => Role::Feature, "label" => Role::Label, "ignore" => Role::Ignore);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_sorting(levels: &[&str], expected: &[&str]) {
        let mut levels: Vec<String> = levels.iter().map(|level| (*level).to_owned()).collect();
        sort_levels(&mut levels);
        assert_eq!(levels, expected);
    }

    #[test]
    fn levels_are_sorted_as_numbers_only_where_all_are_whole_numbers() {
        check_sorting(&["10", "9", "-1"], &["-1", "9", "10"]);
        check_sorting(&["10", "9", "x"], &["10", "9", "x"]);
        check_sorting(&["10", "09"], &["09", "10"]);
        check_sorting(&["b", "a"], &["a", "b"]);
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for kind in [ColumnType::Number, ColumnType::Category, ColumnType::Text, ColumnType::Image] {
            assert_eq!(kind.to_string().parse::<ColumnType>().unwrap(), kind);
        }
        let message = "label2".parse::<Role>().unwrap_err().to_string();
        assert_eq!(message, "`label2` is no role of a column; there are: feature, label, ignore");
    }
}
