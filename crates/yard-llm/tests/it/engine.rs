//! Many requests on one small model, held against each of them alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    time::{Duration, Instant},
};

use yard_gguf::{BlockType, Gguf, ReadLimits};
use yard_kernels::{Machine, PageElement};
use yard_llm::{
    End, Engine, EngineOptions, Event, KeyValueCache, LlmError, LogitRows, Model, Part, Pooling, Priority,
    Request, RequestId, Sampler, SamplingError, SamplingOptions, SamplingScratch, Scratch, Sequence,
    StopOptions, StopReason, TokenId, Tokenizer, Usage, Wanted,
};

use crate::{
    small_model::{CONTEXT, SmallModel, VOCABULARY},
    tokenizer::BYTE_PAIRS,
};

/// Draws that look random and are the same each time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

struct Place {
    model: Arc<Model>,
    machine: Arc<Machine>,
    tokenizer: Arc<Tokenizer>,
}

impl Place {
    fn new(family: &'static str, threads: usize) -> Self {
        let machine = Arc::new(Machine::new(NonZeroUsize::new(threads).unwrap()).unwrap());
        let small = SmallModel::new(family, BlockType::Q8_0);
        let model = Arc::new(Model::load(&small.path(), &machine, &mut |_| {}).unwrap());
        let file = Gguf::read(BYTE_PAIRS, &ReadLimits::default()).unwrap();
        let tokenizer = Arc::new(Tokenizer::from_metadata(file.metadata()).unwrap());
        Self { model, machine, tokenizer }
    }

    fn engine(&self, options: EngineOptions) -> Engine {
        let Self { model, machine, tokenizer } = self;
        Engine::new(Arc::clone(model), Arc::clone(tokenizer), Arc::clone(machine), options).unwrap()
    }

    /// The answer as a loop without an engine writes it.
    fn alone(&self, prompt: &[TokenId], sampling: &SamplingOptions, most: usize) -> Vec<TokenId> {
        let mut cache = KeyValueCache::new(self.model.config(), CONTEXT, PageElement::F16).unwrap();
        let (mut scratch, mut choice, mut logits) = (Scratch::new(), SamplingScratch::default(), Vec::new());
        let (mut sequence, mut sampler) = (Sequence::new(), Sampler::new(sampling.clone(), prompt).unwrap());
        let (mut unseen, mut answer) = (prompt.to_vec(), Vec::new());
        while answer.len() < most {
            cache.reserve(&mut sequence, unseen.len()).unwrap();
            let part = Part { sequence: &mut sequence, tokens: &unseen, logits: LogitRows::Last };
            self.model.step(&self.machine, &mut cache, &mut scratch, &mut [part], &mut logits).unwrap();
            let token = sampler.sample(&logits, None, &mut choice).unwrap().token;
            sampler.accept(token);
            answer.push(token);
            if self.tokenizer.special_tokens().ends_of_generation.contains(&token) {
                break;
            }
            unseen = vec![token];
        }
        answer
    }
}

fn options(pages: usize) -> EngineOptions {
    EngineOptions { step_tokens: 24, most_running: 6, ..EngineOptions::with_positions(16 * pages) }
}

fn request(tenant: &str, prompt: &[TokenId], seed: u64, most: usize) -> Request {
    Request {
        sampling: SamplingOptions { seed, ..SamplingOptions::default() },
        stop: StopOptions { most_tokens: Some(most), ..StopOptions::default() },
        ..Request::new(tenant, prompt.to_vec())
    }
}

/// All that was said of each request.
#[derive(Default)]
struct Heard {
    tokens: BTreeMap<RequestId, Vec<TokenId>>,
    ends: BTreeMap<RequestId, (End, Usage)>,
    begun: BTreeSet<RequestId>,
}

impl Heard {
    fn hear(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Begun { request, .. } => assert!(self.begun.insert(request), "it began twice"),
                Event::Token { request, sampled, .. } => {
                    assert!(self.begun.contains(&request) && !self.ends.contains_key(&request));
                    self.tokens.entry(request).or_default().push(sampled.token);
                }
                Event::Ended { request, end, usage, .. } => {
                    if let End::Stopped(_, sampled) = &end {
                        self.tokens.entry(request).or_default().push(sampled.token);
                    }
                    assert!(self.ends.insert(request, (end, usage)).is_none(), "it ended twice");
                }
            }
        }
    }
}

/// Steps until nothing is left to do.
fn finish(engine: &mut Engine, heard: &mut Heard) {
    let now = Instant::now();
    for _ in 0..100_000 {
        if !engine.has_work() {
            return;
        }
        let mut events = Vec::new();
        engine.step(now, &mut events).unwrap();
        heard.hear(events);
    }
    panic!("requests are left");
}

