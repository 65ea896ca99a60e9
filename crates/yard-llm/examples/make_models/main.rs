//! Writes the models that `cargo xtask bench llm-engine` measures beside the packaged ones.
//!
//! `cargo run --release -p yard-llm --example make_models SMOLLM2.gguf FOLDER`
//!
//! `smollm2-135m-q4_0.gguf` and `-q8_0.gguf` are the given file with its Q4_1 matrices in another type. The files
//! `synthetic-1b-*.gguf` have the shape of a model with a billion weights, all of them random: they say how fast such a
//! model is, and nothing else.

#[path = "../../tests/it/requantized.rs"]
mod requantized;
mod synthetic;

use std::error::Error;
use std::path::Path;

use yard_gguf::{BlockType, Gguf, ReadLimits};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, folder] = arguments.as_slice() else {
        return Err("make_models SMOLLM2.gguf FOLDER".into());
    };
    let (source, folder) = (Gguf::open(Path::new(source), &ReadLimits::default())?, Path::new(folder));
    for (kind, name) in [(BlockType::Q4_0, "q4_0"), (BlockType::Q8_0, "q8_0")] {
        let target = folder.join(format!("smollm2-135m-{name}.gguf"));
        requantized::requantize(&source, kind, &target)?;
    }
    for (kind, head, name) in [
        (BlockType::Q4_0, BlockType::Q8_0, "q4_0"),
        (BlockType::Q4_K, BlockType::Q6_K, "q4_k"),
        (BlockType::Q6_K, BlockType::Q6_K, "q6_k"),
    ] {
        let target = folder.join(format!("synthetic-1b-{name}.gguf"));
        synthetic::write(source.metadata(), kind, head, &target)?;
    }
    Ok(())
}
