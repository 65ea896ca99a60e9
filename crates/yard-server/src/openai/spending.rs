//! What a request spends of its key's tokens.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use yard_access::TokenReservation;
use yard_language::Answer;
use yard_types::ModelName;

use super::target::Target;
use crate::{clock, dispatch::OwnedCall, failure::Failure};

/// The answers of a request, and what they spend.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) all: Vec<Answer>,
    pub(super) spending: Arc<Spending>,
}

/// Tokens that are held for a request. What it has used when this is dropped is booked, and the rest is free again: a
/// client that leaves pays for what was written.
#[derive(Debug)]
pub(super) struct Spending {
    reservation: TokenReservation,
    /// Of all prompts, each once.
    prompts: u64,
    read: AtomicU64,
    written: AtomicU64,
}

impl Answers {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}

impl Spending {
    /// Holds tokens for prompts of so many tokens in all, and for as many of the answers.
    pub(super) fn reserve(
        call: &OwnedCall,
        target: &Target,
        prompts: u64,
        answers: u64,
    ) -> Result<Arc<Self>, Failure> {
        Self::reserve_for(call, target.lease.model(), prompts, answers)
    }

    /// The same for a model that is asked in another way.
    pub(super) fn reserve_for(
        call: &OwnedCall,
        model: &ModelName,
        prompts: u64,
        answers: u64,
    ) -> Result<Arc<Self>, Failure> {
        let access = call.state.application.access();
        let tokens = prompts.saturating_add(answers);
        let reservation = access.reserve_tokens(&call.principal, model, tokens, clock::now())?;
        Ok(Arc::new(Self { reservation, prompts, read: AtomicU64::new(0), written: AtomicU64::new(0) }))
    }

    /// The model has begun: what it reads is used from now on.
    pub(super) fn begun(&self) {
        self.read.store(self.prompts, Ordering::Relaxed);
        self.wrote(0);
    }

    /// The model reads one of several prompts.
    pub(super) fn reads(&self, tokens: u64) {
        self.read.fetch_add(tokens, Ordering::Relaxed);
        self.wrote(0);
    }

    /// The model has written more.
    pub(super) fn wrote(&self, tokens: u64) {
        let written = self.written.fetch_add(tokens, Ordering::Relaxed) + tokens;
        self.reservation.used(self.read.load(Ordering::Relaxed), written);
    }
}
