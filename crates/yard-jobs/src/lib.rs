//! Jobs: their states, which one runs next, leases and progress.
