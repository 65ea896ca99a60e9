//! `[features]`: how columns are prepared.

use crate::keys::{ANY, allowed_between};

spec_table! {
    /// How columns are prepared. What is learned for it comes from the training rows alone and becomes part of the
    /// model's graph, so that a served model takes raw columns.
    pub struct FeaturesSpec: Default {
        /// How numbers are scaled.
        numbers: NumberPreparation = (NumberPreparation::Standardize), "", ANY;
        /// What stands in for a missing number.
        missing_numbers: MissingNumbers = (MissingNumbers::Mean), "", ANY;
        /// How categories become numbers.
        categories: CategoryPreparation = (CategoryPreparation::OneHot), "", ANY;
        /// Most categories of one column. A column with more is refused: it is a text or an identifier.
        max_categories: usize = 1000, "categories", allowed_between(1.0, 1_000_000.0);
        /// How a label that is a number is scaled for linear regression and networks. Predictions, losses and figures
        /// are in the label's own unit all the same.
        label: LabelPreparation = (LabelPreparation::Standardize), "", ANY;
        /// How the model takes its inputs.
        inputs: InputsLayout = (InputsLayout::Auto), "", ANY;
    }
}

spec_choice! {
    /// How numbers are scaled.
    pub enum NumberPreparation {
        /// To mean 0 and deviation 1.
        Standardize = "standardize",
        /// To the range from 0 to 1.
        MinMax = "min_max",
        /// Not at all.
        None = "none",
    }
}

spec_choice! {
    /// What stands in for a missing number.
    pub enum MissingNumbers {
        /// The mean of the column.
        Mean = "mean",
        /// The median of the column.
        Median = "median",
        /// Zero, before scaling.
        Zero = "zero",
        /// Nothing: a missing number is an error.
        Refuse = "refuse",
    }
}

spec_choice! {
    /// How categories become numbers.
    pub enum CategoryPreparation {
        /// One number for each category, 1 for the one that is there. A missing or unseen category is all zeros.
        OneHot = "one_hot",
    }
}

spec_choice! {
    /// How a label that is a number is scaled.
    pub enum LabelPreparation {
        /// To mean 0 and deviation 1; the model scales back. A network that ends in an activation learns the label as it is.
        Standardize = "standardize",
        /// Not at all.
        None = "none",
    }
}

spec_choice! {
    /// How the model takes its inputs.
    pub enum InputsLayout {
        /// One matrix where every feature is a number, else one input for each column.
        Auto = "auto",
        /// One matrix. Every feature must be a number.
        Matrix = "matrix",
        /// One input for each column, called as the column.
        Columns = "columns",
    }
}
