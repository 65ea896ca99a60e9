//! The worker of a language model, as a real process with SmolLM2.

use std::{
    num::NonZeroU32,
    sync::OnceLock,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use yard_gguf::{Gguf, ReadLimits};
use yard_llm::{ControlText, EncodeOptions, Tokenizer};
use yard_types::ErrorCode;
use yard_worker::{
    CallLimits, OpenCall, Request, Said, SharedWorker, WorkerCommand, WorkerError, WorkerLimits,
    language::{
        EMBED, EmbedRequest, EmbedResponse, Embedding, EndReason, Ended, GENERATE, GenerateEvent,
        GenerateRequest, GenerateResponse, Grammar, LOAD, LoadEvent, LoadRequest, LoadResponse, Loaded,
        Pooling, Refusal, STATS, Sampling, StatsRequest, StatsResponse, Terms, embed_response,
        generate_event, generate_response, grammar, load_response,
    },
};

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(120);

fn tokenizer() -> &'static Tokenizer {
    static TOKENIZER: OnceLock<Tokenizer> = OnceLock::new();
    TOKENIZER.get_or_init(|| {
        let path = yard_fixtures::language_model("smollm2-135m-q4_1");
        let file = Gguf::open(&path, &ReadLimits::default()).unwrap();
        Tokenizer::from_metadata(file.metadata()).unwrap()
    })
}

fn tokens(text: &str) -> Vec<u32> {
    tokenizer().encode(text, EncodeOptions { add_special: true, parse_special: true })
}

/// A worker that may read the model and nothing else.
async fn spawn() -> SharedWorker {
    let command = WorkerCommand {
        readable: vec![yard_fixtures::language_model("smollm2-135m-q4_1")],
        limits: WorkerLimits { cpu_seconds: None, ..WorkerLimits::default() },
        ..WorkerCommand::at(env!("CARGO_BIN_EXE_modelyard"), ["worker", "language"])
    };
    SharedWorker::spawn(command, CallLimits::default()).await.unwrap()
}

async fn load(worker: &SharedWorker, request: &LoadRequest) -> (Vec<f32>, Result<Loaded, Refusal>) {
    let mut call = worker.begin(Request::new(LOAD, request)).unwrap();
    let mut progress = Vec::new();
    loop {
        match tokio::time::timeout(LONG, call.next()).await.unwrap().unwrap() {
            Said::Event(event) => progress.push(event.decode::<LoadEvent>().unwrap().done),
            Said::Answer(answer) => {
                let loaded = match answer.decode::<LoadResponse>().unwrap().outcome.unwrap() {
                    load_response::Outcome::Loaded(loaded) => Ok(loaded),
                    load_response::Outcome::Refused(refusal) => Err(refusal),
                };
                return (progress, loaded);
            }
        }
    }
}

async fn loaded() -> SharedWorker {
    let worker = spawn().await;
    let path = yard_fixtures::language_model("smollm2-135m-q4_1").to_str().unwrap().to_owned();
    let request = LoadRequest { path, threads: 2, positions: 8_192, ..LoadRequest::default() };
    let (progress, loaded) = load(&worker, &request).await;
    let loaded = loaded.unwrap();
    assert_eq!((loaded.vocabulary, loaded.threads), (49_152, 2));
    assert!(loaded.longest == 8_192 && loaded.weight_bytes > 50 << 20, "{loaded:?}");
    assert!(progress.len() > 2 && progress.is_sorted(), "{progress:?}");
    worker
}

fn terms() -> Terms {
    Terms { tenant: "tests".to_owned(), ..Terms::default() }
}

/// A request that draws its tokens.
fn request(prompt: &str, seed: u64, most_tokens: u64) -> GenerateRequest {
    GenerateRequest {
        prompt: tokens(prompt),
        sampling: Some(Sampling { temperature: Some(0.8), seed: Some(seed), ..Sampling::default() }),
        most_tokens: Some(most_tokens),
        terms: Some(terms()),
        ..GenerateRequest::default()
    }
}

fn begin(worker: &SharedWorker, request: &GenerateRequest) -> OpenCall {
    worker.begin(Request::new(GENERATE, request)).unwrap()
}

