//! The child process in which jobs run.

fn main() {}
