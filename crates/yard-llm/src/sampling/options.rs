//! What a request may ask for.

use crate::TokenId;

const MOST_BIASES: usize = 1024;
const MOST_LOG_PROBABILITIES: u32 = 20;

/// How tokens are chosen. The default draws from the model's own distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingOptions {
    /// Above 1 chooses more freely, below 1 more strictly; 0 takes the best token: 0 to 100.
    pub temperature: f32,
    /// Only so many tokens are drawn from; 0 for all.
    pub top_k: u32,
    /// Only the most probable tokens are drawn from, as many as together have this probability: above 0, to 1.
    pub top_p: f32,
    /// Only tokens are drawn from that are at least this probable, compared with the best: 0 to 1.
    pub min_p: f32,
    /// Divides the logits of tokens in the prompt and the answer, or multiplies them below 0: 0.01 to 100, 1 for none.
    pub repetition_penalty: f32,
    /// Subtracted from the logits of tokens in the answer: -100 to 100.
    pub presence_penalty: f32,
    /// Subtracted from the logits of tokens in the answer for each time they are in it: -100 to 100.
    pub frequency_penalty: f32,
    /// Added to the logits of tokens: at most 1,024, each -100 to 100.
    pub logit_bias: Vec<(TokenId, f32)>,
    /// Decides all draws.
    pub seed: u64,
    /// If the probabilities of chosen tokens are wanted: with how many of the most probable ones, 0 to 20.
    pub log_probabilities: Option<u32>,
}

impl Default for SamplingOptions {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: Vec::new(),
            seed: 0,
            log_probabilities: None,
        }
    }
}

/// Why no token can be chosen.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SamplingError {
    /// An option is out of its range.
    #[error("{field} is {value}, not {range}")]
    Option {
        /// The option's name.
        field: &'static str,
        /// What was asked for.
        value: String,
        /// What may be asked for.
        range: &'static str,
    },
    /// A bias for a token that the model does not have.
    #[error("logit_bias names token {token}, beyond a vocabulary of {vocabulary} tokens")]
    BiasedToken {
        /// The token.
        token: TokenId,
        /// How many there are.
        vocabulary: usize,
    },
    /// The model computed something that is no probability.
    #[error("the logit of token {token} is {logit}")]
    Logit {
        /// The first such token.
        token: usize,
        /// Its logit.
        logit: f32,
    },
    /// Every token is impossible or forbidden.
    #[error("no token is possible")]
    NothingPossible,
}

impl SamplingOptions {
    /// Whether all options are in their ranges.
    ///
    /// # Errors
    ///
    /// One is not: the first that is not is named.
    pub fn check(&self) -> Result<(), SamplingError> {
        const PENALTY: &str = "between -100 and 100";
        within(
            "temperature",
            self.temperature,
            "between 0 and 100",
            (0.0..=100.0).contains(&self.temperature),
        )?;
        within("top_p", self.top_p, "above 0 and at most 1", self.top_p > 0.0 && self.top_p <= 1.0)?;
        within("min_p", self.min_p, "between 0 and 1", (0.0..=1.0).contains(&self.min_p))?;
        let repetition = self.repetition_penalty;
        within(
            "repetition_penalty",
            repetition,
            "between 0.01 and 100",
            (0.01..=100.0).contains(&repetition),
        )?;
        for (field, penalty) in
            [("presence_penalty", self.presence_penalty), ("frequency_penalty", self.frequency_penalty)]
        {
            within(field, penalty, PENALTY, (-100.0..=100.0).contains(&penalty))?;
        }
        let biases = self.logit_bias.len();
        within("the number of tokens in logit_bias", biases, "at most 1024", biases <= MOST_BIASES)?;
        for (_, bias) in &self.logit_bias {
            within("a bias in logit_bias", bias, PENALTY, (-100.0..=100.0).contains(bias))?;
        }
        let wanted = self.log_probabilities.unwrap_or(0);
        within("log_probabilities", wanted, "at most 20", wanted <= MOST_LOG_PROBABILITIES)
    }
}

fn within(
    field: &'static str,
    value: impl std::fmt::Display,
    range: &'static str,
    is_within: bool,
) -> Result<(), SamplingError> {
    if is_within { Ok(()) } else { Err(SamplingError::Option { field, value: value.to_string(), range }) }
}
