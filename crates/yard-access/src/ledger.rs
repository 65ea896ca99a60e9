//! Tokens that keys have used, exact under concurrency.
//!
//! A request first takes all that it may need from each budget of its key, and gives back what it did not use when it
//! ends. Both happen under one short lock, so requests that are admitted in one minute, day or month never hold more than
//! the budget, whatever their number. Spans are those of the clock and begin with nothing used; a request belongs to the
//! spans in which it was admitted, also when it ends in later ones. A clock that is set back does not begin a span again.

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;
use yard_types::{ModelName, Timestamp};

use crate::{KeyId, TokenBudget, TokenSpan, TokensExhausted, UsageRow, UtcDay};

const MILLISECONDS_PER_MINUTE: i64 = 60_000;

/// What a row of usage counts for: the key, the model and the day.
type RowName = (Option<KeyId>, ModelName, UtcDay);

/// The accounts of all keys, and what is not yet written of them.
#[derive(Debug, Default)]
pub(crate) struct TokenLedger {
    book: Mutex<Book>,
    /// Told whenever there is something to write.
    settled: Notify,
}

#[derive(Debug, Default)]
struct Book {
    /// As many as there are keys, at most.
    accounts: HashMap<KeyId, Account>,
    /// Settled, but not yet handed to the store.
    unwritten: HashMap<RowName, Counts>,
}

/// Requests and tokens.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    requests: u64,
    prompt: u64,
    answer: u64,
}

/// What a key has taken in the present minute, day and month.
#[derive(Debug, Clone, Copy)]
struct Account {
    minute: Taken,
    day: Taken,
    month: Taken,
}

/// What was used and what is held in one span.
#[derive(Debug, Clone, Copy)]
struct Taken {
    /// Which minute since 1970, which day, or the first day of which month.
    span: i64,
    tokens: u64,
}

/// The spans of a moment.
#[derive(Debug, Clone, Copy)]
struct Spans {
    minute: i64,
    day: UtcDay,
    month: UtcDay,
}

/// Tokens that are held for a request. When it is dropped, what [`TokenReservation::used`] was told last is booked, and
/// the rest is free again; so a request whose client left pays for what was written.
#[derive(Debug)]
#[must_use = "tokens are free again as soon as their reservation is dropped"]
pub struct TokenReservation {
    ledger: Arc<TokenLedger>,
    key: Option<KeyId>,
    model: ModelName,
    tokens: u64,
    spans: Spans,
    prompt: AtomicU64,
    answer: AtomicU64,
}

// === impl TokenReservation ===

impl TokenReservation {
    /// Notes how many tokens the request has used so far, of its prompt and of its answers.
    pub fn used(&self, prompt: u64, answer: u64) {
        // Numbers that guard nothing but themselves; dropping has the reservation to itself.
        self.prompt.store(prompt, Ordering::Relaxed);
        self.answer.store(answer, Ordering::Relaxed);
    }

    /// Books what was used and frees the rest.
    pub fn settle(self, prompt: u64, answer: u64) {
        self.used(prompt, answer);
    }

    /// What is held for the request.
    pub const fn tokens(&self) -> u64 {
        self.tokens
    }
}

impl Drop for TokenReservation {
    fn drop(&mut self) {
        let (prompt, answer) = (*self.prompt.get_mut(), *self.answer.get_mut());
        self.ledger.settle(self, Counts { requests: 1, prompt, answer });
    }
}

// === impl TokenLedger ===

