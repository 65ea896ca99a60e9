//! Jobs that come to a good end.

use std::{collections::BTreeMap, path::Path};

use yard_worker::train::{TrainResult, train_event};

use crate::{Job, SMALL, checkpoint};

/// The content of each file of the package.
fn package(job: &Path, result: &TrainResult) -> BTreeMap<String, Vec<u8>> {
    let directory = job.join(&result.package_directory);
    let read = |file: &String| (file.clone(), std::fs::read(directory.join(file)).unwrap());
    result.files.iter().map(read).collect()
}

#[tokio::test]
async fn a_job_tells_how_it_goes_and_leaves_a_package() {
    let job = tempfile::tempdir().unwrap();
    let (events, result) = Job::new(&job, SMALL).trained().await;

    let package = package(job.path(), &result);
    let files: Vec<&str> = package.keys().map(String::as_str).collect();
    assert_eq!(files, ["golden.json", "learning_curve.svg", "model.onnx", "training.json"]);
    assert!(package.values().all(|content| !content.is_empty()));

    let summary: serde_json::Value = serde_json::from_str(&result.summary_json).unwrap();
    assert!(summary["served"]["single_run_nanoseconds"].as_u64().unwrap() > 0, "{summary}");
    let digest = result.data_digests.iter().find(|fact| fact.name == "data").unwrap();
    assert_eq!(digest.value.len(), 64);

    let phases: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            train_event::Event::Progress(progress) => Some(&*progress.phase),
            _ => None,
        })
        .collect();
    assert_eq!((phases.first(), phases.last()), (Some(&"reading data"), Some(&"writing the package")));
    let losses = |split: &str| {
        let of_split = |event: &&train_event::Event| matches!(event, train_event::Event::Metric(metric) if metric.split == split && metric.name == "loss");
        events.iter().filter(of_split).count()
    };
    assert!(losses("train") >= 12 && losses("validation") >= 12, "{events:?}");
    assert!(events.iter().any(|event| matches!(event, train_event::Event::Checkpoint(_))));
    // What was only needed to try the model is gone.
    assert!(!job.path().join("verified").exists());
}

#[tokio::test]
async fn a_job_that_was_killed_goes_on_and_ends_in_the_same_bytes() {
    let straight = tempfile::tempdir().unwrap();
    let (_, result) = Job::new(&straight, SMALL).trained().await;
    let expected = package(straight.path(), &result);

    let broken = tempfile::tempdir().unwrap();
    let mut last = 0;
    for _ in 0..3 {
        let mut stream = Job::new(&broken, SMALL).start().await;
        let step = checkpoint(&mut stream).await;
        assert!(step > last, "{step} comes after {last}");
        last = step;
        stream.kill().await;
    }
    let (events, result) = Job::new(&broken, SMALL).trained().await;
    let went_on = |event: &train_event::Event| matches!(event, train_event::Event::Log(log) if log.text.contains("going on from the checkpoint"));
    assert!(events.iter().any(went_on), "{events:?}");
    assert!(package(broken.path(), &result) == expected, "the bytes differ");
}
