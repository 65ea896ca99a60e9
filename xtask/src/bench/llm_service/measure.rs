//! Rounds in which the two servers take turns.

use std::path::Path;

use anyhow::Result;

use super::figures::{Kind, Measured, Neighbour, OnThreads, WORKS, Work};
use super::questions::Questions;
use super::servers::{MOST_CLIENTS, Servers, Who};
use super::streams::{Clients, Told};
use super::{Plan, Setting, neighbour};
use crate::bench::running;

/// Everything on so many threads, in a scratch folder that is removed afterwards.
pub(super) fn on(setting: &Setting, plan: Plan, threads: u32) -> Result<OnThreads> {
    let scratch = tempfile::tempdir()?;
    let servers = Servers::start(setting, scratch.path(), threads)?;
    let mut questions = Questions::read(setting, &servers, scratch.path().to_owned())?;
    let agree = questions.agree(setting, &servers)?;
    let bench = Bench { setting, plan, servers: &servers, threads };
    bench.warm_up(&mut questions, Work { kind: Kind::Private, clients: 4 })?;
    let mut measured: Vec<Measured> = WORKS.into_iter().map(Measured::new).collect();
    let mut small = Neighbour::default();
    for round in 1..=plan.rounds {
        let mut beginning_is_known = false;
        for one in &mut measured {
            if one.work.kind == Kind::Shared && !beginning_is_known {
                bench.warm_up(&mut questions, Work { kind: Kind::Shared, clients: MOST_CLIENTS })?;
                beginning_is_known = true;
            }
            bench.measure(&mut questions, one, round)?;
        }
        neighbour::measure(&bench, &mut questions, &mut small)?;
    }
    running::show_warnings(&servers.modelyard.log);
    Ok(OnThreads { threads, agree, measured, neighbour: small })
}

/// What all measurements on so many threads share.
#[derive(Debug)]
pub(super) struct Bench<'a> {
    pub(super) setting: &'a Setting,
    pub(super) plan: Plan,
    pub(super) servers: &'a Servers,
    threads: u32,
}

impl Bench<'_> {
    /// Has each client ask both servers once.
    fn warm_up(&self, questions: &mut Questions, work: Work) -> Result<()> {
        let (ours, peer) = questions.write(work)?;
        eprintln!("{} threads: both are warmed up by {} clients", self.threads, work.clients);
        self.ask(Who::Modelyard, work, &ours, 0)?;
        self.ask(Who::Peer, work, &peer, 0)?;
        Ok(())
    }

    fn measure(&self, questions: &mut Questions, measured: &mut Measured, round: u32) -> Result<()> {
        let work = measured.work;
        let (ours, peer) = questions.write(work)?;
        let server = &self.servers.modelyard.running;
        let before = server.cpu_alone()?;
        let told = self.ask(Who::Modelyard, work, &ours, self.plan.seconds)?;
        measured.server_cpu += server.cpu_alone()?.saturating_sub(before);
        self.tell(round, "Modelyard", work, told);
        measured.ours.push(told);
        let told = self.ask(Who::Peer, work, &peer, self.plan.seconds)?;
        self.tell(round, "llama-server", work, told);
        measured.peer.push(told);
        Ok(())
    }

    fn ask(&self, who: Who, work: Work, bodies: &Path, seconds: u32) -> Result<Told> {
        let clients = Clients { count: work.clients, seconds, bodies, tokens: work.kind.answer() };
        self.setting.streams.measure(&self.servers.door(who)?, clients)
    }

    fn tell(&self, round: u32, who: &str, work: Work, told: Told) {
        let Work { kind, clients } = work;
        let (threads, rounds) = (self.threads, self.plan.rounds);
        let Told { tokens_per_second, to_first_p50_ms, .. } = told;
        eprintln!(
            "{threads} threads, round {round} of {rounds}  {kind:?} {clients:2} {who:13} {tokens_per_second:7.0} tokens/s, first token {to_first_p50_ms:7.1} ms"
        );
    }
}
