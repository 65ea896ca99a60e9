use yard_worker::CallerGone;

use super::*;

/// Keeps what it is told; is gone after some events.
#[derive(Default)]
struct Recorder {
    told: Vec<train_event::Event>,
    leaves_after: Option<usize>,
    stop: bool,
}

impl Listener for Recorder {
    fn tell(&mut self, event: &TrainEvent) -> Result<(), CallerGone> {
        if self.leaves_after == Some(self.told.len()) {
            return Err(CallerGone::Gone("gone".into()));
        }
        self.told.push(event.event.clone().unwrap());
        Ok(())
    }

    fn asks_to_stop(&mut self) -> bool {
        self.stop
    }
}

#[test]
fn events_reach_the_listener() {
    let job = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::default();
    let mut run = JobRun::new(&mut recorder, job.path()).unwrap();
    run.report(Event::Progress { phase: "training", step: 1, of: 10 });
    run.report(Event::Metric { split: "validation", name: "loss", step: 3, value: f64::NAN });
    run.log(LogLevel::Warning, "x".repeat(10_000));
    assert!(!run.stopped());
    let [
        train_event::Event::Progress(progress),
        train_event::Event::Metric(metric),
        train_event::Event::Log(log),
    ] = &recorder.told[..]
    else {
        panic!("{:?}", recorder.told)
    };
    assert_eq!((&*progress.phase, progress.step, progress.of), ("training", 1, 10));
    assert!(progress.memory_bytes > 0);
    assert_eq!((&*metric.split, &*metric.name, metric.step), ("validation", "loss", 3));
    assert!(metric.value.is_nan());
    assert_eq!((log.level(), log.text.len()), (LogLevel::Warning, LONGEST_TEXT + "…".len()));
}

#[test]
fn a_checkpoint_is_told_once_it_is_on_the_disk_and_found_by_the_next_run() {
    let job = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::default();
    let mut run = JobRun::new(&mut recorder, job.path()).unwrap();
    assert_eq!(run.last_checkpoint().unwrap(), None);
    run.save_checkpoint(40, b"state").unwrap();
    let [train_event::Event::Checkpoint(checkpoint)] = &recorder.told[..] else {
        panic!("{:?}", recorder.told)
    };
    let length = fs_err::metadata(job.path().join(&checkpoint.file)).unwrap().len();
    assert_eq!((checkpoint.step, checkpoint.bytes), (40, length));

    let mut recorder = Recorder::default();
    let mut next = JobRun::new(&mut recorder, job.path()).unwrap();
    assert_eq!(next.last_checkpoint().unwrap(), Some((40, b"state".to_vec())));
    let [train_event::Event::Log(log)] = &recorder.told[..] else { panic!("{:?}", recorder.told) };
    assert!(log.text.contains("step 40"), "{}", log.text);
}

#[test]
fn a_wish_of_the_parent_or_its_end_stops_the_run() {
    let job = tempfile::tempdir().unwrap();
    let mut wishing = Recorder { stop: true, ..Recorder::default() };
    assert!(JobRun::new(&mut wishing, job.path()).unwrap().stopped());
    let mut leaving = Recorder { leaves_after: Some(1), ..Recorder::default() };
    let mut run = JobRun::new(&mut leaving, job.path()).unwrap();
    run.report(Event::Log("heard".to_owned()));
    assert!(!run.stopped());
    run.report(Event::Log("not heard".to_owned()));
    assert!(run.stopped());
}
