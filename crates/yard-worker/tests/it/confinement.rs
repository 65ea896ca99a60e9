//! What a worker cannot do.

use std::{fs, net::TcpListener};

use landlock::{AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
use yard_worker::{ExitCause, Landlock, Worker, WorkerCommand, WorkerError, WorkerLimits};

use crate::{ask, command, within, worker};

/// Whether the kernel takes a rule at all, asked here and not in a worker.
fn kernel_has_landlock() -> bool {
    let rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    rules.handle_access(AccessFs::Execute).and_then(Ruleset::create).is_ok()
}

#[tokio::test]
async fn files_outside_its_own_are_closed_to_it() {
    let package = tempfile::tempdir().unwrap();
    let inside = package.path().join("model.onnx");
    fs::write(&inside, "12345").unwrap();
    let other = tempfile::tempdir().unwrap();
    let outside = other.path().join("secret");
    fs::write(&outside, "secret").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();

    let missing = package.path().join("not there");
    let readable = vec![package.path().to_owned(), missing];
    let mut worker = Worker::spawn(WorkerCommand { readable, ..command() }).await.unwrap();
    assert_eq!(ask(&mut worker, "read", inside.to_str().unwrap()).await.unwrap(), "5");
    assert_eq!(worker.landlock() != Landlock::Absent, kernel_has_landlock());
    if worker.landlock() == Landlock::Absent {
        // Without Landlock the other limits hold, and the report must have said so.
        assert_eq!(ask(&mut worker, "read", outside.to_str().unwrap()).await.unwrap(), "6");
        return;
    }
    let (outside, inside) = (outside.to_str().unwrap(), inside.to_str().unwrap());
    let new = package.path().join("new");
    let cases = [
        ("read", "/etc/passwd"),
        ("read", outside),
        ("list", "/"),
        ("list", other.path().to_str().unwrap()),
        ("write", inside),
        ("write", new.to_str().unwrap()),
        ("write", "/dev/shm/yard-worker-test"),
        ("run", "/bin/true"),
    ];
    for (kind, path) in cases {
        assert_eq!(ask(&mut worker, kind, path).await.unwrap(), "PermissionDenied", "{kind} {path}");
    }
    assert_eq!(fs::read_to_string(inside).unwrap(), "12345");
    // A path out of the package leads nowhere.
    let detour = format!("{}/../../etc/passwd", package.path().display());
    assert_eq!(ask(&mut worker, "read", &detour).await.unwrap(), "PermissionDenied");
    if worker.landlock() == Landlock::Enforced {
        assert_eq!(ask(&mut worker, "connect", &address).await.unwrap(), "PermissionDenied");
    }
    // What native engines read of the system stays open.
    for path in ["/proc/self/status", "/proc/cpuinfo", "/sys/devices/system/cpu/online"] {
        let read = ask(&mut worker, "read", path).await.unwrap();
        assert!(read.parse::<usize>().is_ok_and(|bytes| bytes > 0), "{path}: {read}");
    }
}

#[tokio::test]
async fn a_worker_writes_in_its_own_directory_and_nowhere_else() {
    let job = tempfile::tempdir().unwrap();
    let package = tempfile::tempdir().unwrap();
    fs::write(package.path().join("data.csv"), "12345").unwrap();
    let limits = WorkerLimits { written_file_bytes: 1 << 20, ..WorkerLimits::default() };
    let command = WorkerCommand {
        readable: vec![package.path().to_owned()],
        writable: vec![job.path().to_owned()],
        ..within(limits)
    };
    let mut worker = Worker::spawn(command).await.unwrap();
    let path = |directory: &tempfile::TempDir, name: &str| {
        directory.path().join(name).into_os_string().into_string().unwrap()
    };
    let (first, second, folder) = (path(&job, "first"), path(&job, "folder/second"), path(&job, "folder"));
    let cases = [
        ("write", first.clone(), "written"),
        ("write", first.clone(), "written"),
        ("read", first.clone(), "1"),
        ("make directory", folder.clone(), "made"),
        ("move", format!("{first}\n{second}"), "moved"),
        ("list", folder.clone(), "1"),
        ("remove", folder, "removed"),
    ];
    for (kind, path, expected) in cases {
        assert_eq!(ask(&mut worker, kind, &path).await.unwrap(), expected, "{kind} {path}");
    }
    if worker.landlock() != Landlock::Absent {
        let outside = path(&package, "data.csv");
        let cases = [
            ("write", outside.clone()),
            ("write", path(&package, "new")),
            ("remove", outside.clone()),
            ("move", format!("{outside}\n{}", path(&job, "stolen"))),
            ("link", path(&job, "link")),
            ("write", path(&job, "../escaped")),
        ];
        for (kind, path) in cases {
            let answer = ask(&mut worker, kind, &path).await.unwrap();
            assert!(matches!(&*answer, "PermissionDenied" | "CrossesDevices"), "{kind} {path}: {answer}");
        }
        assert_eq!(fs::read_to_string(package.path().join("data.csv")).unwrap(), "12345");
    }
    let error = ask(&mut worker, "write much", &path(&job, "much")).await.unwrap_err();
    let WorkerError::Exited(report) = error else { panic!("{error:?}") };
    assert_eq!(report.cause, Some(ExitCause::FileSize));
}

#[tokio::test]
async fn a_directory_to_write_in_must_be_there() {
    let job = tempfile::tempdir().unwrap();
    let missing = vec![job.path().join("not there")];
    let error = Worker::spawn(WorkerCommand { writable: missing, ..command() }).await.unwrap_err();
    let WorkerError::NotConfined { message } = error else { panic!("{error:?}") };
    assert!(message.contains("a directory to write in cannot be opened"), "{message}");
}

#[tokio::test]
async fn limits_and_given_up_privileges_hold_in_the_child() {
    let limits = WorkerLimits {
        memory_bytes: 300 << 20,
        address_space_bytes: 3 << 30,
        cpu_seconds: Some(77),
        open_files: 99,
        niceness: 7,
        ..WorkerLimits::default()
    };
    let mut worker = Worker::spawn(within(limits)).await.unwrap();
    let limits = ask(&mut worker, "limits", "").await.unwrap();
    let row = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        let numbers: Vec<String> = line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect();
        numbers.join(" ")
    };
    let expected = [
        ("Max data size", format!("{0} {0}", 300 << 20)),
        ("Max address space", format!("{0} {0}", 3_u64 << 30)),
        ("Max cpu time", "77 78".to_owned()),
        ("Max open files", "99 99".to_owned()),
        ("Max file size", "0 0".to_owned()),
        ("Max core file size", "0 0".to_owned()),
    ];
    for (name, expected) in expected {
        assert_eq!(row(name), expected, "{name}");
    }
    let status = ask(&mut worker, "status", "").await.unwrap();
    let gained = status.lines().find(|line| line.starts_with("NoNewPrivs:")).unwrap();
    assert_eq!(gained.split_whitespace().last(), Some("1"));
    let ours = rustix::process::getpriority_process(None).unwrap();
    let expected = (ours + 7).min(19).to_string();
    assert_eq!(ask(&mut worker, "niceness", "").await.unwrap(), expected);
}

