"""Builds the models and reference outputs that the Rust tests compare themselves with."""