/// One event's text; the answer at the end.
async fn next(call: &mut OpenCall) -> Result<String, Result<Result<Ended, Refusal>, WorkerError>> {
    loop {
        match tokio::time::timeout(LONG, call.next()).await.unwrap() {
            Ok(Said::Event(event)) => match event.decode::<GenerateEvent>().unwrap().event.unwrap() {
                generate_event::Event::Begun(_) => {}
                generate_event::Event::Token(token) => return Ok(token.text),
            },
            Ok(Said::Answer(answer)) => {
                return Err(Ok(match answer.decode::<GenerateResponse>().unwrap().outcome.unwrap() {
                    generate_response::Outcome::Ended(ended) => Ok(ended),
                    generate_response::Outcome::Refused(refusal) => Err(refusal),
                }));
            }
            Err(error) => return Err(Err(error)),
        }
    }
}

/// All of the text, and how it ended.
async fn drain(call: &mut OpenCall) -> (String, Result<Result<Ended, Refusal>, WorkerError>) {
    let mut text = String::new();
    loop {
        match next(call).await {
            Ok(piece) => text.push_str(&piece),
            Err(ended) => {
                if let Ok(Ok(ended)) = &ended {
                    text.push_str(&ended.text);
                }
                return (text, ended);
            }
        }
    }
}

async fn answer(worker: &SharedWorker, request: &GenerateRequest) -> (String, Result<Ended, Refusal>) {
    let (text, ended) = drain(&mut begin(worker, request)).await;
    (text, ended.unwrap())
}

async fn stats(worker: &SharedWorker) -> StatsResponse {
    let response = worker.call(Request::new(STATS, &StatsRequest {}), LONG).await.unwrap();
    response.decode().unwrap()
}

#[tokio::test]
async fn nothing_is_done_before_a_model_is_loaded_and_bad_files_are_refused() {
    let worker = spawn().await;
    let (_, ended) = answer(&worker, &request("x", 1, 1)).await;
    assert_eq!(ended.unwrap_err().error_code(), ErrorCode::Conflict);
    for path in ["/nowhere.gguf", "/proc/self/exe"] {
        let (_, refused) = load(&worker, &LoadRequest { path: path.into(), ..LoadRequest::default() }).await;
        assert_eq!(refused.unwrap_err().error_code(), ErrorCode::InvalidArgument, "{path}");
    }
}

#[tokio::test]
async fn sixteen_answers_are_written_at_once_while_others_are_cancelled() {
    let worker = loaded().await;
    let (alone, ended) = answer(&worker, &request("The sea is", 7, 40)).await;
    let ended = ended.unwrap();
    assert_eq!((ended.reason(), ended.usage.unwrap().answer_tokens), (EndReason::Length, 40));
    assert!(!alone.is_empty());

    let mut calls: Vec<OpenCall> = (0..16)
        .map(|number| {
            let prompts = ["The sea is", "Once upon a time", "def add(a, b):", "La capitale de la France"];
            // The fourth of each has the seed that was alone.
            let seed = if number % 4 == 0 { 7 } else { number };
            begin(&worker, &request(prompts[number as usize % 4], seed, 40))
        })
        .collect();
    // Some are dropped before they begin, some in the middle, some are asked to end.
    let stopped = calls.remove(13);
    for call in [calls.remove(14), calls.remove(9), calls.remove(5)] {
        drop(call);
    }
    let mut dropped_late = calls.remove(2);
    next(&mut dropped_late).await.unwrap();
    drop(dropped_late);
    let mut stopped = stopped;
    next(&mut stopped).await.unwrap();
    stopped.ask_to_stop();
    let ended = drain(&mut stopped).await.1.unwrap().unwrap();
    assert!(matches!(ended.reason(), EndReason::Cancelled | EndReason::Length), "{ended:?}");

    let mut same = 0;
    for call in &mut calls {
        let (text, ended) = drain(call).await;
        let ended = ended.unwrap().unwrap();
        assert!(matches!(ended.reason(), EndReason::Length | EndReason::Token), "{ended:?}");
        same += usize::from(text == alone);
    }
    // Equal requests have equal answers, alone and among others.
    assert_eq!(same, 4);
    let begun = Instant::now();
    while worker.calls() > 0 {
        assert!(begun.elapsed() < LONG);
        tokio::task::yield_now().await;
    }
    let stats = stats(&worker).await;
    assert_eq!((stats.running, stats.waiting), (0, 0));
    assert_eq!(stats.pages, stats.free_pages + stats.kept_pages, "{stats:?}");
}

