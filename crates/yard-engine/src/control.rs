//! Stopping a run from outside.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

type Hook = Box<dyn Fn() + Send + Sync>;

/// A handle by which another thread can stop one run; cheap to clone.
///
/// An engine that can be stopped registers how with [`RunControl::on_terminate`] for as long as it runs. An engine that
/// cannot be stopped in mid-run looks at [`RunControl::is_terminated`] between its steps, if it has any.
#[derive(Clone, Default)]
pub struct RunControl {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    terminated: AtomicBool,
    hook: Mutex<Option<Hook>>,
}

/// While this lives, terminating calls the registered hook.
#[must_use = "the hook is removed when the guard is dropped"]
pub struct RunGuard<'a> {
    control: &'a RunControl,
}

impl RunControl {
    /// A handle that nobody has used yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the run to stop, now or, when it has not begun, as soon as it does.
    pub fn terminate(&self) {
        self.shared.terminated.store(true, Ordering::Release);
        let hook = self.shared.hook.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hook) = hook.as_ref() {
            hook();
        }
    }

    /// Whether the run was asked to stop.
    pub fn is_terminated(&self) -> bool {
        self.shared.terminated.load(Ordering::Acquire)
    }

    /// Registers how to stop the run that begins now; the hook is called at once if termination came before.
    ///
    /// The hook may be called from any thread, and never after the guard is gone.
    pub fn on_terminate(&self, hook: impl Fn() + Send + Sync + 'static) -> RunGuard<'_> {
        let mut slot = self.shared.hook.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_terminated() {
            hook();
        }
        *slot = Some(Box::new(hook));
        RunGuard { control: self }
    }
}

impl Drop for RunGuard<'_> {
    fn drop(&mut self) {
        let mut slot = self.control.shared.hook.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = None;
    }
}

impl fmt::Debug for RunControl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RunControl")
            .field("terminated", &self.is_terminated())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RunGuard<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RunGuard").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn counter() -> (Arc<AtomicUsize>, impl Fn() + Send + Sync + 'static) {
        let calls = Arc::new(AtomicUsize::new(0));
        let hook = {
            let calls = Arc::clone(&calls);
            move || {
                calls.fetch_add(1, Ordering::SeqCst);
            }
        };
        (calls, hook)
    }

    #[test]
    fn a_run_is_stopped_through_its_hook() {
        let control = RunControl::new();
        let (calls, hook) = counter();
        let guard = control.on_terminate(hook);
        assert_eq!(calls.load(Ordering::SeqCst), 0);
        control.clone().terminate();
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        drop(guard);
    }

    #[test]
    fn termination_before_the_run_reaches_the_hook() {
        let control = RunControl::new();
        control.terminate();
        let (calls, hook) = counter();
        let _guard = control.on_terminate(hook);
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn no_hook_is_called_after_its_run() {
        let control = RunControl::new();
        let (calls, hook) = counter();
        drop(control.on_terminate(hook));
        control.terminate();
        assert_eq!(calls.load(Ordering::SeqCst), 0);
    }
}
