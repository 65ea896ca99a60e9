use std::collections::BTreeMap;

use yard_api::management::{
    AliasMoveBody, EngineBody, FileBody, JoiningBody, LanguageBody, ProofBody, ProvenanceBody, SignatureBody,
    VersionBody, WarmUpBody,
};

use super::*;

fn passport() -> Passport {
    let tensor = |name: &str, shape: Option<Vec<&str>>, labels| TensorBody {
        name: name.into(),
        datatype: "FP32".into(),
        shape: shape.map(|dims| dims.into_iter().map(str::to_owned).collect()),
        labels,
    };
    Passport {
        version: VersionBody {
            model: "digits".into(),
            version: 2,
            state: "ready".into(),
            created_at: "2026-11-22T01:00:00Z".into(),
            created_by: "abc".into(),
            digest: "d1".into(),
            size: 40_000,
            engine: "onnxruntime".into(),
            aliases: vec!["canary".into(), "production".into()],
            language: None,
        },
        files: vec![FileBody { path: "digits.onnx".into(), digest: "d2".into(), size: 40_000 }],
        signature: SignatureBody {
            inputs: vec![tensor("pixels", Some(vec!["N", "64"]), None)],
            outputs: vec![
                tensor(
                    "probabilities",
                    Some(vec!["N", "10"]),
                    Some((0..20).map(|n| n.to_string()).collect()),
                ),
                tensor("odd", None, None),
            ],
        },
        provenance: ProvenanceBody {
            origin: "push".into(),
            parent: Some(1),
            note: Some("line one\nline\u{1b}[2J two".into()),
            facts: BTreeMap::from([("seed".into(), "7".into())]),
        },
        proof: ProofBody {
            engine: EngineBody { name: "onnxruntime".into(), version: "1.31.1".into() },
            main_file: "digits.onnx".into(),
            joining: JoiningBody { allowed: true, max_difference: Some(0.0), reason: None },
            warm_up: WarmUpBody { shapes: Some(vec![vec![1, 64]]), skipped: None },
            golden_samples: 0,
            single_run_microseconds: Some(5.25),
            memory_bytes: 1_500_000,
        },
        alias_history: vec![AliasMoveBody {
            alias: "production".into(),
            from: Some(1),
            to: Some(2),
            at: "2026-11-22T02:00:00Z".into(),
            by: "abc".into(),
        }],
    }
}

#[test]
fn a_passport_reads_like_this() {
    let expected = "\
digits version 2
State        ready
Aliases      canary, production
Ready since  2026-11-22T01:00:00Z by abc
Digest       d1
Size         39.06 KiB
Origin       push
Made from    version 1
Note         line one line\\u{1b}[2J two
seed         7

Takes
  pixels  FP32  [N, 64]

Gives
  probabilities  FP32  [N, 10]    labels: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more
  odd            FP32  any shape

Proof
  Engine         onnxruntime 1.31.1
  Main file      digits.onnx
  Batching       rows of several requests run together; proven bit for bit equal
  First run      ran on [1, 64]
  One row takes  5.2 microseconds (median, at proof)
  Memory         1.43 MiB

Files
  digits.onnx  39.06 KiB  d2

Moves of aliases
  2026-11-22T02:00:00Z  production  1 -> 2  by abc";
    assert_eq!(crate::output::harmless(&render(&passport())), expected);
}

#[test]
fn a_model_that_is_not_batched_says_why() {
    let mut passport = passport();
    passport.proof.joining = JoiningBody {
        allowed: false,
        max_difference: None,
        reason: Some("it scales over the whole tensor".into()),
    };
    passport.proof.warm_up = WarmUpBody { shapes: None, skipped: Some("too large".into()) };
    let text = render(&passport);
    assert!(text.contains("requests run one by one: it scales over the whole tensor"), "{text}");
    assert!(text.contains("not run: too large"), "{text}");
}

#[test]
fn a_language_model_reads_like_this() {
    let mut passport = passport();
    passport.version.language = Some(LanguageBody {
        architecture: "llama".into(),
        parameters: 134_515_008,
        context: 8192,
        vocabulary: 49_152,
        width: 576,
        quantization: "Q4_1".into(),
        tokenizer: "byte pairs".into(),
        chat_template: Some("file".into()),
        tokens_per_second: Some(61.34),
        weight_bytes: 88 << 20,
        position_bytes: Some(23_040),
    });
    passport.signature = SignatureBody { inputs: vec![], outputs: vec![] };
    passport.proof.engine = EngineBody { name: "modelyard-llm".into(), version: "0.1.0".into() };
    passport.proof.joining =
        JoiningBody { allowed: false, max_difference: None, reason: Some("a language model".into()) };
    passport.proof.warm_up = WarmUpBody { shapes: None, skipped: Some("it wrote 16 tokens instead".into()) };
    passport.proof.single_run_microseconds = None;
    let text = render(&passport);
    let expected = "

Language model
  Family         llama
  Parameters     134515008
  Context        8192 tokens
  Vocabulary     49152 tokens, byte pairs
  Width          576
  Weights        mostly Q4_1, 88.00 MiB when loaded
  Chat template  in the file
  Speed          61.3 tokens a second (one answer, at proof)

Proof
  Engine     modelyard-llm 0.1.0
  Main file  digits.onnx
  First run  it wrote 16 tokens instead
  Memory     1.43 MiB

Files
";
    assert!(text.contains(expected), "{text}");
    passport.version.language.as_mut().unwrap().chat_template = Some("chatml".into());
    assert!(render(&passport).contains("Chat template  chatml, told by the vocabulary"), "{text}");
}
