//! What every [`RegistryStore`](crate::RegistryStore) must do. `registry_store_suite!` makes a test of each function.
