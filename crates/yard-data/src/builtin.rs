//! Data sets that come with the program: five real ones, four made by a formula.

use std::io::Cursor;

use crate::batches::{BatchReader, ReadLimits};
use crate::bytes;
use crate::error::DataError;
use crate::formats::csv::CsvReader;
use crate::schema::words;

mod synthetic;

/// A data set that needs no file. The column to be foretold is always `label`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Builtin {
    /// Handwritten digits, 8x8 pixels from 0 to 16; 1,797 rows, 10 classes.
    Digits,
    /// Three kinds of iris by four measures; 150 rows.
    Iris,
    /// Malignant and benign tumours by 30 measures; 569 rows.
    BreastCancer,
    /// Three growers of wine by 13 measures; 178 rows.
    Wine,
    /// Progress of diabetes after a year by 10 measures; 442 rows, regression.
    Diabetes,
    /// Made by a formula: 100 numbers, 10 classes, 2,000 rows.
    SyntheticClassification,
    /// Made by a formula: 10 numbers, a linear relation with noise, 1,000 rows, regression.
    SyntheticRegression,
    /// Made by a formula: coloured stripes of 3x32x32 values from 0 to 1, 10 classes, 1,000 rows.
    SyntheticImages,
    /// Made from a list of words, by no human: sentences on three subjects, 1,200 rows.
    SyntheticText,
}

words!(Builtin, "built-in data set", "digits" => Builtin::Digits, "iris" => Builtin::Iris,
    "breast-cancer" => Builtin::BreastCancer, "wine" => Builtin::Wine, "diabetes" => Builtin::Diabetes,
    "synthetic-classification" => Builtin::SyntheticClassification,
    "synthetic-regression" => Builtin::SyntheticRegression, "synthetic-images" => Builtin::SyntheticImages,
    "synthetic-text" => Builtin::SyntheticText);

impl Builtin {
    /// Every one, in the order of their declaration.
    pub const ALL: [Self; 9] = [
        Self::Digits,
        Self::Iris,
        Self::BreastCancer,
        Self::Wine,
        Self::Diabetes,
        Self::SyntheticClassification,
        Self::SyntheticRegression,
        Self::SyntheticImages,
        Self::SyntheticText,
    ];

    /// Where the data are from, in one line.
    pub const fn origin(self) -> &'static str {
        match self {
            Self::Digits => "E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, CC BY 4.0",
            Self::Iris => "R. A. Fisher, 1936; UCI Machine Learning Repository, CC BY 4.0",
            Self::BreastCancer => {
                "W. Wolberg, O. Mangasarian, N. Street and W. Street; UCI Machine Learning Repository, CC BY 4.0"
            }
            Self::Wine => "S. Aeberhard and M. Forina; UCI Machine Learning Repository, CC BY 4.0",
            Self::Diabetes => {
                "B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, Least Angle Regression, 2004"
            }
            Self::SyntheticClassification
            | Self::SyntheticRegression
            | Self::SyntheticImages
            | Self::SyntheticText => "synthetic: made by Modelyard, not observed",
        }
    }

    /// What is committed, if anything is.
    const fn embedded(self) -> Option<&'static [u8]> {
        match self {
            Self::Digits => Some(include_bytes!("../data/digits.csv.gz")),
            Self::Iris => Some(include_bytes!("../data/iris.csv.gz")),
            Self::BreastCancer => Some(include_bytes!("../data/breast-cancer.csv.gz")),
            Self::Wine => Some(include_bytes!("../data/wine.csv.gz")),
            Self::Diabetes => Some(include_bytes!("../data/diabetes.csv.gz")),
            _ => None,
        }
    }

    /// Bytes that change when the data do: the file, or name and version of the formula.
    pub(crate) fn identity(self) -> Vec<u8> {
        match self.embedded() {
            Some(content) => content.to_vec(),
            None => format!("{self} {}", synthetic::VERSION).into_bytes(),
        }
    }

    pub(crate) fn open(self, limits: &ReadLimits) -> Result<Box<dyn BatchReader>, DataError> {
        let Some(content) = self.embedded() else {
            return Ok(Box::new(synthetic::SyntheticReader::new(self, limits)));
        };
        let content = bytes::unfold(Box::new(Cursor::new(content)), limits.unfolded_bytes)
            .map_err(|error| DataError::read(self.as_str(), error))?;
        Ok(Box::new(CsvReader::new(content, self.to_string(), limits)?))
    }
}