#[tokio::test]
async fn a_worker_that_is_killed_ends_every_answer_and_no_other_worker() {
    let (worker, other) = tokio::join!(loaded(), loaded());
    let mut elsewhere = begin(&other, &request("The sea is", 3, 30));
    let mut calls: Vec<OpenCall> =
        (0..16).map(|seed| begin(&worker, &request("Once upon a time", seed, 1_000))).collect();
    for call in &mut calls {
        next(call).await.unwrap();
    }
    let id = Pid::from_raw(worker.process_id().unwrap().cast_signed()).unwrap();
    kill_process(id, Signal::KILL).unwrap();
    for call in &mut calls {
        let (_, ended) = drain(call).await;
        let Err(WorkerError::Exited(report)) = ended else { panic!("{ended:?}") };
        assert_eq!(report.signal_name(), Some("SIGKILL"));
    }
    assert!(worker.begin(Request::new(STATS, &StatsRequest {})).is_err());
    assert_eq!(drain(&mut elsewhere).await.1.unwrap().unwrap().reason(), EndReason::Length);
}

#[tokio::test]
async fn grammars_are_kept_to_and_hostile_ones_hold_up_nobody() {
    let worker = loaded().await;
    let with = |grammar: grammar::Grammar| {
        let chat = "<|im_start|>user\nA person, please.<|im_end|>\n<|im_start|>assistant\n";
        let grammar = Some(Grammar { grammar: Some(grammar) });
        GenerateRequest { grammar, ..request(chat, 5, 300) }
    };
    let schema = r#"{"type":"object","properties":{"name":{"type":"string","maxLength":12},"age":{"type":"integer",
        "minimum":0,"maximum":120}},"required":["name","age"],"additionalProperties":false}"#;
    let (text, ended) = answer(&worker, &with(grammar::Grammar::JsonSchema(schema.to_owned()))).await;
    let person: serde_json::Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(person["name"].is_string() && person["age"].as_u64().unwrap() <= 120, "{text}");
    assert_eq!(ended.unwrap().reason(), EndReason::Token);
    let (text, _) = answer(&worker, &with(grammar::Grammar::Regex("(yes|no), [a-z]{3,5}".to_owned()))).await;
    assert!(text.starts_with("yes, ") || text.starts_with("no, "), "{text}");

    let (_, refused) = answer(&worker, &with(grammar::Grammar::JsonSchema("{\"not\":{}}".to_owned()))).await;
    let refusal = refused.unwrap_err();
    assert_eq!(
        (refusal.error_code(), &*refusal.message),
        (ErrorCode::Unsupported, "#: 'not' is not supported")
    );
    // Takes long to be refused; meanwhile others are served, and one that was stopped has not begun.
    let hostile = with(grammar::Grammar::Regex("a?".repeat(2_000)));
    let mut waiting: Vec<OpenCall> = (0..6).map(|_| begin(&worker, &hostile)).collect();
    let stopped = begin(&worker, &with(grammar::Grammar::JsonObject(true)));
    stopped.ask_to_stop();
    let mut stopped = stopped;
    let (text, ended) = answer(&worker, &request("The sea is", 7, 3)).await;
    assert!(!text.is_empty() && ended.is_ok());
    for call in &mut waiting {
        let refused = drain(call).await.1.unwrap().unwrap_err();
        assert_eq!(refused.error_code(), ErrorCode::InvalidArgument);
    }
    assert_eq!(drain(&mut stopped).await.1.unwrap().unwrap().reason(), EndReason::Cancelled);
}

