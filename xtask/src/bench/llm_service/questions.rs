//! What both servers are asked: the same tokens of a novel, and answers of a fixed length.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use serde_json::{Map, Value, json};

use super::Setting;
use super::figures::{Kind, Work};
use super::servers::{MODEL, Servers, Who};

/// Tokens of a short prompt.
pub(super) const PROMPT: usize = 64;
/// Tokens of its answer.
pub(super) const ANSWER: usize = 128;
/// Tokens with which prompts begin that share their beginning.
pub(super) const BEGINNING: usize = 1000;
/// Tokens of a long prompt.
pub(super) const LONG_PROMPT: usize = 1024;
/// Tokens of its answer.
pub(super) const LONG_ANSWER: usize = 32;
/// Tokens by which both are compared.
const COMPARED: usize = 8;
/// How much of the novel is read, in bytes.
const TEXT_BYTES: usize = 60_000;
/// From the beginning of a prompt to that of the next: they overlap, and no two begin alike.
const STRIDE: usize = 37;
/// Questions of one measurement: more than any server answers in its time.
const QUESTIONS: usize = 256;

/// Cuts prompts out of a text, none twice.
#[derive(Debug)]
pub(super) struct Questions {
    tokens: Vec<u64>,
    /// Those that end an answer.
    ends: Vec<u64>,
    /// How many prompts were cut already.
    cut: usize,
    folder: PathBuf,
}

impl Kind {
    /// Tokens of an answer.
    pub(super) const fn answer(self) -> usize {
        match self {
            Self::Private | Self::Schema => ANSWER,
            Self::Long | Self::Shared => LONG_ANSWER,
        }
    }
}

impl Questions {
    /// Has the text made into tokens by Modelyard: both servers are then asked with tokens, the very same.
    pub(super) fn read(setting: &Setting, servers: &Servers, folder: PathBuf) -> Result<Self> {
        let mut text = fs::read_to_string(&setting.text)?;
        text.truncate(text.floor_char_boundary(TEXT_BYTES));
        let door = servers.modelyard.door_at("/tokenize".to_owned())?;
        let file = folder.join("tokenize.json");
        let tokens_of = |input: &str, parse_special: bool| -> Result<Vec<u64>> {
            let body = json!({ "model": MODEL, "input": input, "parse_special": parse_special });
            fs::write(&file, serde_json::to_vec(&body)?)?;
            let told = setting.streams.ask(&door, Some(&file), 60)?;
            let tokens = told["tokens"].as_array().context("/tokenize tells the tokens")?;
            tokens.iter().map(|token| token.as_u64().context("a token is a number")).collect()
        };
        let tokens = tokens_of(&text, false)?;
        if tokens.len() < 4 * LONG_PROMPT {
            bail!("the text has {} tokens, which are too few", tokens.len());
        }
        let mut ends = Vec::new();
        for name in ["<|im_end|>", "<|endoftext|>"] {
            // A name that is no token of this model's has several.
            if let [end] = tokens_of(name, true)?[..] {
                ends.push(end);
            }
        }
        Ok(Self { tokens, ends, cut: 0, folder })
    }

    /// Writes what both are asked, the same in the same order, each in its own words; gives the two files.
    pub(super) fn write(&mut self, work: Work) -> Result<(PathBuf, PathBuf)> {
        let prompts: Vec<Vec<u64>> = (0..QUESTIONS).map(|_| self.cut(work.kind)).collect();
        let write = |who, name: &str| {
            let mut lines = Vec::new();
            for prompt in &prompts {
                serde_json::to_writer(&mut lines, &self.body(who, work.kind, prompt))?;
                lines.push(b'\n');
            }
            let file = self.folder.join(name);
            fs::write(&file, lines)?;
            anyhow::Ok(file)
        };
        Ok((write(Who::Modelyard, "ours.jsonl")?, write(Who::Peer, "peer.jsonl")?))
    }

    /// Whether both continue the same prompt by the same text, token by token.
    pub(super) fn agree(&mut self, setting: &Setting, servers: &Servers) -> Result<bool> {
        let prompt = self.cut(Kind::Private);
        let mut texts = Vec::new();
        for who in [Who::Modelyard, Who::Peer] {
            let mut body = self.body(who, Kind::Private, &prompt);
            body.insert("stream".to_owned(), json!(false));
            body.remove("stream_options");
            body.insert("max_tokens".to_owned(), json!(COMPARED));
            let file = self.folder.join("compared.json");
            fs::write(&file, serde_json::to_vec(&body)?)?;
            let told = setting.streams.ask(&servers.door(who)?, Some(&file), 0)?;
            let text = told["choices"][0]["text"].as_str().context("an answer has a text")?;
            texts.push(text.to_owned());
        }
        if texts[0] != texts[1] {
            eprintln!("Modelyard goes on with {:?}, llama-server with {:?}", texts[0], texts[1]);
        }
        Ok(texts[0] == texts[1])
    }

