use std::os::unix::fs::PermissionsExt as _;

use fs_err as fs;

use crate::program::{TestServer, outcome, program};

#[test]
fn a_running_server_is_healthy_until_its_key_lies_open() {
    let server = TestServer::start();
    let (http, grpc) = (server.http.replace("http://", ""), server.grpc.replace("http://", ""));
    let doctor = || {
        outcome(
            server
                .command()
                .env("MODELYARD_SERVER_HTTP", &http)
                .env("MODELYARD_SERVER_GRPC", &grpc)
                .arg("doctor"),
        )
    };
    let healthy = doctor().data();
    for part in ["in use by a running server", "is ready", "accepted; models that it sees: 0", "rten"] {
        assert!(healthy.contains(part), "{healthy}");
    }
    assert!(!healthy.contains("MEND"), "{healthy}");

    let key = server.folder.path().join("modelyard-data/admin.key");
    fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ill = doctor();
    assert_eq!(ill.status, Some(1), "{ill:?}");
    assert!(ill.stdout.contains("chmod 600"), "{ill:?}");
    assert!(ill.stderr.contains("1 thing to mend"), "{ill:?}");
}

#[test]
fn a_wrong_setting_is_found_before_a_server_is_started() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("modelyard.toml"), "[server]\nhtpp = \"127.0.0.1:0\"\n").unwrap();
    let mut command = program(folder.path());
    let outcome = outcome(command.args(["doctor", "--json"]));
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["healthy"], false);
    let settings =
        report["findings"].as_array().unwrap().iter().find(|finding| finding["what"] == "settings");
    assert!(settings.unwrap()["found"].as_str().unwrap().contains("server.htpp"), "{report}");
}
