//! Grammars are read beside the engine: a hostile one takes up to a second, which nobody else should wait.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread,
};

use yard_llm::{Constraint, ConstraintError, ConstraintVocabulary, Grammar, Request, Tokenizer};
use yard_types::ErrorCode;
use yard_worker::{Call, language::Refusal};

/// Grammars that may wait to be read.
const MOST_WAITING: usize = 256;

/// The thread that reads grammars. It ends with this.
pub(super) struct Grammars {
    asked: mpsc::SyncSender<Asked>,
    made: mpsc::Receiver<Made>,
}

struct Asked {
    call: Call,
    request: Request,
    grammar: Grammar,
}

/// Reads grammars, and remembers the last one: answers of one request come one after the other.
struct Reader {
    tokenizer: Arc<Tokenizer>,
    vocabulary: Option<Result<ConstraintVocabulary, ConstraintError>>,
    last: Option<(Grammar, Constraint)>,
}

impl Reader {
    fn read(&mut self, grammar: Grammar) -> Result<Constraint, ConstraintError> {
        if let Some((last, constraint)) = &self.last
            && *last == grammar
        {
            return Ok(constraint.fresh_copy());
        }
        let vocabulary = self.vocabulary.get_or_insert_with(|| ConstraintVocabulary::new(&self.tokenizer));
        let constraint = Constraint::new(vocabulary.as_ref().map_err(Clone::clone)?, &grammar)?;
        self.last = Some((grammar, constraint.fresh_copy()));
        Ok(constraint)
    }
}

/// A request whose grammar has been read.
pub(super) struct Made {
    pub(super) call: Call,
    pub(super) request: Request,
    pub(super) constraint: Result<Constraint, ConstraintError>,
}

impl Grammars {
    /// For this vocabulary, which is made ready when the first grammar comes.
    pub(super) fn new(tokenizer: Arc<Tokenizer>) -> io::Result<Self> {
        let (asked, asks) = mpsc::sync_channel::<Asked>(MOST_WAITING);
        let (makes, made) = mpsc::channel();
        let read = move || {
            let mut reader = Reader { tokenizer, vocabulary: None, last: None };
            for Asked { call, request, grammar } in asks {
                // A grammar that breaks the library fails its own request.
                let constraint = catch_unwind(AssertUnwindSafe(|| reader.read(grammar)));
                let constraint = constraint.unwrap_or_else(|_| {
                    Err(ConstraintError::Internal { problem: "it could not be read".to_owned() })
                });
                if makes.send(Made { call, request, constraint }).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("grammars".to_owned()).spawn(read)?;
        Ok(Self { asked, made })
    }

    /// Reads a grammar for a request; gives the call back when too many wait.
    pub(super) fn make(&self, call: Call, request: Request, grammar: Grammar) -> Result<(), (Call, Refusal)> {
        self.asked.try_send(Asked { call, request, grammar }).map_err(|error| {
            let (mpsc::TrySendError::Full(asked) | mpsc::TrySendError::Disconnected(asked)) = error;
            (asked.call, Refusal::new(ErrorCode::Unavailable, "too many grammars are waiting to be read"))
        })
    }

    /// The next request whose grammar has been read, if there is one.
    pub(super) fn made(&self) -> Option<Made> {
        self.made.try_recv().ok()
    }
}
