//! A small ONNX model beside sixteen streams of the language model, all at Modelyard.

use anyhow::{Result, bail};

use super::figures::{Kind, Neighbour, Work};
use super::measure::Bench;
use super::questions::Questions;
use super::servers::{DIGITS, MOST_CLIENTS, Who};
use super::streams::Clients;
use crate::bench::question::Sample;
use crate::bench::tools::Strength;

pub(super) const CONNECTIONS: usize = 4;
const WARM_UP: f64 = 0.5;
/// How much longer than the measurement the streams go on at least.
const MARGIN: u32 = 3;

pub(super) fn measure(bench: &Bench<'_>, questions: &mut Questions, found: &mut Neighbour) -> Result<()> {
    let (setting, seconds) = (bench.setting, bench.plan.seconds);
    let work = Work { kind: Kind::Private, clients: MOST_CLIENTS };
    let (bodies, _) = questions.write(work)?;
    let sample = Sample::first_of(&setting.support.assets.join("models/digits"))?;
    let question = sample.json(bodies.with_file_name("digit.json"))?;
    let door = bench.servers.modelyard.door(DIGITS)?;
    setting.tools.check(&door, &question)?;
    let strength = Strength { connections: CONNECTIONS, seconds: f64::from(seconds), warm_up: WARM_UP };
    let alone = setting.tools.load(&door, &question, strength)?;

    let clients = Clients {
        count: work.clients,
        seconds: seconds + MARGIN,
        bodies: &bodies,
        tokens: work.kind.answer(),
    };
    let mut streams = setting.streams.start(&bench.servers.door(Who::Modelyard)?, clients)?;
    let warmed = Strength { warm_up: WARM_UP + 1.0, ..strength };
    let beside = setting.tools.load(&door, &question, warmed)?;
    if !streams.is_running()? {
        bail!("the streams ended before the small model was measured");
    }
    streams.finish()?;
    eprintln!(
        "digits beside a language model: p99 {:.2} ms alone, {:.2} ms beside {} streams",
        alone.p99_ms, beside.p99_ms, work.clients
    );
    found.alone.push(alone);
    found.beside.push(beside);
    Ok(())
}
