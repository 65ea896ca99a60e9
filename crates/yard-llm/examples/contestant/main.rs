//! The engine under the same questions as its peer, `bench/peers/llama_cpp/peer.cpp`.
//!
//! `cargo run --release -p yard-llm --example contestant FILE.gguf THREADS [avx512|avx2|portable]`
//!
//! Reads a command a line and answers each with a line of JSON; the commands stand in the peer. The first line is written
//! when the model is loaded. It calls [`Model::step`] and nothing above it, as the peer calls its library.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod streams;

use std::error::Error;
use std::fs::File;
use std::io::{BufRead as _, BufWriter, Write as _};
use std::num::NonZeroUsize;
use std::path::Path as FilePath;
use std::time::Instant;

use yard_gguf::{Gguf, ReadLimits};
use yard_kernels::{Cpu, Machine, PageElement, Path, ThreadPool};
use yard_llm::{EncodeOptions, KeyValueCache, LogitRows, Model, Part, Scratch, Sequence, TokenId, Tokenizer};

use self::streams::{Kind, Streams};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Tokens of a prompt that go through the model at once: as many as the peer takes.
const PIECE: usize = 512;
/// Positions of all sequences together. Memory is taken when they are written.
const POSITIONS: usize = 40_960;

/// A model and what a step needs.
struct Contestant {
    machine: Machine,
    model: Model,
    cache: KeyValueCache,
    scratch: Scratch,
    logits: Vec<f32>,
    streams: Vec<Streams>,
    tokenizer: Tokenizer,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, threads, rest @ ..] = arguments.as_slice() else {
        return Err("contestant FILE.gguf THREADS [avx512|avx2|portable]".into());
    };
    let cpu = match rest {
        [] => Cpu::best(),
        [path] => Cpu::with(path_of(path)?)?,
        _ => return Err("too many arguments".into()),
    };
    let machine = Machine { cpu, pool: ThreadPool::new(threads.parse::<NonZeroUsize>()?)? };
    let begun = Instant::now();
    let mut contestant = Contestant::load(FilePath::new(file), machine)?;
    let (seconds, vocabulary) = (begun.elapsed().as_secs_f64(), contestant.model.vocabulary());
    println!("{{\"load_seconds\":{seconds:.6},\"vocabulary\":{vocabulary},\"path\":\"{:?}\"}}", cpu.path());
    for line in std::io::stdin().lock().lines() {
        std::io::stdout().flush()?;
        println!("{}", contestant.answer(&line?)?);
    }
    Ok(())
}

fn path_of(name: &str) -> Result<Path> {
    match name {
        "avx512" => Ok(Path::Avx512Vnni),
        "avx2" => Ok(Path::Avx2),
        "portable" => Ok(Path::Portable),
        _ => Err(format!("no such path: {name}").into()),
    }
}

impl Contestant {
    fn load(file: &FilePath, machine: Machine) -> Result<Self> {
        let file = Gguf::open(file, &ReadLimits::default())?;
        let tokenizer = Tokenizer::from_metadata(file.metadata())?;
        let model = Model::from_file(file, &machine, &mut |_| {})?;
        let cache = KeyValueCache::new(model.config(), POSITIONS, PageElement::F16)?;
        let (scratch, logits, streams) = (Scratch::new(), Vec::new(), Vec::new());
        Ok(Self { machine, model, cache, scratch, logits, streams, tokenizer })
    }

    fn answer(&mut self, command: &str) -> Result<String> {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words.as_slice() {
            ["prefill", tokens] => self.prefill(tokens.parse()?),
            ["decode", streams, prompt, new, kind] => {
                self.decode(streams.parse()?, prompt.parse()?, new.parse()?, kind.parse()?)
            }
            ["greedy", new, prompt @ ..] => {
                let prompt =
                    prompt.iter().map(|token| token.parse()).collect::<std::result::Result<Vec<_>, _>>()?;
                self.greedy(new.parse()?, &prompt)
            }
            ["score", tokens, "-"] => self.score(FilePath::new(tokens), None),
            ["score", tokens, logits, first] => {
                self.score(FilePath::new(tokens), Some((FilePath::new(logits), first.parse()?)))
            }
            ["tokenize", text] => self.tokenize(FilePath::new(text)),
            ["memory"] => memory(),
            _ => Err(format!("no such command: {command}").into()),
        }
    }

    fn prefill(&mut self, count: usize) -> Result<String> {
        let tokens = self.arbitrary(0, count);
        let mut sequence = Sequence::new();
        let begun = Instant::now();
        self.feed(&mut sequence, &tokens, LogitRows::Last)?;
        let seconds = begun.elapsed().as_secs_f64();
        self.cache.release(sequence);
        Ok(format!("{{\"seconds\":{seconds:.6}}}"))
    }

