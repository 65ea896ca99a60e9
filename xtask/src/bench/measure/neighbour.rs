//! A small model beside a heavy one that gets all the requests it can take.

use anyhow::{Result, bail};

use super::Bench;
use super::engine_bound::Asked;
use super::one_row::SMALL_MODEL;
use crate::bench::contestants::{Modelyard, SMALL};
use crate::bench::figures::{Neighbour, Sample};
use crate::bench::question::Sample as ModelSample;
use crate::bench::tools::Strength;

const CONNECTIONS: [usize; 2] = [1, 4];

/// The server holds both models.
pub(super) fn measure(bench: &Bench<'_>, modelyard: &Modelyard, heavy: &Asked) -> Result<Vec<Neighbour>> {
    let tools = &bench.environment.tools;
    let sample = ModelSample::first_of(&bench.model_folder(SMALL_MODEL))?;
    let question = sample.json(bench.scratch.join("neighbour.json"))?;
    let door = modelyard.door(SMALL)?;
    tools.check(&door, &question)?;
    let mut found = Vec::new();
    for connections in CONNECTIONS {
        let strength = bench.plan.strength(connections);
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for round in 0..bench.plan.rounds {
            let quiet = bench.sample(&modelyard.running, &door, &question, strength)?;
            bench.tell(round, "small model alone", connections, quiet.per_second);
            alone.push(quiet);

            // Long enough to go on until the small model has been measured, which is checked.
            let seconds = strength.seconds + strength.warm_up + 3.0;
            let full = Strength { connections: heavy.connections, seconds, warm_up: 0.0 };
            let mut background = tools.load_in_background(&heavy.door, &heavy.question, full)?;
            let warmed = Strength { warm_up: strength.warm_up + 1.0, ..strength };
            let crowded = bench.sample(&modelyard.running, &door, &question, warmed)?;
            if !background.is_running()? {
                bail!("the heavy model's load ended before the small model was measured");
            }
            background.finish()?;
            bench.tell(round, "small model beside a heavy one", connections, crowded.per_second);
            beside.push(crowded);
        }
        found.push(Neighbour {
            connections,
            alone: Sample::medians(&alone),
            beside: Sample::medians(&beside),
        });
    }
    Ok(found)
}