fn assert_nothing_is_held(engine: &mut Engine) {
    let stats = engine.stats();
    assert_eq!((stats.running, stats.waiting), (0, 0));
    assert_eq!(stats.kept_pages, stats.idle_pages);
    engine.forget_prefixes();
    let stats = engine.stats();
    assert_eq!((stats.free_pages, stats.kept_pages), (stats.pages, 0));
}

/// Prompts that share beginnings, as prompts do, and repeat themselves.
fn prompt(draw: &mut Draw) -> Vec<TokenId> {
    let stem = draw.below(4);
    let shared = draw.below(40);
    let mut prompt: Vec<TokenId> =
        (0..shared).map(|place| ((place * 13 + stem * 29) % VOCABULARY) as TokenId).collect();
    let own = 1 + draw.below(12);
    prompt.extend((0..own).map(|_| draw.below(VOCABULARY) as TokenId));
    if draw.one_in(3) {
        prompt.extend(prompt.clone());
    }
    prompt.truncate(70);
    prompt
}

#[test]
fn an_answer_depends_on_its_request_alone() {
    let (mut cached, mut preemptions, mut right_guesses) = (0, 0, 0);
    for (family, pages, threads) in [("llama", 7, 2), ("gemma3", 30, 1), ("gpt2", 9, 2)] {
        let place = Place::new(family, threads);
        let mut engine = place.engine(options(pages));
        let (mut draw, mut heard, mut expected) = (Draw(7), Heard::default(), BTreeMap::new());
        for number in 0..40 {
            let prompt = prompt(&mut draw);
            let sampling = SamplingOptions {
                seed: number,
                temperature: if draw.one_in(2) { 0.0 } else { 0.8 },
                frequency_penalty: if draw.one_in(3) { 0.5 } else { 0.0 },
                log_probabilities: draw.one_in(4).then_some(2),
                ..SamplingOptions::default()
            };
            let most = 1 + draw.below(25);
            let tenant = ["a", "b", "c"][draw.below(3)];
            let mut request = request(tenant, &prompt, number, most);
            request.sampling = sampling.clone();
            request.priority = if draw.one_in(3) { Priority::Background } else { Priority::Interactive };
            let id = engine.submit(request).unwrap();
            expected.insert(id, place.alone(&prompt, &sampling, most));
            for _ in 0..draw.below(6) {
                let mut events = Vec::new();
                engine.step(Instant::now(), &mut events).unwrap();
                heard.hear(events);
            }
        }
        finish(&mut engine, &mut heard);
        assert_eq!(heard.tokens, expected, "{family}");
        let stats = engine.stats();
        cached += stats.cached_tokens;
        preemptions += stats.preemptions;
        right_guesses += stats.right_guesses;
        let written: usize = expected.values().map(Vec::len).sum();
        assert_eq!(stats.written_tokens, written as u64);
        for (end, usage) in heard.ends.values() {
            assert!(matches!(end, End::Stopped(StopReason::Length | StopReason::Token(_), _)), "{end:?}");
            assert!(usage.cached_tokens < usage.prompt_tokens);
        }
        assert_nothing_is_held(&mut engine);
    }
    // What could have made a difference did happen.
    assert!(cached > 100 && preemptions > 0 && right_guesses > 0, "{cached} {preemptions} {right_guesses}");
}

#[test]
fn two_thousand_requests_with_random_ends_leave_nothing_behind() {
    let place = Place::new("llama", 1);
    let mut engine = place.engine(EngineOptions { kept_pages: 9, ..options(14) });
    let (mut draw, mut heard) = (Draw(3), Heard::default());
    let begun = Instant::now();
    let mut live: Vec<RequestId> = Vec::new();
    for number in 0..2_000 {
        let prompt = prompt(&mut draw);
        let mut request = request(["a", "b"][draw.below(2)], &prompt, number, 1 + draw.below(8));
        if draw.one_in(10) {
            // In the past for some, never reached by others.
            let seconds = draw.below(2) as u64 * 3_600;
            request.deadline = Some(begun + Duration::from_secs(seconds));
        }
        live.push(engine.submit(request).unwrap());
        if draw.one_in(3) {
            // One of the latest, so that it often still runs or waits.
            engine.cancel(live[live.len() - 1 - draw.below(live.len().min(4))]);
        }
        while engine.stats().waiting > 8 || draw.one_in(2) {
            let mut events = Vec::new();
            engine.step(Instant::now(), &mut events).unwrap();
            heard.hear(events);
            let stats = engine.stats();
            assert!(stats.kept_pages <= 9 && stats.free_pages + stats.idle_pages <= stats.pages);
        }
    }
    finish(&mut engine, &mut heard);
    assert_eq!(heard.ends.len(), 2_000);
    let count = |wanted: fn(&End) -> bool| heard.ends.values().filter(|(end, _)| wanted(end)).count();
    assert!(count(|end| matches!(end, End::Cancelled)) > 50);
    assert!(count(|end| matches!(end, End::DeadlinePassed)) > 50);
    assert!(count(|end| matches!(end, End::Stopped(..))) > 1_000);
    assert_nothing_is_held(&mut engine);
}