#[tokio::test]
async fn requests_that_cannot_be_fulfilled_are_refused_with_what_to_do() {
    let worker = loaded().await;
    let cases = [
        GenerateRequest { prompt: Vec::new(), ..request("x", 1, 1) },
        GenerateRequest { prompt: vec![50_000], ..request("x", 1, 1) },
        GenerateRequest { prompt: vec![1; 9_000], ..request("x", 1, 1) },
        GenerateRequest {
            sampling: Some(Sampling { top_p: Some(2.0), ..Sampling::default() }),
            ..request("x", 1, 1)
        },
        GenerateRequest { stop_strings: vec![String::new()], ..request("x", 1, 1) },
        GenerateRequest { grammar: Some(Grammar { grammar: None }), ..request("x", 1, 1) },
    ];
    for case in &cases {
        let (_, refused) = answer(&worker, case).await;
        let refusal = refused.unwrap_err();
        assert_eq!(refusal.error_code(), ErrorCode::InvalidArgument, "{refusal:?}");
        assert!(!refusal.message.is_empty());
    }
    let bad = worker.call(Request::from_bytes(GENERATE, vec![0xff; 9]), LONG).await;
    assert!(matches!(bad, Err(WorkerError::BadRequest { .. })));
    let (_, ended) = answer(
        &worker,
        &GenerateRequest {
            terms: Some(Terms { deadline_milliseconds: Some(0), ..terms() }),
            ..request("x", 1, 9)
        },
    )
    .await;
    assert_eq!(ended.unwrap().reason(), EndReason::Deadline);
    let path = "/nowhere.gguf".to_owned();
    let (_, again) = load(&worker, &LoadRequest { path, ..LoadRequest::default() }).await;
    assert_eq!(again.unwrap_err().error_code(), ErrorCode::Conflict);
}

#[tokio::test]
async fn log_probabilities_stops_and_embeddings_come_over_the_wire() {
    let worker = loaded().await;
    let sampling = Sampling { temperature: Some(0.0), log_probabilities: Some(3), ..Sampling::default() };
    let asked = GenerateRequest {
        sampling: Some(sampling),
        stop_strings: vec!["never written".to_owned(), "Paris".to_owned()],
        terms: Some(Terms { weight: NonZeroU32::MIN.get(), ..terms() }),
        ..request("The capital of France is", 0, 20)
    };
    let mut call = begin(&worker, &asked);
    let mut told = Vec::new();
    let ended = loop {
        match call.next().await.unwrap() {
            Said::Event(event) => told.push(event.decode::<GenerateEvent>().unwrap().event.unwrap()),
            Said::Answer(answer) => break answer.decode::<GenerateResponse>().unwrap().outcome.unwrap(),
        }
    };
    let generate_response::Outcome::Ended(ended) = ended else { panic!("{ended:?}") };
    assert_eq!((ended.reason(), ended.stop_string), (EndReason::String, Some(1)));
    assert!(matches!(told[0], generate_event::Event::Begun(_)));
    let last = ended.last.unwrap();
    assert_eq!((last.most_probable.len(), last.most_probable[0].token), (3, last.token));
    assert!(last.log_probability.unwrap() <= 0.0);
    assert_eq!(tokenizer().decode(&[last.token], ControlText::Hidden), " Paris");

    let embed = |text: &str, pooling: Pooling| {
        let asked = EmbedRequest { prompt: tokens(text), pooling: pooling.into(), ..EmbedRequest::default() };
        Request::new(EMBED, &asked)
    };
    let embedding = async |text: &str, pooling| -> Embedding {
        let response = worker.call(embed(text, pooling), LONG).await.unwrap();
        match response.decode::<EmbedResponse>().unwrap().outcome.unwrap() {
            embed_response::Outcome::Embedding(embedding) => embedding,
            embed_response::Outcome::Refused(refusal) => panic!("{refusal:?}"),
        }
    };
    let sea = embedding("The sea is blue", Pooling::Mean).await;
    assert_eq!((sea.values.len(), sea.usage.unwrap().prompt_tokens), (576, 4));
    assert_eq!(sea.values, embedding("The sea is blue", Pooling::Mean).await.values);
    assert_ne!(sea.values, embedding("The sea is blue", Pooling::Last).await.values);
    let none = EmbedRequest::default();
    let refused = worker.call(Request::new(EMBED, &none), LONG).await.unwrap();
    assert!(matches!(
        refused.decode::<EmbedResponse>().unwrap().outcome,
        Some(embed_response::Outcome::Refused(_))
    ));
}
