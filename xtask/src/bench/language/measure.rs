//! Rounds in which the engine and its peer take turns.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::contestant::{Contestant, number};
use super::models::{SUBJECTS, Size, Subject};
use crate::bench::figures::median;

/// One question, asked in each round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Reading a prompt of so many tokens.
    Prefill(usize),
    /// A token for each of so many streams, step after step, behind prompts of their own or one prompt they share.
    Decode { streams: usize, shared: bool },
}

/// Who is measured.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) ours: PathBuf,
    pub(super) peer: PathBuf,
    /// Where the models are.
    pub(super) models: PathBuf,
}

/// What one contestant did, round by round.
#[derive(Debug, Default, Clone)]
pub(super) struct Rounds(pub(super) Vec<f64>);

/// One question to all.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) work: Work,
    /// Tokens a second.
    pub(super) ours: Rounds,
    pub(super) peer: Rounds,
    /// Ours with AVX2 only; empty where it was not asked for.
    pub(super) avx2: Rounds,
}

/// A program's start, in processes of their own.
#[derive(Debug, Default)]
pub(super) struct Start {
    pub(super) load_seconds: Rounds,
    /// From the end of loading to the first token after a prompt.
    pub(super) first_token_seconds: Rounds,
    /// Kilobytes, at most.
    pub(super) memory: Rounds,
}

/// All about a model on so many threads.
#[derive(Debug)]
pub(super) struct Subjected {
    pub(super) subject: &'static Subject,
    pub(super) threads: usize,
    pub(super) works: Vec<Measured>,
    pub(super) ours: Start,
    pub(super) peer: Start,
}

/// The prompt of the first question to a new process.
pub(super) const FIRST_PROMPT: usize = 256;

// === impl Work ===

impl Work {
    pub(super) fn of(size: Size) -> Vec<Self> {
        let (prompts, streams): (&[usize], &[usize]) = match size {
            Size::Small => (&[64, 256, 2000], &[1, 4, 8, 16, 32]),
            Size::Large => (&[64, 256], &[1, 16]),
        };
        let prefills = prompts.iter().map(|tokens| Self::Prefill(*tokens));
        let decodes = streams.iter().flat_map(|streams| {
            // One stream has nobody to share with.
            let kinds: &[bool] = if *streams == 1 { &[false] } else { &[false, true] };
            kinds.iter().map(|shared| Self::Decode { streams: *streams, shared: *shared })
        });
        prefills.chain(decodes).collect()
    }

    /// Tokens of a stream's prompt, and steps after it.
    pub(super) const fn lengths(size: Size) -> (usize, usize) {
        match size {
            Size::Small => (256, 32),
            Size::Large => (64, 12),
        }
    }

    fn question(self, size: Size) -> String {
        let (prompt, steps) = Self::lengths(size);
        match self {
            Self::Prefill(tokens) => format!("prefill {tokens}"),
            Self::Decode { streams, shared } => {
                let kind = if shared { "shared" } else { "private" };
                format!("decode {streams} {prompt} {steps} {kind}")
            }
        }
    }

    fn tokens(self, size: Size) -> usize {
        match self {
            Self::Prefill(tokens) => tokens,
            Self::Decode { streams, .. } => streams * Self::lengths(size).1,
        }
    }
}

// === impl Rounds ===

impl Rounds {
    pub(super) fn median(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| median(self.0.iter().copied()))
    }
}

/// Every model whose name holds `only`, on one thread and on two if not told otherwise.
pub(super) fn all(
    programs: &Programs,
    rounds: u32,
    only: Option<&str>,
    threads: Option<u32>,
) -> Result<Vec<Subjected>> {
    let mut all = Vec::new();
    for subject in &SUBJECTS {
        if only.is_some_and(|only| !subject.file.contains(only)) {
            continue;
        }
        for count in [1, 2] {
            if threads.is_none_or(|wanted| wanted == count) {
                all.push(one(programs, subject, count as usize, rounds)?);
            }
        }
    }
    Ok(all)
}

fn one(programs: &Programs, subject: &'static Subject, threads: usize, rounds: u32) -> Result<Subjected> {
    let file = programs.models.join(subject.file);
    let start = |program: &Path, path: Option<&str>| {
        let mut command = Command::new(program);
        command.arg(&file).arg(threads.to_string()).args(path);
        Contestant::start(command)
    };
    let (mut our_start, mut peer_start) = (Start::default(), Start::default());
    for round in 1..=rounds {
        eprintln!("{}, {threads} threads: start {round} of {rounds}", subject.shown);
        our_start.take(start(&programs.ours, None)?)?;
        peer_start.take(start(&programs.peer, None)?)?;
    }
    let (mut ours, mut peer) = (start(&programs.ours, None)?, start(&programs.peer, None)?);
    let mut avx2 = if subject.with_avx2 { Some(start(&programs.ours, Some("avx2"))?) } else { None };
    let mut works: Vec<Measured> = Work::of(subject.size).into_iter().map(Measured::new).collect();
    // The first round reads the prompts of the streams and is not counted.
    for round in 0..=rounds {
        eprintln!("{}, {threads} threads: round {round} of {rounds}", subject.shown);
        for measured in &mut works {
            let question = measured.work.question(subject.size);
            let speed = |seconds: f64| measured.work.tokens(subject.size) as f64 / seconds;
            let speeds = (speed(ours.seconds(&question)?), speed(peer.seconds(&question)?));
            let with_avx2 = avx2.as_mut().map(|avx2| avx2.seconds(&question)).transpose()?.map(speed);
            if round > 0 {
                measured.ours.0.push(speeds.0);
                measured.peer.0.push(speeds.1);
                measured.avx2.0.extend(with_avx2);
            }
        }
    }
    Ok(Subjected { subject, threads, works, ours: our_start, peer: peer_start })
}

// === impl Measured ===

impl Measured {
    fn new(work: Work) -> Self {
        let none = Rounds::default();
        Self { work, ours: none.clone(), peer: none.clone(), avx2: none }
    }

    /// How many times the peer's speed ours is.
    pub(super) fn ratio(&self) -> Option<f64> {
        Some(self.ours.median()? / self.peer.median()?)
    }

    pub(super) fn avx2_ratio(&self) -> Option<f64> {
        Some(self.avx2.median()? / self.peer.median()?)
    }
}

// === impl Start ===

impl Start {
    fn take(&mut self, mut contestant: Contestant) -> Result<()> {
        self.load_seconds.0.push(number(&contestant.greeting, "load_seconds")?);
        self.first_token_seconds.0.push(contestant.seconds(&format!("prefill {FIRST_PROMPT}"))?);
        self.memory.0.push(number(&contestant.ask("memory")?, "most")?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stream_is_asked_once_and_several_with_pages_of_their_own_and_shared() {
        let works = Work::of(Size::Small);
        let decodes = |wanted| {
            works
                .iter()
                .filter(|work| matches!(work, Work::Decode { streams, .. } if *streams == wanted))
                .count()
        };
        assert_eq!((decodes(1), decodes(16), decodes(32)), (1, 2, 2));
        assert_eq!(Work::Decode { streams: 8, shared: true }.question(Size::Small), "decode 8 256 32 shared");
        assert_eq!(Work::Decode { streams: 8, shared: true }.tokens(Size::Small), 256);
    }
}
