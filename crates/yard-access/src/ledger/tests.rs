use std::{sync::Barrier, thread};

use super::*;

const DAY: i64 = 86_400_000;

fn key() -> Option<KeyId> {
    Some(KeyId::from_bits(1))
}

fn model() -> ModelName {
    "writer".parse().unwrap()
}

fn reserve(
    ledger: &Arc<TokenLedger>,
    budget: TokenBudget,
    tokens: u64,
    at: i64,
) -> Result<TokenReservation, TokensExhausted> {
    ledger.reserve(key(), &budget, &model(), tokens, Timestamp(at))
}

fn per_day(tokens: u64) -> TokenBudget {
    TokenBudget { tokens_per_day: Some(tokens), ..TokenBudget::default() }
}

fn unwritten(ledger: &TokenLedger) -> Vec<(u64, u64, u64)> {
    let rows = ledger.take_unwritten();
    rows.iter().map(|row| (row.requests, row.prompt_tokens, row.answer_tokens)).collect()
}

#[test]
fn a_hundred_threads_never_hold_more_than_the_budget() {
    for budget in [
        TokenBudget { tokens_per_minute: Some(1_000), ..TokenBudget::default() },
        per_day(1_000),
        TokenBudget { tokens_per_month: Some(1_000), ..TokenBudget::default() },
    ] {
        let ledger = Arc::new(TokenLedger::default());
        let start = Barrier::new(100);
        let held: Vec<TokenReservation> = thread::scope(|scope| {
            let threads: Vec<_> = (0..100)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        (0..20).filter_map(|_| reserve(&ledger, budget, 7, 5).ok()).collect::<Vec<_>>()
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(held.iter().map(TokenReservation::tokens).sum::<u64>(), 994);
        assert_eq!(reserve(&ledger, budget, 7, 5).unwrap_err().left, 6);
        drop(held);
        assert!(reserve(&ledger, budget, 1_000, 5).is_ok());
    }
}

#[test]
fn a_hundred_threads_that_settle_use_no_more_than_the_budget() {
    let ledger = Arc::new(TokenLedger::default());
    let budget = per_day(5_000);
    thread::scope(|scope| {
        for number in 0..100_u64 {
            let ledger = &ledger;
            scope.spawn(move || {
                for _ in 0..50 {
                    if let Ok(held) = reserve(ledger, budget, 20, 5) {
                        held.settle(number % 10, number % 3);
                    }
                }
            });
        }
    });
    let used: u64 = unwritten(&ledger).iter().map(|row| row.1 + row.2).sum();
    assert!(used > 2_900 && used <= 5_000, "{used}");
    assert!(reserve(&ledger, budget, 5_000 - used, 5).is_ok());
    assert!(reserve(&ledger, budget, 5_001 - used, 5).is_err());
}

#[test]
fn a_dropped_reservation_pays_for_what_was_noted_last() {
    let ledger = Arc::new(TokenLedger::default());
    let held = reserve(&ledger, per_day(100), 100, 5).unwrap();
    held.used(10, 1);
    held.used(10, 7);
    drop(held);
    assert_eq!(reserve(&ledger, per_day(100), 84, 5).unwrap_err().left, 83);
    drop(reserve(&ledger, per_day(100), 83, 5).unwrap());
    // The second one came to nothing.
    assert_eq!(unwritten(&ledger), [(1, 10, 7)]);
    assert!(unwritten(&ledger).is_empty());
}

#[test]
fn minutes_days_and_months_begin_with_nothing_used() {
    // 2024-02-29, half a minute before midnight.
    let evening = 19_783 * DAY - 30_000;
    let budget = TokenBudget {
        tokens_per_minute: Some(10),
        tokens_per_day: Some(20),
        tokens_per_month: Some(30),
        tokens_per_request: None,
    };
    let ledger = Arc::new(TokenLedger::default());
    let use_ten = |at: i64| reserve(&ledger, budget, 10, at).map(|held| held.settle(10, 0));
    let refusal = |at: i64| use_ten(at).map_err(|refused| (refused.what, refused.retry_after_seconds));
    assert_eq!(refusal(evening - DAY), Ok(()));
    assert_eq!(refusal(evening - 60_000), Ok(()));
    assert_eq!(refusal(evening - 59_999), Err((TokenSpan::Minute, 30)));
    assert_eq!(refusal(evening), Ok(()));
    // The month is told, since the minute and the day would be in vain.
    assert_eq!(refusal(evening + 1), Err((TokenSpan::Month, 30)));
    assert_eq!(refusal(evening + 30_000), Ok(()));
    assert_eq!(refusal(evening + 90_000), Ok(()));
    assert_eq!(refusal(evening + 150_000), Err((TokenSpan::Day, 86_280)));
    // A clock that is set back gives nothing again.
    assert!(refusal(evening).is_err());
}

#[test]
fn a_request_that_ends_in_a_later_minute_takes_nothing_from_it() {
    let ledger = Arc::new(TokenLedger::default());
    let budget = TokenBudget { tokens_per_minute: Some(10), ..TokenBudget::default() };
    let held = reserve(&ledger, budget, 10, 59_999).unwrap();
    let next = reserve(&ledger, budget, 10, 60_000).unwrap();
    held.settle(5, 5);
    assert_eq!(reserve(&ledger, budget, 1, 60_000).unwrap_err().left, 0);
    next.settle(1, 1);
    assert!(reserve(&ledger, budget, 8, 60_000).is_ok());
}

#[test]
fn a_request_that_is_too_large_alone_is_told_so() {
    let ledger = Arc::new(TokenLedger::default());
    let budget = TokenBudget { tokens_per_request: Some(10), ..TokenBudget::default() };
    assert!(reserve(&ledger, budget, 10, 5).is_ok());
    let refused = reserve(&ledger, budget, 11, 5).unwrap_err();
    assert_eq!((refused.what, refused.retry_after_seconds), (TokenSpan::Request, 0));
}
