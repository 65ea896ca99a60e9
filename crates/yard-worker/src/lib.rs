//! Worker processes: what a parent and its child say to each other, and how the parent keeps the child in bounds.
//!
//! Work that can abort, loop or eat memory, such as loading a model that somebody pushed, is done in a child. The parent
//! starts it with [`Worker::spawn`] and asks it with [`Worker::call`], which always comes back: with the answer, or with
//! an error that says how the child ended. Work that takes long, such as a training job, is asked for with
//! [`Worker::stream`], which gives what the child says on the way to its answer. Work that has many calls at once, such as
//! a language model, is a [`SharedWorker`]. The child's `main` hands itself over to [`serve_child`], or
//! [`serve_concurrent_child`], before it does anything else.
//!
//! # How a child is confined
//!
//! The parent starts the program with no environment but what [`WorkerCommand::environment`] says, `/` as directory, a process group of its own, no standard
//! output, a bounded record of standard error, and one end of a socket pair as standard input. No code runs between `fork`
//! and `exec`, so nothing here needs `unsafe`. The child, before it reads a byte, asks to be killed when its parent goes
//! and gives up the gain of privileges for good. It then reads one message of the parent's own, puts itself under the
//! limits in it (memory, address space, processor time, open files, written files, no core dump, niceness, Landlock),
//! and only then takes requests. That order is safe since nothing that a client sent comes before the requests.
//!
//! The number of processes is not limited: the kernel counts them by user, not by process, so a limit low enough to help
//! would break on a busy account; threads are bounded by the memory for their stacks.
//!
//! A child writes nothing, except a job's: it has one directory in which it may write, see [`WorkerCommand::writable`].
//!
//! # What it does not give
//!
//! Landlock is used as far as the kernel has it; [`Worker::landlock`] tells how far. There is no filter of system calls
//! and no name space of its own: the code in the child is ours and the engines', only the data is foreign. Files that
//! whoever started the parent left open for it are open in the child as well.
//!
//! This crate runs on Linux. It knows messages, not what a job or an engine does.

mod child;
mod command;
mod confine;
mod envelope;
mod error;
mod exit;
mod frame;
pub mod language;
pub mod prove;
mod request;
mod spawner;
mod stderr;
pub mod train;
mod worker;

pub use child::{
    Call, CallId, Caller, CallerGone, Closed, Inbox, Incoming, ServeError, serve_child,
    serve_concurrent_child, serve_streaming_child,
};
pub use command::{WorkerCommand, WorkerLimits};
pub use confine::Landlock;
pub use error::WorkerError;
pub use exit::{ExitCause, ExitReport};
pub use request::{BadRequest, Request, Response};
pub use worker::{CallLimits, Event, OpenCall, Said, SharedWorker, Stream, Worker};
