//! What a run of training tells and keeps.

mod throttle;

use std::{cell::RefCell, io, path::Path, time::Instant};

use yard_training::{Event, Run};
use yard_worker::{
    Caller, CallerGone,
    train::{Checkpoint, Log, LogLevel, Metric, Progress, TrainEvent, train_event},
};

use super::{
    checkpoints::{Checkpoints, Found},
    failure::shortened,
    memory,
};
use throttle::Throttle;

/// Longest text of an event, in bytes.
const LONGEST_TEXT: usize = 4000;

/// Whoever is told.
pub(crate) trait Listener {
    /// Tells what happened.
    fn tell(&mut self, event: &TrainEvent) -> Result<(), CallerGone>;
    /// Whether the job shall end early.
    fn asks_to_stop(&mut self) -> bool;
}

impl Listener for Caller<'_> {
    fn tell(&mut self, event: &TrainEvent) -> Result<(), CallerGone> {
        Caller::tell(self, event)
    }

    fn asks_to_stop(&mut self) -> bool {
        Caller::asks_to_stop(self)
    }
}

/// A run whose events go to the parent and whose checkpoints go to the job's directory.
pub(crate) struct JobRun<'a> {
    /// Asking it whether to stop reads from its socket, which a run asks by a shared reference.
    listener: RefCell<&'a mut dyn Listener>,
    checkpoints: Checkpoints,
    throttle: Throttle,
    /// Nobody listens any more.
    deserted: bool,
}

impl<'a> JobRun<'a> {
    /// A run in this directory.
    pub(crate) fn new(listener: &'a mut dyn Listener, job: &Path) -> io::Result<Self> {
        let checkpoints = Checkpoints::open(job)?;
        Ok(Self {
            listener: RefCell::new(listener),
            checkpoints,
            throttle: Throttle::default(),
            deserted: false,
        })
    }

    /// Tells how far it is: not every time, but always when a phase begins or ends. `of` is 0 where nobody knows.
    pub(crate) fn progress(&mut self, phase: &str, step: u64, of: u64) {
        if self.throttle.lets_pass(Instant::now(), phase, step, of) {
            let phase = shortened(phase.to_owned(), LONGEST_TEXT);
            let memory_bytes = memory::counted_bytes().unwrap_or(0);
            self.tell(train_event::Event::Progress(Progress { phase, step, of, memory_bytes }));
        }
    }

    /// Tells a line of the log.
    pub(crate) fn log(&mut self, level: LogLevel, text: impl Into<String>) {
        let text = shortened(text.into(), LONGEST_TEXT);
        self.tell(train_event::Event::Log(Log { level: level.into(), text }));
    }

    fn tell(&mut self, event: train_event::Event) {
        if !self.deserted {
            // An event that is too large is none that anybody misses: its texts are cut.
            let told = self.listener.get_mut().tell(&event.into());
            self.deserted = matches!(told, Err(CallerGone::Gone(_)));
        }
    }
}

impl Run for JobRun<'_> {
    fn report(&mut self, event: Event) {
        match event {
            Event::Progress { phase, step, of } => self.progress(phase, step, of),
            Event::Metric { split, name, step, value } => {
                let (split, name) = (split.to_owned(), name.to_owned());
                self.tell(train_event::Event::Metric(Metric { split, name, step, value }));
            }
            Event::Log(text) => self.log(LogLevel::Info, text),
        }
    }

    fn stopped(&self) -> bool {
        self.deserted || self.listener.borrow_mut().asks_to_stop()
    }

    fn save_checkpoint(&mut self, step: u64, bytes: &[u8]) -> io::Result<()> {
        let saved = self.checkpoints.save(step, bytes)?;
        let checkpoint = Checkpoint { step, file: saved.file, bytes: saved.bytes };
        self.tell(train_event::Event::Checkpoint(checkpoint));
        Ok(())
    }

    fn last_checkpoint(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        let Found { last, spoilt } = self.checkpoints.last()?;
        for name in spoilt {
            self.log(LogLevel::Warning, format!("the checkpoint {name} is spoilt and passed over"));
        }
        if let Some((step, _)) = &last {
            self.log(LogLevel::Info, format!("going on from the checkpoint of step {step}"));
        }
        Ok(last)
    }
}

#[cfg(test)]
mod tests;
