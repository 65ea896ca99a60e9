//! The speed that we hold ourselves to, beside what was measured.

use super::figures::{Contestant, Serving};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Asked {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
}

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Times,
    Percent,
    Microseconds,
    Milliseconds,
    Megabytes,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub(super) work: String,
    pub(super) asked: Asked,
    pub(super) unit: Unit,
    /// `None` where the peer could not be measured.
    pub(super) measured: Option<f64>,
}

impl Target {
    /// Whether it is met; a figure that is no number meets nothing.
    pub(super) fn met(&self) -> Option<bool> {
        self.measured.map(|measured| match self.asked {
            Asked::AtLeast(bound) => measured >= bound,
            Asked::AtMost(bound) => measured <= bound,
            Asked::Below(bound) => measured < bound,
        })
    }

    pub(super) fn asked_text(&self) -> String {
        match self.asked {
            Asked::AtLeast(bound) => format!(">= {}", self.unit.bound(bound)),
            Asked::AtMost(bound) => format!("<= {}", self.unit.bound(bound)),
            Asked::Below(bound) => format!("< {}", self.unit.bound(bound)),
        }
    }

    pub(super) fn measured_text(&self) -> String {
        self.measured.map_or_else(|| "-".to_owned(), |measured| self.unit.figure(measured))
    }

    pub(super) fn verdict(&self) -> &'static str {
        match self.met() {
            Some(true) => "met",
            Some(false) => "**not met**",
            None => "not measured",
        }
    }
}

impl Unit {
    fn bound(self, value: f64) -> String {
        format!("{value}{}", self.sign())
    }

    fn figure(self, value: f64) -> String {
        match self {
            Self::Times if value < 10.0 => format!("{value:.2}{}", self.sign()),
            Self::Times | Self::Percent | Self::Microseconds | Self::Megabytes => {
                format!("{value:.1}{}", self.sign())
            }
            Self::Milliseconds if value < 1.0 => format!("{value:.3}{}", self.sign()),
            Self::Milliseconds => format!("{value:.0}{}", self.sign()),
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Times => " x",
            Self::Percent => " %",
            Self::Microseconds => " us",
            Self::Milliseconds => " ms",
            Self::Megabytes => " MB",
        }
    }
}

/// Every target of serving ONNX models.
pub(super) fn of_serving(serving: &Serving) -> Vec<Target> {
    let mut targets = vec![
        ratio(serving, Contestant::Triton, 1, 2.5),
        Target {
            work: "one row, 1 connection: p50 above the bare handler's".to_owned(),
            asked: Asked::AtMost(0.1),
            unit: Unit::Milliseconds,
            measured: serving
                .point(Contestant::Modelyard, 1)
                .zip(serving.point(Contestant::BareAxum, 1))
                .map(|(ours, bare)| ours.p50_ms - bare.p50_ms),
        },
    ];
    for connections in [16, 64] {
        targets.push(ratio(serving, Contestant::Triton, connections, 5.0));
        targets.push(ratio(serving, Contestant::FastApi, connections, 25.0));
        targets.push(ratio(serving, Contestant::FastApiAsync, connections, 25.0));
        targets.push(Target {
            work: format!("one row, {connections} connections: requests/s, of the bare axum handler's"),
            asked: Asked::AtLeast(90.0),
            unit: Unit::Percent,
            measured: serving.ratio_to(Contestant::BareAxum, connections).map(|ratio| ratio * 100.0),
        });
        targets.push(Target {
            work: format!("one row, {connections} connections: server CPU a request"),
            asked: Asked::AtMost(20.0),
            unit: Unit::Microseconds,
            measured: serving.point(Contestant::Modelyard, connections).map(|sample| sample.server_cpu_us),
        });
    }
    for heavy in &serving.engine_bound {
        targets.push(Target {
            work: format!("{}, {}: runs/s, of bare ONNX Runtime's", heavy.model, heavy.input),
            asked: Asked::AtLeast(95.0),
            unit: Unit::Percent,
            measured: Some(heavy.share() * 100.0),
        });
    }
    let megabytes = |bytes: u64| Some(bytes as f64 / 1e6);
    let start = &serving.start;
    targets.push(Target {
        work: "start to first answer".to_owned(),
        asked: Asked::Below(300.0),
        unit: Unit::Milliseconds,
        measured: Some(start.first_answer.as_secs_f64() * 1e3),
    });
    for (work, bytes) in [
        ("idle memory after the start", start.memory_before.resident),
        ("idle memory after the first answer", start.memory_after.resident),
    ] {
        targets.push(Target {
            work: work.to_owned(),
            asked: Asked::Below(40.0),
            unit: Unit::Megabytes,
            measured: megabytes(bytes),
        });
    }
    targets
}

