//! What jobs tell.

use yard_types::Timestamp;

use super::{Store, id, job, running, start};
use crate::{
    Checkpoint, Ending, EventBody, JobEvent, JobState, KEPT_CHECKPOINTS, LogLevel, LogLine, MAX_LOG_LINES,
    MAX_TEXT_BYTES, Metric, Progress, Report,
};

fn metric(name: &str, step: u64, value: f64) -> Metric {
    Metric { split: "validation".to_owned(), name: name.to_owned(), step, value }
}

fn log(text: &str) -> Report {
    Report::Log(LogLine { level: LogLevel::Warning, text: text.to_owned() })
}

fn checkpoint(step: u64) -> Checkpoint {
    Checkpoint { step, file: format!("checkpoints/{step}.bin").parse().unwrap(), bytes: 100 + step }
}

/// In one row of events, from any place on.
pub async fn reports_are_kept_and_read_again_by_sequence(store: Store) {
    let claim = running(&store, job(1, 10)).await;
    let progress = |step| Report::Progress(Progress { phase: "epoch".to_owned(), step, of: Some(10) });
    let reports = [
        progress(1),
        Report::Metric(metric("loss", 1, 0.25)),
        log("a \"line\""),
        Report::Checkpoint(checkpoint(1)),
        progress(2),
    ];
    let told = store.record(&claim, &reports, Timestamp(110)).await.unwrap();
    let expected: Vec<EventBody> = reports.iter().cloned().map(EventBody::Report).collect();
    assert_eq!(told.iter().map(|event| event.body.clone()).collect::<Vec<_>>(), expected);
    assert!(told.is_sorted_by(|left, right| left.sequence < right.sequence), "{told:?}");
    assert!(told.iter().all(|event| event.job == id(1) && event.at == Timestamp(110)));

    // The first progress was replaced; all else is there, the state before it.
    let kept = store.events(id(1), 0, 100).await.unwrap();
    assert_eq!(kept[0].body, EventBody::State(JobState::Running));
    assert_eq!(kept[1..], told[1..]);
    assert_eq!(store.events(id(1), kept[2].sequence, 2).await.unwrap(), kept[3..5]);
    assert_eq!(store.events(id(1), kept[4].sequence, 2).await.unwrap(), [] as [JobEvent; 0]);
    let row = store.job(id(1)).await.unwrap().unwrap();
    assert_eq!(row.progress, Some(Progress { phase: "epoch".to_owned(), step: 2, of: Some(10) }));
    assert_eq!(row.sequence, kept[4].sequence);

    let end = store.finish(&claim, &Ending::Cancelled, Timestamp(120)).await.unwrap();
    assert_eq!(store.events(id(1), kept[4].sequence, 9).await.unwrap(), [end]);
    assert_eq!(store.log_lines(id(1), 9).await.unwrap()[0].0, Timestamp(110));
}

/// As when a job goes on from a checkpoint.
pub async fn metrics_are_replaced_by_step(store: Store) {
    let claim = running(&store, job(1, 10)).await;
    let first: Vec<Report> = (1..=3).map(|step| Report::Metric(metric("loss", step, step as f64))).collect();
    store.record(&claim, &first, Timestamp(110)).await.unwrap();
    store.requeue(&claim, None, Timestamp(120)).await.unwrap();
    let claim = start(&store, id(1)).await;
    let again = [Report::Metric(metric("loss", 2, 20.0)), Report::Metric(metric("error", 2, 5.0))];
    let told = store.record(&claim, &again, Timestamp(130)).await.unwrap();
    let expected =
        [metric("error", 2, 5.0), metric("loss", 1, 1.0), metric("loss", 2, 20.0), metric("loss", 3, 3.0)];
    assert_eq!(store.metrics(id(1)).await.unwrap(), expected);
    assert_eq!(store.events(id(1), told[0].sequence - 1, 9).await.unwrap(), told);
}

/// A run that diverges tells such numbers.
pub async fn numbers_that_are_not_finite_are_kept(store: Store) {
    let claim = running(&store, job(1, 10)).await;
    let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e300];
    let reports: Vec<Report> =
        values.iter().zip(1..).map(|(value, step)| Report::Metric(metric("loss", step, *value))).collect();
    store.record(&claim, &reports, Timestamp(110)).await.unwrap();
    for (read, value) in store.metrics(id(1)).await.unwrap().iter().zip(values) {
        assert!(read.value == value || read.value.is_nan() && value.is_nan(), "{} {value}", read.value);
    }
}

/// The newest ones, though events keep their numbers.
pub async fn few_checkpoints_and_log_lines_are_kept(store: Store) {
    let claim = running(&store, job(1, 10)).await;
    let lines: Vec<Report> = (0..MAX_LOG_LINES + 5).map(|line| log(&line.to_string())).collect();
    let told = store.record(&claim, &lines, Timestamp(110)).await.unwrap();
    assert_eq!(told.len(), lines.len());
    let kept = store.log_lines(id(1), u32::MAX).await.unwrap();
    assert_eq!((kept.len(), kept[0].1.text.as_str()), (MAX_LOG_LINES as usize, "5"));
    let last = store.log_lines(id(1), 2).await.unwrap();
    let last: Vec<&str> = last.iter().map(|(_, line)| line.text.as_str()).collect();
    assert_eq!(last, ["2003", "2004"]);

    let steps: Vec<u64> = (1..=u64::from(KEPT_CHECKPOINTS) + 2).collect();
    for step in &steps {
        store.record(&claim, &[Report::Checkpoint(checkpoint(*step))], Timestamp(110)).await.unwrap();
    }
    let expected: Vec<Checkpoint> = steps[2..].iter().map(|step| checkpoint(*step)).collect();
    assert_eq!(store.checkpoints(id(1)).await.unwrap(), expected);
}

/// What a child tells is as long as it likes; what is kept is not.
pub async fn texts_are_cut(store: Store) {
    let claim = running(&store, job(1, 10)).await;
    let told = store.record(&claim, &[log(&"x".repeat(MAX_TEXT_BYTES + 1))], Timestamp(110)).await.unwrap();
    let lines = store.log_lines(id(1), 1).await.unwrap();
    assert_eq!(lines[0].1.text.len(), MAX_TEXT_BYTES);
    assert_eq!(told[0].body, EventBody::Report(Report::Log(lines[0].1.clone())));
}