    fn decode(&mut self, count: usize, prompt: usize, steps: usize, kind: Kind) -> Result<String> {
        let mut streams = self.prepared(count, prompt, kind)?;
        let begun = Instant::now();
        for step in 0..steps {
            let tokens: Vec<TokenId> =
                (0..count).map(|stream| self.token(prompt + step + 31 * stream)).collect();
            let sequences = &mut streams.sequences[..count];
            for sequence in &mut *sequences {
                self.cache.reserve(sequence, 1)?;
            }
            let mut parts: Vec<Part<'_>> = sequences
                .iter_mut()
                .zip(tokens.chunks_exact(1))
                .map(|(sequence, tokens)| Part { sequence, tokens, logits: LogitRows::Last })
                .collect();
            self.model.step(
                &self.machine,
                &mut self.cache,
                &mut self.scratch,
                &mut parts,
                &mut self.logits,
            )?;
        }
        let seconds = begun.elapsed().as_secs_f64();
        for sequence in &mut streams.sequences {
            self.cache.truncate(sequence, prompt);
        }
        self.streams.push(streams);
        Ok(format!("{{\"seconds\":{seconds:.6}}}"))
    }

    fn greedy(&mut self, count: usize, prompt: &[TokenId]) -> Result<String> {
        let mut sequence = Sequence::new();
        let mut tokens = Vec::new();
        self.feed(&mut sequence, prompt, LogitRows::Last)?;
        while tokens.len() < count {
            tokens.push(best(&self.logits));
            self.feed(&mut sequence, &tokens[tokens.len() - 1..], LogitRows::Last)?;
        }
        self.cache.release(sequence);
        Ok(format!("{{\"tokens\":{tokens:?}}}"))
    }

    /// Log-probabilities; the logits from a token on go to a file, if one is given.
    fn score(&mut self, tokens: &FilePath, logits: Option<(&FilePath, usize)>) -> Result<String> {
        let tokens: Vec<TokenId> =
            std::fs::read(tokens)?.as_chunks().0.iter().map(|bytes| TokenId::from_le_bytes(*bytes)).collect();
        let mut file = match logits {
            Some((path, first)) => Some((BufWriter::new(File::create(path)?), first)),
            None => None,
        };
        let vocabulary = self.model.vocabulary();
        let mut sequence = Sequence::new();
        let mut scores = Vec::new();
        for (number, piece) in tokens.chunks(PIECE).enumerate() {
            self.feed(&mut sequence, piece, LogitRows::All)?;
            for (index, row) in (number * PIECE..).zip(self.logits.chunks_exact(vocabulary)) {
                if let Some(next) = tokens.get(index + 1) {
                    scores.push(log_probability(row, *next));
                }
                if let Some((file, first)) = &mut file
                    && index >= *first
                {
                    for value in row {
                        file.write_all(&value.to_le_bytes())?;
                    }
                }
            }
        }
        if let Some((mut file, _)) = file {
            file.flush()?;
        }
        self.cache.release(sequence);
        Ok(format!("{{\"log_probabilities\":{scores:?}}}"))
    }

    fn tokenize(&self, text: &FilePath) -> Result<String> {
        let text = std::fs::read_to_string(text)?;
        let tokens = self.tokenizer.encode(&text, EncodeOptions { add_special: true, parse_special: false });
        Ok(format!("{{\"tokens\":{tokens:?}}}"))
    }

    fn feed(&mut self, sequence: &mut Sequence, tokens: &[TokenId], logits: LogitRows) -> Result<()> {
        self.cache.reserve(sequence, tokens.len())?;
        let pieces = tokens.chunks(PIECE);
        let last = pieces.len();
        for (number, tokens) in pieces.enumerate() {
            let logits =
                if number + 1 == last || logits == LogitRows::All { logits } else { LogitRows::None };
            let part = Part { sequence: &mut *sequence, tokens, logits };
            self.model.step(
                &self.machine,
                &mut self.cache,
                &mut self.scratch,
                &mut [part],
                &mut self.logits,
            )?;
        }
        Ok(())
    }

    /// Tokens that mean nothing, the same ones for everybody: the work is that of any text.
    fn arbitrary(&self, first: usize, count: usize) -> Vec<TokenId> {
        (first..first + count).map(|number| self.token(number)).collect()
    }

    fn token(&self, number: usize) -> TokenId {
        // Below the vocabulary, which is counted in 32 bits.
        ((number * 7919 + 13) % self.model.vocabulary()) as TokenId
    }
}

fn best(logits: &[f32]) -> TokenId {
    let mut best = 0;
    for (token, value) in logits.iter().enumerate() {
        if *value > logits[best] {
            best = token;
        }
    }
    best as TokenId
}

fn log_probability(logits: &[f32], token: TokenId) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|value| f64::from(value - largest).exp()).sum();
    f64::from(logits[token as usize] - largest) - sum.ln()
}

fn memory() -> Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kilobytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let digits = line.map(|line| line.trim_matches(|character: char| !character.is_ascii_digit()));
        digits.ok_or("the system does not tell")
    };
    Ok(format!("{{\"resident\":{},\"most\":{}}}", kilobytes("VmRSS:")?, kilobytes("VmHWM:")?))
}
