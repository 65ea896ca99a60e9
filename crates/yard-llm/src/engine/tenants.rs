//! How much was done for whom.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc};

/// Tenants without work that are remembered. Who is forgotten begins like a new one.
const MOST_REMEMBERED: usize = 4096;
/// What a token that is written counts, compared with one that is read.
const WRITTEN: u64 = 2;
/// What a token counts for a tenant of weight one.
const UNIT: u64 = 1 << 20;

/// A counter for each tenant: what was done for it, less what its weight entitles it to.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    known: HashMap<Arc<str>, Tenant>,
    /// The counter of the tenant that was served last.
    last: u64,
}

#[derive(Debug, Default)]
struct Tenant {
    served: u64,
    requests: usize,
    /// Those of them that wait.
    waiting: usize,
}

impl Tenants {
    /// A request has come. One whose tenant had none in line does not profit from what it did not ask for before.
    pub(super) fn enter(&mut self, name: &Arc<str>) {
        let in_line = self.known.values().filter(|tenant| tenant.waiting > 0);
        let least = in_line.map(|tenant| tenant.served).min().unwrap_or(self.last);
        let tenant = self.known.entry(Arc::clone(name)).or_default();
        if tenant.waiting == 0 {
            tenant.served = tenant.served.max(least);
        }
        tenant.requests += 1;
        tenant.waiting += 1;
    }

    /// A request that waited runs.
    pub(super) fn admit(&mut self, name: &str) {
        if let Some(tenant) = self.known.get_mut(name) {
            tenant.waiting -= 1;
        }
    }

    /// A request that ran waits again.
    pub(super) fn send_back(&mut self, name: &str) {
        if let Some(tenant) = self.known.get_mut(name) {
            tenant.waiting += 1;
        }
    }

    /// A request has gone.
    pub(super) fn leave(&mut self, name: &str, was_waiting: bool) {
        if let Some(tenant) = self.known.get_mut(name) {
            tenant.requests -= 1;
            tenant.waiting -= usize::from(was_waiting);
        }
        if self.known.len() > MOST_REMEMBERED {
            self.known.retain(|_, tenant| tenant.requests > 0);
        }
    }

    /// Tokens were run for a tenant.
    pub(super) fn serve(&mut self, name: &str, weight: NonZeroU32, read: usize, written: usize) {
        let Some(tenant) = self.known.get_mut(name) else { return };
        let tokens = read as u64 + WRITTEN * written as u64;
        tenant.served = tenant.served.saturating_add(tokens * UNIT / u64::from(weight.get()));
        self.last = tenant.served;
    }

    /// How much was done for a tenant.
    pub(super) fn served(&self, name: &str) -> u64 {
        self.known.get(name).map_or(0, |tenant| tenant.served)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_count_by_weight_and_absence_gains_nothing() {
        let (one, two): (Arc<str>, Arc<str>) = ("one".into(), "two".into());
        let mut tenants = Tenants::default();
        tenants.enter(&one);
        tenants.serve(&one, NonZeroU32::MIN, 100, 10);
        assert_eq!(tenants.served(&one), 120 * UNIT);
        tenants.enter(&two);
        assert_eq!(tenants.served(&two), 120 * UNIT, "it was not there before");
        tenants.serve(&two, NonZeroU32::new(4).unwrap(), 100, 10);
        assert_eq!(tenants.served(&two), 150 * UNIT);
        tenants.leave(&one, true);
        tenants.serve(&two, NonZeroU32::MIN, 50, 0);
        tenants.enter(&one);
        assert_eq!(tenants.served(&one), 200 * UNIT);
        // Whoever was served more keeps its counter.
        tenants.leave(&two, true);
        tenants.serve(&one, NonZeroU32::MIN, 0, 1);
        tenants.enter(&two);
        assert_eq!(tenants.served(&two), 202 * UNIT);
    }

    #[test]
    fn who_always_has_a_little_running_saves_nothing_up() {
        let (busy, trickle): (Arc<str>, Arc<str>) = ("busy".into(), "trickle".into());
        let mut tenants = Tenants::default();
        tenants.enter(&trickle);
        tenants.admit(&trickle);
        tenants.enter(&busy);
        tenants.serve(&busy, NonZeroU32::MIN, 1_000_000, 0);
        tenants.enter(&trickle);
        assert_eq!(tenants.served(&trickle), 1_000_000 * UNIT);
    }

    #[test]
    fn tenants_without_requests_are_forgotten_when_they_are_many() {
        let mut tenants = Tenants::default();
        let names: Vec<Arc<str>> = (0..3 * MOST_REMEMBERED).map(|number| number.to_string().into()).collect();
        for name in &names {
            tenants.enter(name);
            tenants.leave(name, true);
        }
        assert!(tenants.known.len() <= MOST_REMEMBERED);
    }
}
