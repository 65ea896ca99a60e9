//! What waits to be written to the parent.

use std::{
    io::Write,
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// Messages wait for a parent that is behind until they are this many bytes; after that those who write wait.
const MOST_WAITING_BYTES: usize = 1 << 20;

/// The parent closed the socket.
#[derive(Debug)]
pub(super) struct ParentGone;

/// Frames from any number of threads on their way to the one that writes them. Frames that come together are written
/// together.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    /// Something waits, or nothing will any more.
    filled: Condvar,
    /// There is room again, or the parent is gone.
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    is_finished: bool,
    is_parent_gone: bool,
}

impl Outbox {
    /// Puts a frame in; waits while the parent is behind.
    pub(super) fn push(&self, frame: &[u8]) -> Result<(), ParentGone> {
        let mut waiting = self.lock();
        while waiting.bytes.len() >= MOST_WAITING_BYTES && !waiting.is_parent_gone {
            waiting = self.emptied.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.is_parent_gone {
            return Err(ParentGone);
        }
        waiting.bytes.extend_from_slice(frame);
        self.filled.notify_one();
        Ok(())
    }

    /// Nothing more will be put in: [`Outbox::write_all`] returns once all is written.
    pub(super) fn finish(&self) {
        self.lock().is_finished = true;
        self.filled.notify_one();
    }

    /// Nobody reads any more: who waits for room is told.
    pub(super) fn parent_is_gone(&self) {
        self.lock().is_parent_gone = true;
        self.emptied.notify_all();
        self.filled.notify_one();
    }

    /// Writes what is put in until it is finished or the parent is gone.
    pub(super) fn write_all(&self, socket: &mut impl Write) {
        let mut batch = Vec::new();
        loop {
            {
                let mut waiting = self.lock();
                while waiting.bytes.is_empty() && !waiting.is_finished && !waiting.is_parent_gone {
                    waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                }
                if waiting.bytes.is_empty() || waiting.is_parent_gone {
                    return;
                }
                mem::swap(&mut batch, &mut waiting.bytes);
            }
            self.emptied.notify_all();
            if socket.write_all(&batch).is_err() {
                return self.parent_is_gone();
            }
            batch.clear();
            // One large answer does not hold its memory for ever.
            batch.shrink_to(MOST_WAITING_BYTES);
        }
    }

    /// Nobody panics while holding the lock; a poisoned one is as good.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, mpsc},
        thread,
    };

    use super::*;

    /// Takes one write for each permit, and none once permits end.
    struct Gate(mpsc::Receiver<()>, Vec<u8>);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            self.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn all_that_is_put_in_is_written_in_order() {
        let outbox = Outbox::default();
        for byte in 0..100 {
            outbox.push(&[byte]).unwrap();
        }
        outbox.finish();
        let mut written = Vec::new();
        outbox.write_all(&mut written);
        assert_eq!(written, (0..100).collect::<Vec<u8>>());
    }

    #[test]
    fn who_writes_waits_for_a_slow_parent_and_is_told_when_it_is_gone() {
        let outbox = Arc::new(Outbox::default());
        let (permit, permits) = mpsc::channel();
        let writer = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || outbox.write_all(&mut Gate(permits, Vec::new())))
        };
        let pusher = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || {
                let frame = vec![7; MOST_WAITING_BYTES];
                (0_u32..).find(|_| outbox.push(&frame).is_err())
            })
        };
        permit.send(()).unwrap();
        permit.send(()).unwrap();
        drop(permit);
        writer.join().unwrap();
        // Two were written, one was in the writer's hands, one may have waited.
        let pushed = pusher.join().unwrap().unwrap();
        assert!((3..=4).contains(&pushed), "{pushed}");
        assert!(outbox.push(&[1]).is_err());
    }
}