fn ratio(serving: &Serving, peer: Contestant, connections: usize, times: f64) -> Target {
    let plural = if connections == 1 { "" } else { "s" };
    Target {
        work: format!("one row, {connections} connection{plural}: requests/s beside {}", peer.label()),
        asked: Asked::AtLeast(times),
        unit: Unit::Times,
        measured: serving.ratio_to(peer, connections),
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::examples;
    use super::*;

    #[track_caller]
    fn check(asked: Asked, measured: f64, met: bool) {
        let target = Target { work: String::new(), asked, unit: Unit::Times, measured: Some(measured) };
        assert_eq!(target.met(), Some(met), "{asked:?} {measured}");
    }

    #[test]
    fn bounds_are_kept_to_the_letter() {
        check(Asked::AtLeast(5.0), 5.0, true);
        check(Asked::AtLeast(5.0), 4.999, false);
        check(Asked::AtMost(20.0), 20.0, true);
        check(Asked::AtMost(20.0), 20.001, false);
        check(Asked::Below(40.0), 40.0, false);
        check(Asked::AtLeast(5.0), f64::NAN, false);
        check(Asked::AtMost(5.0), f64::NAN, false);
    }

    #[test]
    fn exactly_what_falls_short_is_not_met() {
        let targets = of_serving(&examples::serving());
        let missed: Vec<&str> = targets
            .iter()
            .filter(|target| target.met() != Some(true))
            .map(|target| target.work.as_str())
            .collect();
        assert_eq!(
            missed,
            [
                "one row, 16 connections: requests/s beside FastAPI + ONNX Runtime, `async def`",
                "one row, 64 connections: requests/s beside FastAPI + ONNX Runtime, `async def`",
                "one row, 64 connections: requests/s, of the bare axum handler's",
            ]
        );
        assert_eq!(targets.len(), 2 + 2 * 5 + 1 + 3);
    }

    #[test]
    fn a_peer_that_is_missing_makes_its_targets_unmeasured_and_no_others() {
        let mut serving = examples::serving();
        serving.one_row.retain(|row| row.contestant != Contestant::Triton);
        let targets = of_serving(&serving);
        let unmeasured: Vec<&Target> = targets.iter().filter(|target| target.met().is_none()).collect();
        assert_eq!(unmeasured.len(), 3);
        assert!(unmeasured.iter().all(|target| target.work.contains("Triton, Python backend")));
        assert_eq!(unmeasured[0].verdict(), "not measured");
        assert_eq!(unmeasured[0].measured_text(), "-");
    }

    #[test]
    fn figures_are_written_with_their_unit() {
        let target = |unit, measured| Target {
            work: String::new(),
            asked: Asked::AtLeast(2.5),
            unit,
            measured: Some(measured),
        };
        assert_eq!(target(Unit::Times, 3.333).measured_text(), "3.33 x");
        assert_eq!(target(Unit::Times, 33.33).measured_text(), "33.3 x");
        assert_eq!(target(Unit::Milliseconds, 0.0213).measured_text(), "0.021 ms");
        assert_eq!(target(Unit::Milliseconds, 212.6).measured_text(), "213 ms");
        assert_eq!(target(Unit::Percent, 96.04).measured_text(), "96.0 %");
        assert_eq!(target(Unit::Times, 1.0).asked_text(), ">= 2.5 x");
    }
}