#[test]
fn answers_to_one_prompt_share_its_pages() {
    let place = Place::new("llama", 2);
    let mut engine = place.engine(options(30));
    let prompt: Vec<TokenId> = (0..60).map(|place| place * 7 % 80).collect();
    for seed in 0..4 {
        engine.submit(request("a", &prompt, seed, 10)).unwrap();
    }
    let other = engine.submit(request("b", &prompt, 0, 10)).unwrap();
    let mut heard = Heard::default();
    finish(&mut engine, &mut heard);
    let cached: Vec<usize> = heard.ends.values().map(|(_, usage)| usage.cached_tokens).collect();
    assert_eq!(
        cached,
        [0, 48, 48, 48, 0],
        "all whole pages but for the first, and nothing for another tenant"
    );
    assert_eq!(heard.tokens[&other], place.alone(&prompt, &SamplingOptions::default(), 10));

    // A tenant cannot look into another's by naming it; those that agree on a salt share.
    let mut cached = |tenant: &str, salt: Option<&str>| {
        let id =
            engine.submit(Request { salt: salt.map(Arc::from), ..request(tenant, &prompt, 0, 1) }).unwrap();
        let mut heard = Heard::default();
        finish(&mut engine, &mut heard);
        heard.ends[&id].1.cached_tokens
    };
    let told =
        [cached("c", Some("a")), cached("c", Some("tenant a")), cached("d", Some("a")), cached("a", None)];
    assert_eq!(told, [0, 0, 48, 59]);
    assert_nothing_is_held(&mut engine);
}

#[test]
fn text_that_was_held_back_is_given_out_when_the_answer_is_given_up() {
    let place = Place::new("llama", 1);
    let mut engine = place.engine(options(30));
    let whole = |stop: &[String]| {
        let mut request = request("a", &[5, 6, 7], 1, 12);
        request.stop.strings = stop.to_vec();
        request
    };
    let mut text = |request: Request, steps: usize| {
        let id = engine.submit(request).unwrap();
        let (mut events, mut text) = (Vec::new(), String::new());
        for step in 0.. {
            if step == steps {
                engine.cancel(id);
            }
            engine.step(Instant::now(), &mut events).unwrap();
            if !engine.has_work() {
                break;
            }
        }
        for event in events {
            if let Event::Token { text: more, .. } | Event::Ended { text: more, .. } = event {
                text.push_str(&more);
            }
        }
        text
    };
    let plain = text(whole(&[]), 6);
    assert!(!plain.is_empty());
    // All that was written may be the beginning of this.
    assert_eq!(text(whole(&[format!("{plain} and no further")]), 6), plain);
}

#[test]
fn what_a_model_does_not_know_is_refused_before_anything_is_read() {
    let place = Place::new("llama", 1);
    let mut engine = place.engine(options(30));
    let mut biased = request("a", &[1, 2], 0, 5);
    biased.sampling.logit_bias = vec![(3, 1.0), (80, 1.0)];
    let refused = engine.submit(biased).unwrap_err();
    let expected = SamplingError::BiasedToken { token: 80, vocabulary: VOCABULARY };
    assert!(matches!(refused, LlmError::Sampling(error) if error == expected));
}

#[test]
fn a_conversation_that_goes_on_is_not_read_again() {
    let place = Place::new("qwen3", 1);
    let mut engine = place.engine(options(30));
    let mut talk: Vec<TokenId> = (0..20).collect();
    let mut known = Vec::new();
    for turn in 0..3 {
        let mut heard = Heard::default();
        let id = engine.submit(request("a", &talk, turn, 9)).unwrap();
        finish(&mut engine, &mut heard);
        known.push(heard.ends[&id].1.cached_tokens);
        talk.extend(&heard.tokens[&id]);
        talk.extend([1, 2, 3]);
    }
    // The last token of an answer was never run, and pages are kept whole.
    assert_eq!(known, [0, 16, 32]);
}

