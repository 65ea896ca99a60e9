//! How many answers each tenant has under way: none may take all that a model can have.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::LanguageError;

/// The answers under way, by tenant.
#[derive(Debug)]
pub(crate) struct Shares {
    most: usize,
    open: Arc<Mutex<HashMap<String, usize>>>,
}

/// A place of a tenant's share, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    tenant: String,
    open: Arc<Mutex<HashMap<String, usize>>>,
}

impl Shares {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, open: Arc::default() }
    }

    /// Takes a place, if the tenant has one left.
    pub(crate) fn take(&self, tenant: &str) -> Result<Share, LanguageError> {
        let mut open = lock(&self.open);
        let count = open.entry(tenant.to_owned()).or_default();
        if *count >= self.most {
            return Err(LanguageError::ShareTaken { most: self.most });
        }
        *count += 1;
        Ok(Share { tenant: tenant.to_owned(), open: Arc::clone(&self.open) })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        if let Some(count) = open.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.tenant);
            }
        }
    }
}

/// Nobody panics while holding the lock; a poisoned one is as good.
fn lock(open: &Mutex<HashMap<String, usize>>) -> MutexGuard<'_, HashMap<String, usize>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_its_share_and_no_more() {
        let shares = Shares::new(2);
        let first = shares.take("a").unwrap();
        let _second = shares.take("a").unwrap();
        assert!(matches!(shares.take("a"), Err(LanguageError::ShareTaken { most: 2 })));
        let other = shares.take("b").unwrap();
        drop(first);
        let _third = shares.take("a").unwrap();
        drop(other);
        assert_eq!(lock(&shares.open).len(), 1, "who has nothing under way is forgotten");
    }
}