#[tokio::test]
async fn a_worker_without_a_limit_of_processor_time_has_none() {
    let limits = WorkerLimits { cpu_seconds: None, ..WorkerLimits::default() };
    let mut worker = Worker::spawn(within(limits)).await.unwrap();
    let limits = ask(&mut worker, "limits", "").await.unwrap();
    assert!(limits.contains("Max cpu time              unlimited"), "{limits}");
}

/// How many files this process would hand on to any program: those that whoever started it left open for us. Rust marks
/// all that it opens as not to be handed on.
fn inherited_files() -> usize {
    let is_handed_on = |number: &str| {
        // Gone by now if it was the listing itself.
        let Ok(information) = fs::read_to_string(format!("/proc/self/fdinfo/{number}")) else { return false };
        let flags = information.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        u32::from_str_radix(flags.trim(), 8).unwrap() & 0o2_000_000 == 0
    };
    let numbers = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().file_name());
    numbers
        .filter_map(|number| number.into_string().ok())
        .filter(|number| number.parse::<u32>().is_ok_and(|number| number > 2) && is_handed_on(number))
        .count()
}

#[tokio::test]
async fn nothing_of_ours_is_handed_on() {
    let ours = tempfile::NamedTempFile::new().unwrap();
    let mut worker = worker().await;
    let path = ours.path().to_str().unwrap();
    let links = ask(&mut worker, "links", "").await.unwrap();
    assert!(!links.contains(path), "{links}");
    // Its socket, its three standard streams, and the directory that is being listed.
    assert_eq!(links.lines().count(), 5 + inherited_files(), "{links}");
    assert_eq!(ask(&mut worker, "environment", "").await.unwrap(), "0");
    assert_eq!(ask(&mut worker, "stdin", "").await.unwrap(), "0");
}

#[tokio::test]
async fn the_environment_is_what_was_given_and_nothing_else() {
    let environment = vec![("ONE".into(), "1".into()), ("TWO".into(), "2".into())];
    let mut worker = Worker::spawn(WorkerCommand { environment, ..command() }).await.unwrap();
    assert_eq!(ask(&mut worker, "environment", "").await.unwrap(), "2");
}

#[tokio::test]
async fn a_program_that_has_started_threads_is_not_taken_for_confined() {
    let fixture = env!("CARGO_BIN_EXE_yard-worker-fixture");
    let error = Worker::spawn(WorkerCommand::at(fixture, ["worker", "threaded"])).await.unwrap_err();
    let WorkerError::NotConfined { message } = error else { panic!("{error:?}") };
    assert!(message.contains("2 threads"), "{message}");
}
