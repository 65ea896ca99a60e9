//! Preparation of raw columns, fitted on the training split, applied to a table and written into a graph.
