use proptest::prelude::*;
use yard_registry::{EngineStamp, JoiningRecord, LanguageRecord, WarmUpRecord};
use yard_types::{DataType, Dim, Signature, TensorSpec};

use super::*;

// === the museum: one sample of every format that was ever written, and what it means ===

#[test]
fn the_first_format_of_serving_options_is_read() {
    let sample = r#"{"format":1,"max_batch":32,"max_queue_delay_ns":2000000,"interactive_queue":128,"background_queue":null,"workers":2,"timeout_ns":5000000000}"#;
    let options = ServingOptions {
        max_batch: NonZeroUsize::new(32),
        max_queue_delay: Some(Duration::from_millis(2)),
        queue_length: QueueClassLimits { interactive: NonZeroUsize::new(128), background: None },
        workers: NonZeroUsize::new(2),
        timeout: Some(Duration::from_secs(5)),
        share_prefixes: false,
    };
    assert_eq!(serving_from_json(sample).unwrap(), options);
    assert_eq!(serving_to_json(&options).unwrap(), sample);
}

#[test]
fn the_second_format_of_serving_options_is_read() {
    let sample = r#"{"format":2,"max_batch":null,"max_queue_delay_ns":null,"interactive_queue":null,"background_queue":null,"workers":null,"timeout_ns":null,"share_prefixes":true}"#;
    let options = ServingOptions { share_prefixes: true, ..ServingOptions::default() };
    assert_eq!(serving_from_json(sample).unwrap(), options);
    assert_eq!(serving_to_json(&options).unwrap(), sample);
    for (right, wrong) in [(r#""format":2"#, r#""format":1"#), (r#","share_prefixes":true"#, "")] {
        assert!(serving_from_json(&sample.replace(right, wrong)).is_err(), "{wrong}");
    }
}

#[test]
fn the_first_format_of_provenance_is_read() {
    let sample = r#"{"format":1,"parent":3,"note":"better labels","origin":"push","facts":[["seed","7"],["data","sha256:00"]]}"#;
    let provenance = Provenance {
        parent: VersionNumber::new(3).ok(),
        note: Some("better labels".into()),
        origin: "push".into(),
        facts: vec![("seed".into(), "7".into()), ("data".into(), "sha256:00".into())],
    };
    assert_eq!(provenance_from_json(sample).unwrap(), provenance);
    assert_eq!(provenance_to_json(&provenance).unwrap(), sample);
}

#[test]
fn the_first_format_of_proofs_is_read() {
    let sample = concat!(
        r#"{"format":1,"engine":{"name":"onnxruntime","version":"1.23.0"},"main":"model.onnx","#,
        r#""inputs":[{"name":"x","data_type":"FP32","shape":["batch",64,null],"labels":null}],"#,
        r#""outputs":[{"name":"y","data_type":"BYTES","shape":null,"labels":["cat","dog"]}],"#,
        r#""joining":{"allowed":{"max_difference":"1e-7"}},"warm_up":{"ran":{"shapes":[[1,64,1]]}},"#,
        r#""golden_samples":2,"single_run_ns":1500,"memory_bytes":1048576}"#
    );
    let proof = ProofRecord {
        engine: EngineStamp { name: "onnxruntime".into(), version: "1.23.0".into() },
        main: "model.onnx".parse().unwrap(),
        signature: Signature {
            inputs: vec![TensorSpec {
                name: "x".into(),
                data_type: DataType::Fp32,
                shape: Some(vec![Dim::Symbol("batch".into()), Dim::Fixed(64), Dim::Any]),
                labels: None,
            }],
            outputs: vec![TensorSpec {
                name: "y".into(),
                data_type: DataType::Bytes,
                shape: None,
                labels: Some(vec!["cat".into(), "dog".into()]),
            }],
        },
        joining: JoiningRecord::Allowed { max_difference: 1e-7 },
        warm_up: WarmUpRecord::Ran { shapes: vec![vec![1, 64, 1]] },
        golden_samples: 2,
        single_run: Some(Duration::from_nanos(1500)),
        memory_bytes: 1 << 20,
        language: None,
    };
    assert_eq!(proof_from_json(sample).unwrap(), proof);
    assert_eq!(proof_to_json(&proof).unwrap(), sample);
    let sample = concat!(
        r#"{"format":1,"engine":{"name":"rten","version":"0.27"},"main":"m.onnx","inputs":[],"outputs":[],"#,
        r#""joining":{"refused":{"reason":"a"}},"warm_up":{"skipped":{"reason":"b"}},"#,
        r#""golden_samples":0,"single_run_ns":null,"memory_bytes":0}"#
    );
    let proof = proof_from_json(sample).unwrap();
    assert_eq!(proof.joining, JoiningRecord::Refused { reason: "a".into() });
    assert_eq!(proof.warm_up, WarmUpRecord::Skipped { reason: "b".into() });
}

#[test]
fn the_second_format_of_proofs_is_read() {
    let sample = concat!(
        r#"{"format":2,"engine":{"name":"modelyard-llm","version":"0.1.0"},"main":"m.gguf","inputs":[],"outputs":[],"#,
        r#""joining":{"refused":{"reason":"a language model"}},"warm_up":{"skipped":{"reason":"it wrote"}},"#,
        r#""golden_samples":0,"single_run_ns":null,"memory_bytes":7,"language":{"architecture":"llama","#,
        r#""parameters":134515008,"context":8192,"vocabulary":49152,"width":576,"quantization":"Q4_1","#,
        r#""tokenizer":"byte pairs","chat_template":"chatml","tokens_per_second":"61.3","weight_bytes":88000000}}"#
    );
    let language = LanguageRecord {
        architecture: "llama".into(),
        parameters: 134_515_008,
        context: 8192,
        vocabulary: 49_152,
        width: 576,
        quantization: "Q4_1".into(),
        tokenizer: "byte pairs".into(),
        chat_template: Some("chatml".into()),
        tokens_per_second: Some(61.3),
        weight_bytes: 88_000_000,
        position_bytes: None,
    };
    let proof = proof_from_json(sample).unwrap();
    assert_eq!(proof.language, Some(language));
    assert_eq!(proof_to_json(&proof).unwrap(), sample);
    let other_format = sample.replace(r#""format":2"#, r#""format":1"#);
    assert!(proof_from_json(&other_format).is_err(), "the first format knows no language models");
}

#[test]
fn the_third_format_of_proofs_is_read() {
    let sample = concat!(
        r#"{"format":3,"engine":{"name":"modelyard-llm","version":"0.1.0"},"main":"m.gguf","inputs":[],"outputs":[],"#,
        r#""joining":{"refused":{"reason":"a language model"}},"warm_up":{"skipped":{"reason":"it wrote"}},"#,
        r#""golden_samples":0,"single_run_ns":null,"memory_bytes":7,"language":{"architecture":"qwen2","#,
        r#""parameters":494032768,"context":32768,"vocabulary":151936,"width":896,"quantization":"Q4_0","#,
        r#""tokenizer":"byte pairs","chat_template":null,"tokens_per_second":null,"weight_bytes":352000000,"#,
        r#""position_bytes":12288}}"#
    );
    let language = LanguageRecord {
        architecture: "qwen2".into(),
        parameters: 494_032_768,
        context: 32_768,
        vocabulary: 151_936,
        width: 896,
        quantization: "Q4_0".into(),
        tokenizer: "byte pairs".into(),
        chat_template: None,
        tokens_per_second: None,
        weight_bytes: 352_000_000,
        position_bytes: Some(12_288),
    };
    let proof = proof_from_json(sample).unwrap();
    assert_eq!(proof.language, Some(language));
    assert_eq!(proof_to_json(&proof).unwrap(), sample);
    for (right, wrong) in [(r#""format":3"#, r#""format":2"#), (r#","position_bytes":12288"#, "")] {
        assert!(proof_from_json(&sample.replace(right, wrong)).is_err(), "{wrong}");
    }
}

// === what does not fit ===

#[test]
fn a_format_of_the_future_is_a_fault_and_not_a_guess() {
    let error = provenance_from_json(r#"{"format":2,"origins":["push"]}"#).unwrap_err();
    let chain = format!("{:?}", error);
    assert!(chain.contains("UnknownFormat(2)"), "{chain}");
    for text in ["", "{}", "null", r#"{"format":1}"#, r#"{"format":1,"parent":0,"origin":"","facts":[]}"#] {
        assert!(provenance_from_json(text).is_err(), "{text}");
    }
}

// === what is written is read again ===

fn dim() -> impl Strategy<Value = Dim> {
    prop_oneof![any::<usize>().prop_map(Dim::Fixed), ".{0,5}".prop_map(Dim::Symbol), Just(Dim::Any)]
}

prop_compose! {
    fn language()(
        (architecture, quantization, tokenizer) in (".{0,8}", ".{0,8}", ".{0,8}"),
        numbers in any::<[u64; 5]>(),
        chat_template in prop::option::of(".{0,8}"),
        tokens_per_second in prop::option::of(prop::num::f64::POSITIVE),
        position_bytes in any::<Option<u64>>(),
    ) -> LanguageRecord {
        let [parameters, context, vocabulary, width, weight_bytes] = numbers;
        LanguageRecord {
            architecture, parameters, context, vocabulary, width, quantization, tokenizer, chat_template,
            tokens_per_second, weight_bytes, position_bytes,
        }
    }
}

fn spec() -> impl Strategy<Value = TensorSpec> {
    let shape = prop::option::of(prop::collection::vec(dim(), 0..4));
    let labels = prop::option::of(prop::collection::vec(".{0,5}", 0..3));
    (".{0,8}", prop::sample::select(&DataType::ALL[..]), shape, labels)
        .prop_map(|(name, data_type, shape, labels)| TensorSpec { name, data_type, shape, labels })
}

prop_compose! {
    fn proof()(
        inputs in prop::collection::vec(spec(), 0..3),
        outputs in prop::collection::vec(spec(), 0..3),
        joining in prop_oneof![
            prop::num::f64::POSITIVE.prop_map(|max_difference| JoiningRecord::Allowed { max_difference }),
            Just(JoiningRecord::Allowed { max_difference: f64::INFINITY }),
            ".*".prop_map(|reason| JoiningRecord::Refused { reason }),
        ],
        golden_samples in any::<usize>(),
        run in any::<Option<u64>>(),
        memory_bytes in any::<u64>(),
        language in prop::option::of(language()),
    ) -> ProofRecord {
        ProofRecord {
            engine: EngineStamp { name: "e".into(), version: "1".into() },
            main: "m.onnx".parse().unwrap(),
            signature: Signature { inputs, outputs },
            joining,
            warm_up: WarmUpRecord::Skipped { reason: String::new() },
            golden_samples,
            single_run: run.map(Duration::from_nanos),
            memory_bytes,
            language,
        }
    }
}

proptest! {
    #[test]
    fn a_proof_survives_storing(proof in proof()) {
        prop_assert_eq!(proof_from_json(&proof_to_json(&proof).unwrap()).unwrap(), proof);
    }
}
