use crate::program::{TestServer, digits, outcome};

#[test]
fn a_key_may_do_what_its_role_allows_until_it_is_revoked() {
    let server = TestServer::start();
    server.push_digits();
    let created =
        server.run(&["keys", "create", "an app", "--role", "consumer", "--model", "digits", "--weight", "3"]);
    assert!(created.stderr.contains("shown this once"), "{created:?}");
    let secret = created.data();
    let id = secret.split('_').nth(1).unwrap().to_owned();
    let with_key =
        |arguments: &[&str]| outcome(server.command().env("MODELYARD_API_KEY", &secret).args(arguments));

    assert!(with_key(&["models"]).data().contains("digits"));
    with_key(&["promote", "digits", "1"]).fails(4, "permission_denied");
    outcome(server.command().env("MODELYARD_API_KEY", &secret).args(["push", "digits"]).arg(digits()))
        .fails(4, "permission_denied");
    with_key(&["keys", "list"]).fails(4, "permission_denied");

    let list = server.run(&["keys", "list"]).data();
    let line = list.lines().find(|line| line.starts_with(&id)).unwrap();
    assert!(line.contains("an app") && line.contains("consumer") && line.contains("in use"), "{list}");
    assert!(line.contains("  3  "), "{list}");
    assert!(!list.contains(&secret), "secrets are shown once");

    let rotated = server.run(&["keys", "rotate", &id]).data();
    assert_ne!(rotated, secret);
    with_key(&["models"]).fails(4, "unauthenticated");
    let revoked = server.run(&["keys", "revoke", &id, "--json"]).json();
    assert_eq!(revoked, serde_json::json!({"id": id, "revoked": true}));
    outcome(server.command().env("MODELYARD_API_KEY", &rotated).arg("models")).fails(4, "unauthenticated");
    assert!(server.run(&["keys", "list"]).data().contains("revoked 2"));
}

#[test]
fn without_a_key_or_with_a_wrong_one_nothing_is_shown() {
    let server = TestServer::start();
    outcome(server.command().args(["--data-dir", "elsewhere", "models"])).fails(4, "unauthenticated");
    server.run(&["--api-key", "my_wrong_key", "models"]).fails(4, "unauthenticated");
    server.run(&["--api-key", "two words", "models"]).fails(2, "visible characters");
}
