//! What an engine tells of itself.

/// Counts since the engine was made, and what it holds now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EngineStats {
    /// Requests that run.
    pub running: usize,
    /// Requests that wait.
    pub waiting: usize,
    /// Pages of keys and values.
    pub pages: usize,
    /// Pages with nothing in them.
    pub free_pages: usize,
    /// Pages kept for requests to come.
    pub kept_pages: usize,
    /// Those of them that no request holds.
    pub idle_pages: usize,
    /// Steps that were run.
    pub steps: u64,
    /// Tokens of prompts that were run, those run again included.
    pub read_tokens: u64,
    /// Tokens of prompts that were known.
    pub cached_tokens: u64,
    /// Tokens that were chosen.
    pub written_tokens: u64,
    /// Tokens that were guessed and run.
    pub guessed_tokens: u64,
    /// Those of them that were right.
    pub right_guesses: u64,
    /// Times that a request lost its pages.
    pub preemptions: u64,
    /// Requests that have ended.
    pub ended: u64,
}
