//! The one copy of the library that a process can have.

use std::{
    ffi::CStr,
    fmt,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

use ort::{environment::Environment, logging::LogLevel};
use yard_engine::LoadError;

use super::NAME;

/// The loaded library and its environment, which lives as long as the process.
pub(super) struct Library {
    path: PathBuf,
    version: String,
    environment: Environment,
}

static LOADED: OnceLock<Library> = OnceLock::new();
static OPENING: Mutex<()> = Mutex::new(());

impl Library {
    pub(super) fn open(path: &Path) -> Result<&'static Self, LoadError> {
        let missing = |reason: String| LoadError::EngineMissing { engine: NAME, reason };
        let path = path.canonicalize().map_err(|error| {
            missing(format!("the library '{}' cannot be opened: {error}", path.display()))
        })?;
        let _opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = LOADED.get() {
            if loaded.path == path {
                return Ok(loaded);
            }
            let (other, this) = (loaded.path.display(), path.display());
            return Err(missing(format!("'{other}' is loaded already, so '{this}' cannot be")));
        }
        let version = version(&path).map_err(missing)?;
        let environment = ort::init_from(&path).map_err(|error| missing(error.to_string()))?;
        let environment = environment.with_name("modelyard").with_telemetry(false).build();
        let environment = environment.map_err(|error| missing(error.to_string()))?;
        // What goes wrong is returned as an error and logged where the request is known.
        environment.set_log_level(LogLevel::Fatal);
        Ok(LOADED.get_or_init(|| Self { path, version, environment }))
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    pub(super) const fn environment(&self) -> &Environment {
        &self.environment
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Library")
            .field("path", &self.path)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// The version that the library reports.
#[expect(unsafe_code, reason = "the library's version is only to be had from the library itself")]
fn version(path: &Path) -> Result<String, String> {
    type GetApiBase = unsafe extern "C" fn() -> *const ort_sys::OrtApiBase;
    // SAFETY: loading runs the library's initializers, which the caller of `OnnxRuntime::open` vouches for.
    let library = unsafe { libloading::Library::new(path) }.map_err(|error| error.to_string())?;
    // SAFETY: `OrtGetApiBase` has this type in every release of ONNX Runtime.
    let get_api_base = unsafe { library.get::<GetApiBase>(b"OrtGetApiBase\0") }
        .map_err(|_| format!("'{}' is not ONNX Runtime", path.display()))?;
    // SAFETY: the function takes nothing and returns a pointer to a static structure or null.
    let base = unsafe { get_api_base().as_ref() }.ok_or("it has no programming interface")?;
    // SAFETY: the function is part of every release and returns a static, NUL-terminated text.
    let version = unsafe { CStr::from_ptr((base.GetVersionString)()) };
    Ok(version.to_string_lossy().into_owned())
}