impl TokenLedger {
    /// Holds tokens for a request, or says which budget has too few. Nothing is held unless every budget has enough.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        key: Option<KeyId>,
        budget: &TokenBudget,
        model: &ModelName,
        tokens: u64,
        now: Timestamp,
    ) -> Result<TokenReservation, TokensExhausted> {
        if let Some(limit) = budget.tokens_per_request.filter(|limit| tokens > *limit) {
            let what = TokenSpan::Request;
            return Err(TokensExhausted { what, limit, left: limit, asked: tokens, retry_after_seconds: 0 });
        }
        let mut spans = Spans::of(now);
        if let Some(key) = key {
            let mut book = self.book();
            let account = book.accounts.entry(key).or_insert_with(|| Account::new(spans));
            spans = account.begin(spans);
            account.take(budget, tokens, spans, now)?;
        }
        Ok(TokenReservation {
            ledger: Arc::clone(self),
            key,
            model: model.clone(),
            tokens,
            spans,
            prompt: AtomicU64::new(0),
            answer: AtomicU64::new(0),
        })
    }

    /// Adds what a key used before this server was started.
    pub(crate) fn add_earlier(&self, key: KeyId, day_tokens: u64, month_tokens: u64, now: Timestamp) {
        let spans = Spans::of(now);
        let mut book = self.book();
        let account = book.accounts.entry(key).or_insert_with(|| Account::new(spans));
        account.begin(spans);
        account.day.tokens = account.day.tokens.saturating_add(day_tokens);
        account.month.tokens = account.month.tokens.saturating_add(month_tokens);
    }

    /// Takes what is to be written. Whoever takes it writes it, or gives it back.
    pub(crate) fn take_unwritten(&self) -> Vec<UsageRow> {
        let unwritten = mem::take(&mut self.book().unwritten);
        unwritten
            .into_iter()
            .map(|((key, model, day), counts)| UsageRow {
                key,
                model,
                day,
                requests: counts.requests,
                prompt_tokens: counts.prompt,
                answer_tokens: counts.answer,
            })
            .collect()
    }

    /// Gives back what could not be written, and has it written again.
    pub(crate) fn give_back(&self, rows: Vec<UsageRow>) {
        self.settled.notify_one();
        let mut book = self.book();
        for row in rows {
            let counts =
                Counts { requests: row.requests, prompt: row.prompt_tokens, answer: row.answer_tokens };
            book.unwritten.entry((row.key, row.model, row.day)).or_default().add(counts);
        }
    }

    /// Returns when something was settled since this returned last.
    pub(crate) async fn settled(&self) {
        self.settled.notified().await;
    }

    fn settle(&self, reservation: &TokenReservation, counts: Counts) {
        let used = counts.prompt.saturating_add(counts.answer);
        let TokenReservation { key, model, tokens, spans, .. } = reservation;
        let mut book = self.book();
        if let Some(account) = key.and_then(|key| book.accounts.get_mut(&key)) {
            account.minute.settle(spans.minute, *tokens, used);
            account.day.settle(spans.day.number(), *tokens, used);
            account.month.settle(spans.month.number(), *tokens, used);
        }
        // A request that came to nothing is not counted.
        if used > 0 {
            book.unwritten.entry((*key, model.clone(), spans.day)).or_default().add(counts);
            drop(book);
            self.settled.notify_one();
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Each change is whole before anything in it could panic.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Counts, Spans, Account, Taken ===

impl Counts {
    const fn add(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.prompt = self.prompt.saturating_add(other.prompt);
        self.answer = self.answer.saturating_add(other.answer);
    }
}

impl Spans {
    const fn of(now: Timestamp) -> Self {
        let day = UtcDay::of(now);
        Self { minute: now.0.div_euclid(MILLISECONDS_PER_MINUTE), day, month: day.first_of_month() }
    }
}

impl Account {
    const fn new(spans: Spans) -> Self {
        Self {
            minute: Taken { span: spans.minute, tokens: 0 },
            day: Taken { span: spans.day.number(), tokens: 0 },
            month: Taken { span: spans.month.number(), tokens: 0 },
        }
    }

    /// Begins the spans that are new, and gives those that hold now.
    fn begin(&mut self, spans: Spans) -> Spans {
        let minute = self.minute.begin(spans.minute);
        let day = UtcDay::from_number(self.day.begin(spans.day.number())).unwrap_or(spans.day);
        self.month.begin(spans.month.number());
        Spans { minute, day, month: day.first_of_month() }
    }

    fn take(
        &mut self,
        budget: &TokenBudget,
        asked: u64,
        spans: Spans,
        now: Timestamp,
    ) -> Result<(), TokensExhausted> {
        let end_of_minute = Timestamp(spans.minute.saturating_add(1).saturating_mul(MILLISECONDS_PER_MINUTE));
        // The one that takes longest first: to come back after the others would be in vain.
        let checks = [
            (TokenSpan::Month, budget.tokens_per_month, self.month, spans.day.end_of_month()),
            (TokenSpan::Day, budget.tokens_per_day, self.day, spans.day.end()),
            (TokenSpan::Minute, budget.tokens_per_minute, self.minute, end_of_minute),
        ];
        for (what, limit, taken, end) in checks {
            let Some(limit) = limit else { continue };
            if taken.tokens.saturating_add(asked) > limit {
                let left = limit.saturating_sub(taken.tokens);
                let wait = end.0.saturating_sub(now.0).max(1).unsigned_abs();
                let retry_after_seconds = wait.div_ceil(1_000);
                return Err(TokensExhausted { what, limit, left, asked, retry_after_seconds });
            }
        }
        for taken in [&mut self.minute, &mut self.day, &mut self.month] {
            taken.tokens = taken.tokens.saturating_add(asked);
        }
        Ok(())
    }
}

impl Taken {
    /// Begins this span if it is later than the one that holds; gives the one that holds now.
    const fn begin(&mut self, span: i64) -> i64 {
        if span > self.span {
            self.span = span;
            self.tokens = 0;
        }
        self.span
    }

    /// Replaces what was held by what was used, unless the span has ended.
    const fn settle(&mut self, span: i64, held: u64, used: u64) {
        if self.span == span {
            self.tokens = self.tokens.saturating_sub(held).saturating_add(used);
        }
    }
}

#[cfg(test)]
mod tests;
