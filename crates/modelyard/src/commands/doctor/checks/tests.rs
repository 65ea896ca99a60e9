use std::fs::Permissions;

use super::*;
use crate::commands::doctor::finding::Verdict;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_data_directory_that_others_can_write_must_be_mended() {
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o777);
    let finding = data_directory(folder.path());
    assert_eq!(finding.verdict, Verdict::Mend);
    assert!(finding.advice.unwrap().starts_with("chmod 700"));
    set_mode(folder.path(), 0o700);
    assert_eq!(data_directory(folder.path()).verdict, Verdict::Good);
}

#[test]
fn a_file_is_no_data_directory_and_a_missing_one_is_made_later() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(data_directory(&file).verdict, Verdict::Mend);
    assert_eq!(data_directory(&folder.path().join("later")).verdict, Verdict::Good);
}

#[test]
fn a_held_lock_is_seen_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let lock = fs::File::create(folder.path().join("lock")).unwrap();
    assert!(data_directory(folder.path()).found.ends_with("not in use"));
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    assert!(data_directory(folder.path()).found.ends_with("in use by a running server"));
}

#[test]
fn an_admin_key_that_others_can_read_must_be_mended() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(admin_key(folder.path()).verdict, Verdict::Note);
    let key = folder.path().join(ADMIN_KEY_FILE);
    fs::write(&key, "my_a_b").unwrap();
    set_mode(&key, 0o644);
    assert_eq!(admin_key(folder.path()).verdict, Verdict::Mend);
    set_mode(&key, 0o600);
    assert_eq!(admin_key(folder.path()).verdict, Verdict::Good);
}

#[test]
fn a_port_that_another_program_has_must_be_mended() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(port("REST", address, false).verdict, Verdict::Mend);
    assert_eq!(port("REST", address, true).verdict, Verdict::Good);
    drop(listener);
    assert_eq!(port("REST", address, false).verdict, Verdict::Good);
}

#[test]
fn a_library_that_cannot_be_loaded_must_be_mended() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("libonnxruntime.so");
    fs::write(&library, "no library").unwrap();
    let findings = engines(Some(&library), None);
    assert!(findings.iter().any(|finding| finding.verdict == Verdict::Mend), "{findings:?}");
    let findings = engines(None, None);
    assert!(findings.iter().all(|finding| finding.verdict != Verdict::Mend), "{findings:?}");
    assert!(findings.iter().any(|finding| finding.found.starts_with("rten ")), "{findings:?}");
}
