//! What is to be trained, said in TOML or JSON: the specification, its defaults and what can be checked before data is read.
