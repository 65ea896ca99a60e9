use std::path::PathBuf;

use fs_err as fs;
use tempfile::TempDir;

use super::*;

#[path = "../../../tests/it/small_language_model.rs"]
mod small_language_model;

use small_language_model::{CONTEXT, Options, VOCABULARY, write};

/// A package with one file.
struct Package(TempDir);

impl Package {
    fn new(options: Options<'_>) -> (Self, u64) {
        let folder = tempfile::tempdir().unwrap();
        let parameters = write(&folder.path().join("m.gguf"), options);
        (Self(folder), parameters)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("m.gguf")
    }

    fn request(&self) -> ProveRequest {
        ProveRequest {
            model: "m".to_owned(),
            package_directory: self.0.path().to_str().unwrap().to_owned(),
            main_file: "m.gguf".to_owned(),
            ..ProveRequest::default()
        }
    }

    #[track_caller]
    fn refused(&self) -> (ErrorCode, String) {
        let refusal = prove(&self.request()).unwrap_err();
        (refusal.error_code(), refusal.message)
    }
}

#[test]
fn a_language_model_is_told_by_the_name_of_its_file() {
    let named = |main_file: &str| {
        is_meant(&ProveRequest { main_file: main_file.to_owned(), ..ProveRequest::default() })
    };
    assert!(named("a/SmolLM2.Q4_0.GGUF") && named("model.gguf"));
    assert!(!named("model.onnx") && !named("gguf") && !named("model.gguf/weights"));
}

#[test]
fn the_proof_says_what_the_model_is_made_of() {
    let (package, parameters) = Package::new(Options::default());
    let report = prove(&package.request()).unwrap();
    let stamp = EngineStamp { name: ENGINE.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    assert_eq!(report.engine, Some(stamp));
    assert_eq!(report.signature, Some(Signature::default()));
    let skipped = warm_up::Outcome::Skipped("it wrote 16 tokens instead".to_owned());
    assert_eq!(report.warm_up, Some(WarmUp { outcome: Some(skipped) }));
    let language = report.language.unwrap();
    assert!(language.tokens_per_second.is_some_and(|rate| rate > 1.0), "{language:?}");
    assert!(language.weight_bytes > 50_000, "{language:?}");
    // Two layers with two heads of 16 keys and 16 values each, of two bytes.
    assert_eq!(language.position_bytes, Some(2 * 2 * 32 * 2));
    let expected = LanguageReport {
        architecture: "llama".to_owned(),
        parameters,
        context: CONTEXT as u64,
        vocabulary: VOCABULARY as u64,
        width: 64,
        quantization: "Q8_0".to_owned(),
        tokenizer: "sentence pieces".to_owned(),
        chat_template: Some("chatml".to_owned()),
        ..language
    };
    assert_eq!(language, expected);
}

#[test]
fn a_template_in_the_file_is_the_one_that_counts() {
    let template = "{{ messages[0].content }}";
    let (package, _) = Package::new(Options { chat_template: Some(template), ..Options::default() });
    let language = prove(&package.request()).unwrap().language.unwrap();
    assert_eq!(language.chat_template.as_deref(), Some("file"));
    let (package, _) = Package::new(Options { chat_template: Some("{% for %}"), ..Options::default() });
    let (code, message) = package.refused();
    assert_eq!(code, ErrorCode::InvalidArgument);
    assert!(
        message.starts_with("'m.gguf' cannot be run: the model's chat template cannot be read"),
        "{message}"
    );
}

#[test]
fn an_architecture_that_is_not_known_is_named() {
    let (package, _) = Package::new(Options { architecture: "mamba", ..Options::default() });
    let (code, message) = package.refused();
    assert_eq!(code, ErrorCode::Unsupported);
    assert!(
        message.contains("models of the architecture 'mamba' are not supported; supported are llama"),
        "{message}"
    );
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let (package, _) = Package::new(Options::default());
    let whole = fs::read(package.path()).unwrap();
    for keep in [0, 3, 4, 23, 24, 100, 1000, 6000, whole.len() / 2, whole.len() - 64] {
        fs::write(package.path(), &whole[..keep]).unwrap();
        let (code, message) = package.refused();
        assert_eq!(code, ErrorCode::InvalidArgument, "{keep} bytes: {message}");
        assert!(message.starts_with("'m.gguf' cannot be run: "), "{message}");
    }
    fs::write(package.path(), "this is no model").unwrap();
    assert!(package.refused().1.ends_with("it does not begin with the letters GGUF"));
}

#[test]
fn weights_that_compute_no_numbers_are_refused() {
    let (package, _) = Package::new(Options { norm: f32::NAN, ..Options::default() });
    let (code, message) = package.refused();
    assert_eq!(code, ErrorCode::InvalidArgument, "{message}");
    assert!(message.ends_with("is NaN"), "{message}");
}

#[test]
fn more_weights_than_are_allowed_are_refused_before_they_are_read() {
    let (package, _) = Package::new(Options::default());
    let limits = yard_worker::prove::ProofLimits { max_weight_bytes: 5000, ..Default::default() };
    let refusal = prove(&ProveRequest { limits: Some(limits), ..package.request() }).unwrap_err();
    assert_eq!(refusal.error_code(), ErrorCode::InvalidArgument);
    assert!(
        refusal.message.ends_with("bytes of weights, more than the 5000 bytes allowed"),
        "{}",
        refusal.message
    );
}

#[test]
fn golden_samples_beside_a_language_model_are_refused() {
    let (package, _) = Package::new(Options::default());
    let request = ProveRequest { golden_file: Some("golden.json".to_owned()), ..package.request() };
    let refusal = prove(&request).unwrap_err();
    assert_eq!(refusal.error_code(), ErrorCode::InvalidArgument);
    assert!(refusal.message.starts_with("'golden.json': golden samples are tensors"), "{}", refusal.message);
}
