//! Whether the peer of a connection gets on with its requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::sleep;

/// How many looks are taken within the time that a peer has.
const LOOKS: u32 = 4;

/// What a connection has done, told by its stream and its service, and watched by whoever drives it.
///
/// It takes one timer a connection. A timer for the head of each request, as hyper has it, costs as much as parsing the
/// head.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Requests whose head is there and whose answer is not.
    in_hand: AtomicUsize,
    /// Grows with every request begun and answered and with every piece of an answer that the peer took. Bytes that
    /// came do not count: a head that comes byte by byte is not getting on.
    moves: AtomicU64,
}

/// A request in hand, until it is dropped.
#[derive(Debug)]
pub(crate) struct InHand<'a>(&'a Pace);

impl Pace {
    /// To be called when the head of a request is there.
    pub(crate) fn begin(&self) -> InHand<'_> {
        self.0.in_hand.fetch_add(1, Ordering::Relaxed);
        self.moved();
        InHand(self)
    }

    /// To be called when the connection is busy until its end, for all that this can tell.
    pub(crate) fn stays_busy(&self) {
        self.0.in_hand.fetch_add(1, Ordering::Relaxed);
    }

    /// To be called when the peer took a piece of an answer.
    pub(crate) fn moved(&self) {
        self.0.moves.fetch_add(1, Ordering::Relaxed);
    }

    /// Comes back when there was no request in hand and no move for this long, or up to a quarter longer.
    pub(crate) async fn rests(&self, limit: Duration) {
        let mut seen = None;
        let mut looks = 0;
        while looks < LOOKS {
            let moves = self.0.moves.load(Ordering::Relaxed);
            if self.0.in_hand.load(Ordering::Relaxed) > 0 || seen.replace(moves) != Some(moves) {
                looks = 0;
            } else {
                looks += 1;
            }
            if looks < LOOKS {
                sleep(limit / LOOKS).await;
            }
        }
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.0.moved();
        self.0.0.in_hand.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(4);

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_says_nothing_rests_within_the_limit_and_a_quarter() {
        let begun = Instant::now();
        Pace::default().rests(LIMIT).await;
        assert!((LIMIT..=LIMIT * 5 / 4).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_in_hand_is_no_rest_however_long_it_takes() {
        let pace = Pace::default();
        let in_hand = pace.begin();
        assert!(timeout(LIMIT * 100, pace.rests(LIMIT)).await.is_err());
        drop(in_hand);
        assert!(timeout(LIMIT * 2, pace.rests(LIMIT)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_taken_slowly_is_no_rest() {
        let pace = Pace::default();
        let slow_reader = async {
            for _ in 0..50 {
                sleep(LIMIT / 2).await;
                pace.moved();
            }
        };
        tokio::select! {
            () = slow_reader => {}
            () = pace.rests(LIMIT) => panic!("it was taken for resting"),
        }
    }
}
