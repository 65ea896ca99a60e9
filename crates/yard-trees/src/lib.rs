//! Decision trees and gradient boosting over histograms.
