//! A session that all threads share.

use std::{
    ffi::{CString, c_char},
    fmt, ptr,
    sync::{Arc, Mutex, PoisonError},
};

use ort::{
    AsPointer, ErrorCode,
    session::{RunOptions, Session},
};
use ort_sys::OrtValue;
use yard_engine::{LoadError, LoadedModel, PredictError, RowJoining, RunControl};
use yard_types::{Signature, Tensor};

use super::{
    NAME,
    memory_plans::{PlannedSession, Reopen},
    value::{MainMemory, Value, ValueError, check},
    words,
};

/// How many run options are kept for the next runs: about as many as there are ever runs at once.
const MAX_IDLE_OPTIONS: usize = 64;
/// Models with more inputs or outputs than this pay an allocation for each run.
const INLINE: usize = 8;

/// A model in ONNX Runtime. One session holds the weights once; `Run` of the C interface may be called on it from any
/// number of threads.
pub(super) struct SharedSession {
    session: PlannedSession,
    signature: Signature,
    row_joining: RowJoining,
    input_names: Names,
    output_names: Names,
    memory: MainMemory,
    idle_options: Mutex<Vec<Arc<RunOptions>>>,
}

/// Names as the C interface takes them.
struct Names {
    pointers: Vec<*const c_char>,
    _texts: Vec<CString>,
}

#[expect(unsafe_code, reason = "the pointers point into texts that the same structure owns")]
// SAFETY: the texts are never changed and live as long as the pointers.
unsafe impl Send for Names {}
#[expect(unsafe_code, reason = "the pointers point into texts that the same structure owns")]
// SAFETY: the texts are never changed and live as long as the pointers.
unsafe impl Sync for Names {}

impl SharedSession {
    pub(super) fn new(
        session: Session,
        reopen: Option<Reopen>,
        signature: Signature,
        row_joining: RowJoining,
    ) -> Result<Self, LoadError> {
        let refused = |reason: String| LoadError::Refused { engine: NAME, reason };
        let input_names = Names::new(signature.inputs.iter().map(|spec| spec.name.as_str()));
        let output_names = Names::new(signature.outputs.iter().map(|spec| spec.name.as_str()));
        Ok(Self {
            input_names: input_names.map_err(|_| refused("an input's name holds a NUL".to_owned()))?,
            output_names: output_names.map_err(|_| refused("an output's name holds a NUL".to_owned()))?,
            memory: MainMemory::new().map_err(|error| refused(error.to_string()))?,
            idle_options: Mutex::new(Vec::new()),
            session: PlannedSession::new(session, reopen),
            signature,
            row_joining,
        })
    }

