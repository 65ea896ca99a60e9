//! A model that is loaded, and what can be asked of it.

use std::time::Duration;

use yard_worker::{
    Request,
    language::{
        DECODE, DecodeRequest, DecodeResponse, EMBED, ENCODE, EmbedRequest, EmbedResponse, Embedding,
        EncodeRequest, EncodeResponse, GENERATE, GenerateRequest, Loaded, STATS, StatsRequest, StatsResponse,
        decode_response, embed_response, encode_response,
    },
};

use crate::{Answer, LanguageError, supervisor::Supervisor};

/// Longest time for what no model computes: texts, templates and counts.
const SHORT_WORK: Duration = Duration::from_secs(60);
/// Longest time for an embedding, if its request names none.
const EMBEDDING: Duration = Duration::from_secs(600);

/// What is known of a model that is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelFacts {
    /// Longest sequence of prompt and answer, in tokens.
    pub longest: u64,
    /// Tokens there are.
    pub vocabulary: u64,
    /// Values of an embedding.
    pub width: u64,
    /// Bytes of its weights.
    pub weight_bytes: u64,
    /// Threads that compute.
    pub threads: u32,
    /// Whether chats can be written for it.
    pub has_chat_template: bool,
}

/// A model that is loaded. Its process is ended when this is dropped and its last call has ended.
#[derive(Debug)]
pub struct LanguageModel {
    facts: ModelFacts,
    supervisor: Supervisor,
}

impl ModelFacts {
    pub(crate) const fn of(loaded: &Loaded) -> Self {
        Self {
            longest: loaded.longest,
            vocabulary: loaded.vocabulary,
            width: loaded.width,
            weight_bytes: loaded.weight_bytes,
            threads: loaded.threads,
            has_chat_template: loaded.has_chat_template,
        }
    }
}

impl LanguageModel {
    pub(crate) const fn new(facts: ModelFacts, supervisor: Supervisor) -> Self {
        Self { facts, supervisor }
    }

    /// What is known of it.
    #[must_use]
    pub const fn facts(&self) -> &ModelFacts {
        &self.facts
    }

    /// Whether its process runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.supervisor.worker().is_ok()
    }

    /// How often its process was started again.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.supervisor.restarts()
    }

    /// The process id of its process, while it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.supervisor.worker().ok()?.process_id()
    }

    /// A text or a chat in tokens.
    ///
    /// # Errors
    ///
    /// The template refuses the chat, too many texts wait, or the process is not there.
    pub async fn encode(&self, request: &EncodeRequest) -> Result<Vec<u32>, LanguageError> {
        let answer = self.supervisor.worker()?.call(Request::new(ENCODE, request), SHORT_WORK).await?;
        match answer.decode::<EncodeResponse>()?.outcome {
            Some(encode_response::Outcome::Tokens(tokens)) => Ok(tokens.tokens),
            Some(encode_response::Outcome::Refused(refusal)) => Err(refusal.into()),
            None => Err(LanguageError::Nonsense),
        }
    }

    /// Tokens as a text.
    ///
    /// # Errors
    ///
    /// Too many texts wait, or the process is not there.
    pub async fn decode(&self, request: &DecodeRequest) -> Result<String, LanguageError> {
        let answer = self.supervisor.worker()?.call(Request::new(DECODE, request), SHORT_WORK).await?;
        match answer.decode::<DecodeResponse>()?.outcome {
            Some(decode_response::Outcome::Text(text)) => Ok(text),
            Some(decode_response::Outcome::Refused(refusal)) => Err(refusal.into()),
            None => Err(LanguageError::Nonsense),
        }
    }

    /// Begins an answer.
    ///
    /// # Errors
    ///
    /// Too many are under way, or the process is not there. What the model thinks of the request comes as the answer.
    pub fn generate(&self, request: &GenerateRequest) -> Result<Answer, LanguageError> {
        Ok(Answer::new(self.supervisor.worker()?.begin(Request::new(GENERATE, request))?))
    }

    /// A text as a row of numbers.
    ///
    /// # Errors
    ///
    /// The model refuses the request, or the process is not there.
    pub async fn embed(&self, request: &EmbedRequest) -> Result<Embedding, LanguageError> {
        let asked = request.terms.as_ref().and_then(|terms| terms.deadline_milliseconds);
        // The model itself keeps to the deadline; a little later its process counts as lost for this call.
        let limit = asked.map_or(EMBEDDING, |asked| Duration::from_millis(asked) + SHORT_WORK);
        let answer = self.supervisor.worker()?.call(Request::new(EMBED, request), limit).await?;
        match answer.decode::<EmbedResponse>()?.outcome {
            Some(embed_response::Outcome::Embedding(embedding)) => Ok(embedding),
            Some(embed_response::Outcome::Refused(refusal)) => Err(refusal.into()),
            None => Err(LanguageError::Nonsense),
        }
    }

    /// What the model has done and what it holds.
    ///
    /// # Errors
    ///
    /// The process is not there.
    pub async fn stats(&self) -> Result<StatsResponse, LanguageError> {
        let answer =
            self.supervisor.worker()?.call(Request::new(STATS, &StatsRequest {}), SHORT_WORK).await?;
        Ok(answer.decode()?)
    }
}
