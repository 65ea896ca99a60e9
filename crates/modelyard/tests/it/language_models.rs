//! Language models as versions.

use fs_err as fs;

use crate::{
    program::TestServer,
    small_language_model::{CONTEXT, Options, VOCABULARY, write},
};

#[test]
fn a_gguf_file_becomes_a_version_whose_passport_says_what_it_is() {
    let server = TestServer::start();
    let file = server.folder.path().join("tiny.gguf");
    let parameters = write(&file, Options::default());
    assert_eq!(server.run_on(&["push", "tiny"], &file, &[]).data(), "tiny version 1");

    let passport = server.run(&["show", "tiny", "--json"]).json();
    let language = &passport["language"];
    for (fact, expected) in [
        ("architecture", "llama"),
        ("quantization", "Q8_0"),
        ("tokenizer", "sentence pieces"),
        ("chat_template", "chatml"),
    ] {
        assert_eq!(language[fact], expected, "{language}");
    }
    for (fact, expected) in [
        ("parameters", parameters),
        ("context", CONTEXT as u64),
        ("vocabulary", VOCABULARY as u64),
        ("width", 64),
    ] {
        assert_eq!(language[fact], expected, "{language}");
    }
    assert!(language["tokens_per_second"].as_f64().unwrap() > 1.0, "{language}");
    assert!(language["weight_bytes"].as_u64().unwrap() > 50_000, "{language}");
    assert_eq!(passport["engine"], "modelyard-llm");
    assert_eq!(passport["proof"]["engine"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(passport["proof"]["main_file"], "tiny.gguf");
    assert_eq!(passport["proof"]["joining"]["reason"], "a language model");
    assert_eq!(passport["proof"]["warm_up"]["skipped"], "it wrote 16 tokens instead");
    assert_eq!(passport["signature"], serde_json::json!({"inputs": [], "outputs": []}));

    let shown = server.run(&["show", "tiny"]).data();
    assert!(shown.contains("\nLanguage model\n  Family         llama\n"), "{shown}");
    assert!(!shown.contains("Takes"), "{shown}");
    // The same bytes are the same version, and others the next one.
    assert_eq!(server.run_on(&["push", "tiny"], &file, &[]).data(), "tiny version 1");
    write(&file, Options { scale: 0.5, ..Options::default() });
    assert_eq!(server.run_on(&["push", "tiny"], &file, &[]).data(), "tiny version 2");
}

#[test]
fn rows_are_for_the_model_that_takes_them() {
    let server = TestServer::start();
    let file = server.folder.path().join("tiny.gguf");
    write(&file, Options::default());
    server.run_on(&["push", "tiny"], &file, &[]).data();
    let row = server.folder.path().join("row.csv");
    fs::write(&row, vec!["0"; 64].join(",")).unwrap();
    server.run_on(&["predict", "tiny", "--input"], &row, &[]).fails(6, "language model");
    let lists = server.run(&["models"]).data();
    assert!(lists.contains("tiny"), "{lists}");
}

#[test]
fn files_that_are_no_language_models_are_refused_with_the_reason() {
    let server = TestServer::start();
    let file = server.folder.path().join("m.gguf");
    write(&file, Options { architecture: "mamba", ..Options::default() });
    server
        .run_on(&["push", "m"], &file, &[])
        .fails(6, "'m.gguf' cannot be run: models of the architecture 'mamba' are not supported");
    write(&file, Options::default());
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    server.run_on(&["push", "m"], &file, &[]).fails(6, "'m.gguf' cannot be run: ");
    fs::write(&file, "garbage").unwrap();
    server.run_on(&["push", "m"], &file, &[]).fails(6, "does not begin with the letters GGUF");

    let folder = server.folder.path().join("both");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a.gguf"), &whole).unwrap();
    fs::write(folder.join("b.onnx"), "unread").unwrap();
    server.run_on(&["push", "m"], &folder, &[]).fails(6, "2 model files (a.gguf, b.onnx)");
    fs::remove_file(folder.join("b.onnx")).unwrap();
    fs::write(folder.join("golden.json"), "[]").unwrap();
    server.run_on(&["push", "m"], &folder, &[]).fails(6, "'golden.json': golden samples are tensors");
    assert_eq!(server.run(&["models"]).data(), "", "nothing came of it");
}