    fn take_options(&self) -> Result<Arc<RunOptions>, PredictError> {
        let idle = self.idle_options.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(options) => Ok(options),
            None => RunOptions::new().map(Arc::new).map_err(engine_error),
        }
    }

    fn give_back(&self, options: Arc<RunOptions>) {
        let mut idle = self.idle_options.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE_OPTIONS {
            idle.push(options);
        }
    }

    #[expect(
        unsafe_code,
        reason = "`Session::run` of the crate takes the session for itself; the C interface does not"
    )]
    fn run(
        &self,
        session: &Session,
        inputs: &[*const OrtValue],
        outputs: &mut [*mut OrtValue],
        options: &RunOptions,
    ) -> ort::Result<()> {
        debug_assert_eq!(inputs.len(), self.input_names.pointers.len());
        debug_assert_eq!(outputs.len(), self.output_names.pointers.len());
        // SAFETY: ONNX Runtime documents `Run` as safe to call from several threads on one session, with the CPU
        // provider, which is the only one that sessions get here. All arrays are as long as said; names and values
        // outlive the call; the outputs are null, so that the runtime makes them and this caller owns them.
        let status = unsafe {
            (ort::api().Run)(
                session.ptr().cast_mut(),
                options.ptr(),
                self.input_names.pointers.as_ptr(),
                inputs.as_ptr(),
                inputs.len(),
                self.output_names.pointers.as_ptr(),
                outputs.len(),
                outputs.as_mut_ptr(),
            )
        };
        check(status)
    }

    /// Runs and copies the outputs.
    fn run_and_copy(&self, inputs: &[Tensor], options: &RunOptions) -> Result<Vec<Tensor>, PredictError> {
        let mut lent = Vec::with_capacity(inputs.len());
        for (tensor, spec) in inputs.iter().zip(&self.signature.inputs) {
            let value = Value::lend(tensor, &self.memory).map_err(|error| match error {
                ValueError::Runtime(error) => engine_error(error),
                ValueError::Unexpected(reason) => {
                    PredictError::BadInput(format!("input '{}' cannot be taken: {reason}", spec.name))
                }
            })?;
            lent.push(value);
        }
        let mut inline_inputs = [ptr::null(); INLINE];
        let mut more_inputs = Vec::new();
        let input_pointers = room(&mut inline_inputs, &mut more_inputs, lent.len(), ptr::null());
        for (pointer, value) in input_pointers.iter_mut().zip(&lent) {
            *pointer = value.pointer();
        }
        let mut inline_outputs = [ptr::null_mut(); INLINE];
        let mut more_outputs = Vec::new();
        let count = self.signature.outputs.len();
        let output_pointers = room(&mut inline_outputs, &mut more_outputs, count, ptr::null_mut());
        let session = self.session.of(inputs);
        let ran = self.run(&session, input_pointers, output_pointers, options);
        // Whatever came must be freed, so take all of it over before anything can fail.
        let made: Vec<_> = output_pointers.iter().map(|pointer| Value::own(*pointer)).collect();
        ran.map_err(run_error)?;
        let mut outputs = Vec::with_capacity(count);
        for (value, spec) in made.into_iter().zip(&self.signature.outputs) {
            let tensor = value.and_then(|value| value.to_tensor(spec.data_type));
            outputs.push(tensor.map_err(|error| match error {
                ValueError::Runtime(error) => engine_error(error),
                ValueError::Unexpected(reason) => {
                    PredictError::BadOutput { output: spec.name.clone(), reason }
                }
            })?);
        }
        Ok(outputs)
    }
}

impl LoadedModel for SharedSession {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn row_joining(&self) -> RowJoining {
        self.row_joining.clone()
    }

    fn predict(&self, inputs: &[Tensor], control: &RunControl) -> Result<Vec<Tensor>, PredictError> {
        if inputs.len() != self.signature.inputs.len() {
            let (expected, got) = (self.signature.inputs.len(), inputs.len());
            return Err(PredictError::BadInput(format!("it takes {expected} inputs, got {got}")));
        }
        if control.is_terminated() {
            return Err(PredictError::Terminated);
        }
        let options = self.take_options()?;
        let stop = {
            let options = Arc::clone(&options);
            // Setting the flag cannot fail; if it did, the run would end by itself.
            move || drop(options.terminate())
        };
        let guard = control.on_terminate(stop);
        let result = self.run_and_copy(inputs, &options);
        drop(guard);
        if control.is_terminated() {
            // These options would stop the next run as well.
            return result.map_err(|_| PredictError::Terminated);
        }
        self.give_back(options);
        result
    }
}

impl fmt::Debug for SharedSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SharedSession")
            .field("signature", &self.signature)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

impl Names {
    fn new<'a>(names: impl Iterator<Item = &'a str>) -> Result<Self, std::ffi::NulError> {
        let texts: Vec<CString> = names.map(CString::new).collect::<Result<_, _>>()?;
        Ok(Self { pointers: texts.iter().map(|text| text.as_ptr()).collect(), _texts: texts })
    }
}

/// `count` places, in `inline` where they fit.
fn room<'a, T: Copy>(
    inline: &'a mut [T; INLINE],
    more: &'a mut Vec<T>,
    count: usize,
    empty: T,
) -> &'a mut [T] {
    if count <= INLINE {
        return &mut inline[..count];
    }
    more.resize(count, empty);
    more
}

fn engine_error(error: ort::Error) -> PredictError {
    PredictError::Engine { engine: NAME, reason: words::plain(error.message(), None) }
}

/// What a failed run means. The model ran at its proof, so a node that refuses to compute refuses this input.
fn run_error(error: ort::Error) -> PredictError {
    let message = error.message();
    let is_memory = message.contains("allocat") || message.contains("bad_alloc");
    let is_node = message.contains("Non-zero status code returned while running");
    match error.code() {
        ErrorCode::InvalidArgument => PredictError::BadInput(words::plain(message, None)),
        _ if is_node && !is_memory => PredictError::BadInput(words::plain(message, None)),
        _ => engine_error(error),
    }
}
