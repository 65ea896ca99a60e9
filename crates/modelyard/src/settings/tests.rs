use super::*;

fn with_file(text: &str) -> Result<(Settings, Vec<String>), SettingsError> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("modelyard.toml");
    fs_err::write(&file, text).unwrap();
    load(&Sources { file: Some(file), ..Sources::default() })
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_last_source_wins() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("m.toml");
    fs_err::write(
        &file,
        "data_dir = \"a\"\n[server]\nhttp = \"127.0.0.1:1\"\n\n[http]\nmax_body_bytes = 1_000\n",
    )
    .unwrap();
    let sources = Sources {
        file: Some(file),
        variables: pairs(&[
            ("MODELYARD_SERVER_HTTP", "127.0.0.1:2"),
            ("MODELYARD_DATA_DIR", "b"),
            ("HOME", "/x"),
        ]),
        flags: pairs(&[("data_dir", "c")]),
    };
    let (settings, warnings) = load(&sources).unwrap();
    assert_eq!(settings.data_dir, PathBuf::from("c"));
    assert_eq!(settings.server.http_address, "127.0.0.1:2".parse().unwrap());
    assert_eq!(settings.server.http.max_body_bytes, 1000);
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn unknown_and_unreadable_values_are_errors_that_say_where() {
    let cases = [
        ("[server]\nhttps = 1\n", "there is no setting 'server.https'"),
        ("typo = 1\n", "there is no setting 'typo'"),
        ("[server]\nhttp = \"localhost\"\n", "'server.http' is 'localhost': expected an address"),
        ("[serving]\nmax_batch = 0\n", "expected a whole number from 1"),
        ("[serving]\nmax_queue_delay = 5\n", "expected a number and a unit"),
        ("[server\n", "is not valid TOML"),
    ];
    for (text, expected) in cases {
        let message = with_file(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{text:?}: {message}");
    }
}

#[test]
fn foreign_variables_of_the_same_prefix_only_warn() {
    let sources =
        Sources { variables: pairs(&[("MODELYARD_PORT", "tcp://10.0.0.1:80")]), ..Sources::default() };
    let (settings, warnings) = load(&sources).unwrap();
    assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()));
    assert_eq!(warnings.len(), 1);
}

#[test]
fn lists_and_durations_read_in_every_unit() {
    let (settings, _) = with_file(
        "[serving]\nmax_queue_delay = \"250us\"\ndrain_timeout = \"2m\"\n[server]\nallowed_hosts = [\"a\", \"b\"]\n",
    )
    .unwrap();
    assert_eq!(settings.serving.queue.max_queue_delay, Duration::from_micros(250));
    assert_eq!(settings.serving.drain_timeout, Duration::from_secs(120));
    assert_eq!(settings.server.allowed_hosts, ["a", "b"]);
}

#[test]
fn the_committed_reference_is_that_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let page = table::reference_page();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs_err::write(path, &page).unwrap();
    }
    let committed = fs_err::read_to_string(path).unwrap();
    assert!(
        committed == page,
        "docs/configuration.md differs from the code; run with UPDATE_EXPECTED=1 to rewrite it"
    );
}