    fn cut(&mut self, kind: Kind) -> Vec<u64> {
        let own = match kind {
            Kind::Private | Kind::Schema => PROMPT,
            Kind::Long => LONG_PROMPT,
            Kind::Shared => LONG_PROMPT - BEGINNING,
        };
        self.cut += 1;
        let own = own_part(&self.tokens, self.cut, own);
        match kind {
            Kind::Shared => [&self.tokens[..BEGINNING], own].concat(),
            Kind::Private | Kind::Schema | Kind::Long => own.to_vec(),
        }
    }

    fn body(&self, who: Who, kind: Kind, prompt: &[u64]) -> Map<String, Value> {
        let mut body = Map::new();
        let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
        set("model", json!(MODEL));
        set("prompt", json!(prompt));
        set("max_tokens", json!(kind.answer()));
        set("temperature", json!(0));
        set("stream", json!(true));
        set("stream_options", json!({ "include_usage": true }));
        match who {
            Who::Modelyard => {
                let ends = self.ends.iter().map(|end| (end.to_string(), json!(-100)));
                set("logit_bias", Value::Object(ends.collect()));
            }
            Who::Peer => {
                set("ignore_eos", json!(true));
                set("cache_prompt", json!(true));
                // The best token and nothing else is looked for.
                set("samplers", json!(["top_k"]));
                set("top_k", json!(1));
            }
        }
        match (kind, who) {
            (Kind::Schema, Who::Modelyard) => set("structured_outputs", json!({ "json": schema() })),
            (Kind::Schema, Who::Peer) => set("json_schema", schema()),
            (Kind::Private | Kind::Long | Kind::Shared, _) => None,
        };
        body
    }
}

/// No two cuts begin at the same place before the text was gone through as often as the stride is long. The first token is
/// left to the shared beginning.
fn own_part(tokens: &[u64], cut: usize, length: usize) -> &[u64] {
    let places = tokens.len() - length - 1;
    let places = if places.is_multiple_of(STRIDE) { places - 1 } else { places };
    let start = 1 + cut * STRIDE % places;
    &tokens[start..start + length]
}

/// More than an answer has room for, so that none ends before its length.
fn schema() -> Value {
    json!({
        "type": "array",
        "minItems": 40,
        "items": {
            "type": "object",
            "properties": {
                "name": { "type": "string", "maxLength": 12 },
                "age": { "type": "integer", "minimum": 0, "maximum": 99 },
            },
            "required": ["name", "age"],
            "additionalProperties": false,
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn questions() -> Questions {
        Questions { tokens: (0..15_000).collect(), ends: vec![0, 2], cut: 0, folder: PathBuf::new() }
    }

    #[test]
    fn no_prompt_comes_twice_and_none_begins_as_the_shared_ones_do() {
        let mut questions = questions();
        let starts: BTreeSet<u64> = (0..10_000).map(|_| questions.cut(Kind::Private)[0]).collect();
        assert_eq!(starts.len(), 10_000);
        assert!(!starts.contains(&0));
        let long = questions.cut(Kind::Long);
        assert_eq!((long.len(), long[1023] - long[0]), (LONG_PROMPT, 1023));
        let (one, other) = (questions.cut(Kind::Shared), questions.cut(Kind::Shared));
        assert_eq!((one.len(), &one[..BEGINNING]), (LONG_PROMPT, &other[..BEGINNING]));
        assert_ne!(one[BEGINNING], other[BEGINNING]);
    }

    #[test]
    fn each_server_is_told_in_its_own_words_not_to_end() {
        let questions = questions();
        let ours = questions.body(Who::Modelyard, Kind::Schema, &[7, 8]);
        assert_eq!(ours["logit_bias"], json!({ "0": -100, "2": -100 }));
        assert!(ours.contains_key("structured_outputs") && !ours.contains_key("ignore_eos"));
        let peer = questions.body(Who::Peer, Kind::Shared, &[7, 8]);
        assert_eq!((&peer["ignore_eos"], &peer["max_tokens"]), (&json!(true), &json!(LONG_ANSWER)));
        assert!(!peer.contains_key("logit_bias") && !peer.contains_key("json_schema"));
    }
}
