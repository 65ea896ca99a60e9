//! A model that is loaded, and what can be asked of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use yard_worker::{
    Request,
    language::{
        DECODE, DecodeRequest, DecodeResponse, EMBED, ENCODE, EmbedRequest, EmbedResponse, Embedding,
        EncodeRequest, EncodeResponse, GENERATE, GenerateRequest, Loaded, STATS, StatsRequest, StatsResponse,
        decode_response, embed_response, encode_response,
    },
};

use crate::{
    Answer, LanguageCounts, LanguageError,
    metrics::{Counted, LanguageMetrics},
    shares::Shares,
    supervisor::Supervisor,
};

/// Longest time for what no model computes: texts, templates and counts.
const SHORT_WORK: Duration = Duration::from_secs(60);
/// How long it is waited for that the process of a model is gone.
const GONE_WITHIN: Duration = Duration::from_secs(5);
/// Longest time for an embedding, if its request names none.
const EMBEDDING: Duration = Duration::from_secs(600);

/// What is known of a model that is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// How it calls functions, by the name of the format; empty without a chat template.
    pub tool_format: String,
}

/// A model that is loaded. Its process is ended when this is dropped and its last call has ended.
#[derive(Debug)]
pub struct LanguageModel {
    facts: ModelFacts,
    supervisor: Supervisor,
    shares: Shares,
    metrics: Arc<LanguageMetrics>,
}

impl ModelFacts {
    pub(crate) fn of(loaded: &Loaded) -> Self {
        Self {
            longest: loaded.longest,
            vocabulary: loaded.vocabulary,
            width: loaded.width,
            weight_bytes: loaded.weight_bytes,
            threads: loaded.threads,
            has_chat_template: loaded.has_chat_template,
            tool_format: loaded.tool_format.clone(),
        }
    }
}

impl LanguageModel {
    /// One tenant has half of `calls` at most.
    pub(crate) fn new(facts: ModelFacts, supervisor: Supervisor, calls: usize) -> Self {
        let shares = Shares::new(calls.div_ceil(2));
        Self { facts, supervisor, shares, metrics: Arc::new(LanguageMetrics::new()) }
    }

    /// Ends its process for good and waits until it is gone, some seconds at most. To be called on a thread that may block.
    pub(crate) fn stop(&self) {
        if !self.supervisor.stop(GONE_WITHIN) {
            tracing::warn!("the process of a language model was told to end and is not gone yet");
        }
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

    /// What was counted of its answers.
    #[must_use]
    pub fn counts(&self) -> LanguageCounts {
        self.metrics.counts()
    }

    /// What its process said last of what it does and holds: some seconds old while it has work, older while a step takes
    /// long. `None` while the process does not run, or has said nothing yet. Asks and waits for nothing.
    #[must_use]
    pub fn last_stats(&self) -> Option<StatsResponse> {
        self.supervisor.stats()
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
    /// Too many are under way, of all or of this tenant, or the process is not there. What the model thinks of the request comes as the answer.
    pub fn generate(&self, request: &GenerateRequest) -> Result<Answer, LanguageError> {
        let mut counted =
            Counted::begin(Arc::clone(&self.metrics), request.prompt.len() as u64, Instant::now());
        let tenant = request.terms.as_ref().map_or("", |terms| terms.tenant.as_str());
        let begun = self.shares.take(tenant).and_then(|share| {
            let call = self.supervisor.worker()?.begin(Request::new(GENERATE, request))?;
            Ok((call, share))
        });
        match begun {
            Ok((call, share)) => Ok(Answer::new(call, share, counted)),
            Err(error) => {
                counted.failed(&error);
                Err(error)
            }
        }
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
        let tenant = request.terms.as_ref().map_or("", |terms| terms.tenant.as_str());
        // It lasts as long as an answer may, so it takes a place of those.
        let _share = self.shares.take(tenant)?;
        let call = self.supervisor.worker()?.begin(Request::new(EMBED, request))?;
        let answer = call.answer_within(limit).await?;
        match answer.decode::<EmbedResponse>()?.outcome {
            Some(embed_response::Outcome::Embedding(embedding)) => {
                self.metrics.embedded(&embedding.usage.unwrap_or_default());
                Ok(embedding)
            }
            Some(embed_response::Outcome::Refused(refusal)) => Err(refusal.into()),
            None => Err(LanguageError::Nonsense),
        }
    }

    /// What the model has done and what it holds, asked of its process now.
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