#[test]
fn work_that_somebody_waits_for_goes_before_other_work() {
    let place = Place::new("llama", 1);
    let mut engine = place.engine(EngineOptions { most_running: 2, ..options(8) });
    let prompt: Vec<TokenId> = (0..20).collect();
    let background = |seed| Request { priority: Priority::Background, ..request("a", &prompt, seed, 40) };
    let (first, second) = (engine.submit(background(1)).unwrap(), engine.submit(background(2)).unwrap());
    let mut heard = Heard::default();
    let mut events = Vec::new();
    for _ in 0..5 {
        engine.step(Instant::now(), &mut events).unwrap();
    }
    let urgent = engine.submit(request("b", &prompt, 3, 5)).unwrap();
    engine.step(Instant::now(), &mut events).unwrap();
    heard.hear(std::mem::take(&mut events));
    assert!(heard.begun.contains(&urgent), "it takes the place of one that runs");
    finish(&mut engine, &mut heard);
    for (id, seed) in [(first, 1), (second, 2)] {
        let sampling = SamplingOptions { seed, ..SamplingOptions::default() };
        assert_eq!(heard.tokens[&id], place.alone(&prompt, &sampling, 40));
    }
    assert!(engine.stats().preemptions >= 1);
}

#[test]
fn what_cannot_be_done_is_refused_and_harms_nobody() {
    let place = Place::new("llama", 1);
    let mut engine = place.engine(EngineOptions { most_waiting: 2, ..options(4) });
    let refused = |engine: &mut Engine, request: Request| engine.submit(request).unwrap_err();
    assert!(matches!(refused(&mut engine, request("a", &[], 0, 5)), LlmError::Configuration(_)));
    let unknown = refused(&mut engine, request("a", &[3, 80], 0, 5));
    assert!(matches!(unknown, LlmError::UnknownToken { token: 80, vocabulary: VOCABULARY }), "{unknown}");
    // The cache is smaller than the model's context, and so the limit.
    let long = refused(&mut engine, request("a", &[1; 64], 0, 5));
    assert!(matches!(long, LlmError::ContextFull { tokens: 65, context: 64 }), "{long}");
    let mut hot = request("a", &[1], 0, 5);
    hot.sampling.temperature = 1e9;
    assert!(matches!(refused(&mut engine, hot), LlmError::Sampling(_)));
    assert!(!engine.has_work());

    let ids: Vec<RequestId> =
        [50, 1000].map(|most| engine.submit(request("a", &[1; 60], 0, most)).unwrap()).into();
    let full = refused(&mut engine, request("a", &[1], 0, 5));
    assert!(matches!(full, LlmError::TooManyWaiting { waiting: 2 }), "{full}");
    let mut heard = Heard::default();
    finish(&mut engine, &mut heard);
    for id in ids {
        assert_eq!(heard.tokens[&id].len(), 4, "as far as there is room");
    }
    let wrong = EngineOptions { step_tokens: 6, most_running: 6, ..options(4) };
    let Place { model, machine, tokenizer } = place;
    assert!(matches!(Engine::new(model, tokenizer, machine, wrong), Err(LlmError::Configuration(_))));
}

#[test]
fn a_tenant_of_twice_the_weight_is_served_twice() {
    let place = Place::new("llama", 1);
    let mut engine = place.engine(EngineOptions { most_running: 1, ..options(30) });
    let prompt: Vec<TokenId> = (0..10).collect();
    let mut tenants = BTreeMap::new();
    for seed in 0..30 {
        for (tenant, weight) in [("light", 1), ("heavy", 2)] {
            let weight = NonZeroU32::new(weight).unwrap();
            let id = engine.submit(Request { weight, ..request(tenant, &prompt, seed, 5) }).unwrap();
            tenants.insert(id, tenant);
        }
    }
    let (mut heard, mut order) = (Heard::default(), Vec::new());
    while engine.has_work() {
        let mut events = Vec::new();
        engine.step(Instant::now(), &mut events).unwrap();
        order.extend(events.iter().filter_map(|event| match event {
            Event::Ended { request, .. } => Some(tenants[request]),
            _ => None,
        }));
        heard.hear(events);
    }
    let heavy = order[..30].iter().filter(|tenant| **tenant == "heavy").count();
    assert!((19..=21).contains(&heavy), "{heavy} of 30");
}

