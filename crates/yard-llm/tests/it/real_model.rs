//! The engine with a language model that people use: SmolLM2, from the assets of the set-up.

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc, time::Instant};

use yard_gguf::{Gguf, ReadLimits};
use yard_kernels::Machine;
use yard_llm::{
    Constraint, ConstraintVocabulary, EncodeOptions, End, Engine, EngineOptions, Event, Grammar, Model,
    Request, RequestId, SamplingOptions, StopOptions, StopReason, Tokenizer,
};

const SCHEMA: &str = r#"{
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 20},
        "inhabitants": {"type": "integer", "minimum": 0, "maximum": 99999999},
        "by_the_sea": {"type": "boolean"}
    },
    "required": ["city", "inhabitants", "by_the_sea"],
    "additionalProperties": false
}"#;

struct Place {
    model: Arc<Model>,
    machine: Arc<Machine>,
    tokenizer: Arc<Tokenizer>,
}

impl Place {
    fn new() -> Self {
        let machine = Arc::new(Machine::new(NonZeroUsize::new(2).unwrap()).unwrap());
        let path = yard_fixtures::language_model("smollm2-135m-q4_1");
        let file = Gguf::open(&path, &ReadLimits::default()).unwrap();
        let tokenizer = Arc::new(Tokenizer::from_metadata(file.metadata()).unwrap());
        let model = Arc::new(Model::from_file(file, &machine, &mut |_| {}).unwrap());
        Self { model, machine, tokenizer }
    }

    fn engine(&self, options: EngineOptions) -> Engine {
        let Self { model, machine, tokenizer } = self;
        Engine::new(Arc::clone(model), Arc::clone(tokenizer), Arc::clone(machine), options).unwrap()
    }

    fn request(&self, prompt: &str, seed: u64) -> Request {
        let reading = EncodeOptions { add_special: true, parse_special: true };
        Request {
            sampling: SamplingOptions { seed, temperature: 0.9, ..SamplingOptions::default() },
            stop: StopOptions { most_tokens: Some(60), ..StopOptions::default() },
            ..Request::new("somebody", self.tokenizer.encode(prompt, reading))
        }
    }
}

/// The text of each request, and how it ended.
fn finish(engine: &mut Engine) -> BTreeMap<RequestId, (String, Option<StopReason>)> {
    let (mut texts, mut events) = (BTreeMap::<_, (String, Option<StopReason>)>::new(), Vec::new());
    while engine.has_work() {
        engine.step(Instant::now(), &mut events).unwrap();
        for event in events.drain(..) {
            match event {
                Event::Begun { .. } => {}
                Event::Token { request, text, .. } => texts.entry(request).or_default().0.push_str(&text),
                Event::Ended { request, text, end, .. } => {
                    let End::Stopped(reason, _) = end else { panic!("{end:?}") };
                    let entry = texts.entry(request).or_default();
                    entry.0.push_str(&text);
                    entry.1 = Some(reason);
                }
            }
        }
    }
    texts
}

#[test]
fn answers_by_a_schema_are_written_beside_free_ones_and_change_none() {
    let place = Place::new();
    let vocabulary = ConstraintVocabulary::new(&place.tokenizer).unwrap();
    let question = "<|im_start|>user\nName a large city.<|im_end|>\n<|im_start|>assistant\n";
    let free = |seed| place.request(question, seed);
    let by_schema = |seed| Request {
        constraint: Some(Constraint::new(&vocabulary, &Grammar::JsonSchema(SCHEMA.to_owned())).unwrap()),
        ..place.request(question, seed)
    };

    let mut together = place.engine(EngineOptions::with_positions(4096));
    let mut ids = Vec::new();
    for seed in 0..8 {
        ids.push((seed, together.submit(free(seed)).unwrap(), together.submit(by_schema(seed)).unwrap()));
    }
    let texts = finish(&mut together);
    for (seed, free_id, schema_id) in ids {
        let (text, reason) = &texts[&schema_id];
        if matches!(reason, Some(StopReason::Token(_))) {
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            let is_kept = value["city"].is_string()
                && value["inhabitants"].is_u64()
                && value["by_the_sea"].is_boolean();
            assert!(is_kept && value.as_object().unwrap().len() == 3, "{text}");
        }
        // Alone, without guesses and without anything kept.
        let options = EngineOptions { guesses: false, kept_pages: 0, ..EngineOptions::with_positions(512) };
        let mut alone = place.engine(options);
        let again = [alone.submit(free(seed)).unwrap(), alone.submit(by_schema(seed)).unwrap()];
        let again_texts = finish(&mut alone);
        assert_eq!(again_texts[&again[0]], texts[&free_id]);
        assert_eq!(again_texts[&again[1]], texts[&schema_id]);
    }
    let complete = texts.values().filter(|(text, _)| text.starts_with('{') && text.ends_with('}')).count();
    assert!(complete >= 6, "{texts:#?}");
}

#[test]
fn text_that_repeats_what_was_there_is_guessed() {
    let place = Place::new();
    let mut engine = place.engine(EngineOptions::with_positions(1024));
    let list = "one apple, two pears, three plums, four cherries; ".repeat(4);
    let list = list.trim_end();
    let mut request = place.request(list, 0);
    request.sampling.temperature = 0.0;
    engine.submit(request).unwrap();
    let texts = finish(&mut engine);
    let stats = engine.stats();
    assert!(texts.values().next().unwrap().0.contains("two pears"), "{texts:?}");
    assert!(stats.right_guesses > 30, "{stats:?}");
    assert!(stats.steps < stats.written_tokens / 2, "{stats:?}");
}

#[test]
fn text_that_a_schema_forces_is_guessed_and_the_same() {
    let place = Place::new();
    let vocabulary = ConstraintVocabulary::new(&place.tokenizer).unwrap();
    let question = "<|im_start|>user\nName three large cities.<|im_end|>\n<|im_start|>assistant\n";
    let schema = format!(r#"{{"type":"array","minItems":3,"maxItems":3,"items":{SCHEMA}}}"#);
    let answer = |guesses, seed| {
        let constraint = Constraint::new(&vocabulary, &Grammar::JsonSchema(schema.clone())).unwrap();
        let request = Request { constraint: Some(constraint), ..place.request(question, seed) };
        let mut engine = place.engine(EngineOptions { guesses, ..EngineOptions::with_positions(1024) });
        engine.submit(request).unwrap();
        let texts = finish(&mut engine);
        (texts.into_values().collect::<Vec<_>>(), engine.stats())
    };
    let (mut guessed, mut right) = (0, 0);
    for seed in 0..4 {
        let (with, stats) = answer(true, seed);
        assert_eq!(with, answer(false, seed).0);
        guessed += stats.guessed_tokens;
        right += stats.right_guesses;
    }
    assert!(right > 20 && 2 * right > guessed, "{right} of {guessed} guesses were right");
}