/// With prompts and answers of all lengths, one request at once and several, and guesses.
#[test]
fn tenants_that_keep_the_engine_full_get_tokens_by_their_weights() {
    const TENANTS: [(&str, u32); 2] = [("light", 1), ("heavy", 3)];
    let place = Place::new("llama", 1);
    for most_running in [1, 6] {
        let mut engine = place.engine(EngineOptions { most_running, ..options(30) });
        let mut draw = Draw(11);
        let mut owners = BTreeMap::new();
        let (mut in_line, mut ended) = ([0_usize; 2], [0_usize; 2]);
        // What was read and written for each, as the engine counts it, and what was written alone.
        let (mut work, mut written) = ([0_usize; 2], [0_usize; 2]);
        while ended[0] < 100 {
            for (owner, (tenant, weight)) in TENANTS.into_iter().enumerate() {
                // More of each wait than could run.
                while in_line[owner] < 8 {
                    let length = 1 + draw.below(40);
                    let prompt: Vec<TokenId> =
                        (0..length).map(|_| draw.below(VOCABULARY) as TokenId).collect();
                    let seed = draw.below(1 << 20) as u64;
                    let weight = NonZeroU32::new(weight).unwrap();
                    let asked = Request { weight, ..request(tenant, &prompt, seed, 1 + draw.below(12)) };
                    owners.insert(engine.submit(asked).unwrap(), owner);
                    in_line[owner] += 1;
                }
            }
            let mut events = Vec::new();
            engine.step(Instant::now(), &mut events).unwrap();
            for event in events {
                match event {
                    Event::Begun { request, .. } => in_line[owners[&request]] -= 1,
                    Event::Token { .. } => {}
                    Event::Ended { request, usage, .. } => {
                        let owner = owners[&request];
                        ended[owner] += 1;
                        written[owner] += usage.answer_tokens;
                        work[owner] += usage.prompt_tokens - usage.cached_tokens + 2 * usage.answer_tokens;
                    }
                }
            }
        }
        let ratio = |counts: [usize; 2]| counts[1] as f64 / counts[0] as f64;
        let told = format!("{most_running} at once: {work:?}, {written:?} written");
        assert!((2.7..=3.3).contains(&ratio(work)), "{told}");
        assert!((2.4..=3.6).contains(&ratio(written)), "{told}");
    }
}

#[test]
fn embeddings_are_made_beside_texts_and_are_the_same_bits_however_they_are_cut() {
    let place = Place::new("qwen2", 2);
    let width = place.model.config().width;
    let prompts: Vec<Vec<TokenId>> =
        (1..9).map(|number| (0..number * 8).map(|place| place % 80).collect()).collect();
    // All rows at once.
    let rows_of = |prompt: &[TokenId]| {
        let mut cache = KeyValueCache::new(place.model.config(), CONTEXT, PageElement::F16).unwrap();
        let (mut sequence, mut rows) = (Sequence::new(), Vec::new());
        cache.reserve(&mut sequence, prompt.len()).unwrap();
        let mut part = [Part { sequence: &mut sequence, tokens: prompt, logits: LogitRows::None }];
        place
            .model
            .step_for_rows(&place.machine, &mut cache, &mut Scratch::new(), &mut part, &mut rows)
            .unwrap();
        assert_eq!(rows.len(), prompt.len() * width);
        rows
    };
    for pooling in [Pooling::Last, Pooling::Mean] {
        // Too few pages for all, so that some are sent away and made again.
        let mut engine = place.engine(options(8));
        let mut expected = BTreeMap::new();
        for prompt in &prompts {
            let request = Request { wanted: Wanted::Embedding(pooling), ..request("a", prompt, 0, 1) };
            let rows = rows_of(prompt);
            let embedding = match pooling {
                Pooling::Last => rows[rows.len() - width..].to_vec(),
                Pooling::Mean => (0..width)
                    .map(|column| {
                        let values = rows.iter().skip(column).step_by(width);
                        values.copied().reduce(|sum, value| sum + value).unwrap() / prompt.len() as f32
                    })
                    .collect(),
            };
            expected.insert(engine.submit(request).unwrap(), embedding);
            engine.submit(request_for_text(prompt)).unwrap();
        }
        let mut heard = Heard::default();
        finish(&mut engine, &mut heard);
        for (id, expected) in &expected {
            let (End::Embedded(embedding), usage) = &heard.ends[id] else { panic!("{:?}", heard.ends[id]) };
            assert_eq!(embedding, expected, "{pooling:?}");
            assert_eq!(usage.answer_tokens, 0);
        }
        assert_nothing_is_held(&mut engine);
    }
    // As long as all there is: nothing follows it.
    let mut engine = place.engine(options(4));
    let full = Request { wanted: Wanted::Embedding(Pooling::Last), ..request("a", &[1; 64], 0, 1) };
    engine.submit(full).unwrap();
    finish(&mut engine, &mut Heard::default());
}

fn request_for_text(prompt: &[TokenId]) -> Request {
    request("b", &prompt[..prompt.len().min(40)], 1, 6)
}
