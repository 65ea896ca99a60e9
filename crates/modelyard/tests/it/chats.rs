//! Chats with a model of random weights: a schema decides what it answers.

use std::{fs::File, path::PathBuf};

use fs_err as fs;

use crate::{
    program::{Outcome, TestServer, outcome},
    small_language_model::{CONTEXT, Options, write},
};

struct Chatting {
    server: TestServer,
    schema: PathBuf,
}

impl Chatting {
    fn start() -> Self {
        let server = TestServer::start();
        let file = server.folder.path().join("tiny.gguf");
        write(&file, Options::default());
        server.run_on(&["push", "tiny"], &file, &[]).data();
        let schema = server.folder.path().join("yes.json");
        fs::write(&schema, r#"{"enum": ["yes"]}"#).unwrap();
        Self { server, schema }
    }

    /// What comes of these lines, which come through no terminal.
    fn chat(&self, lines: &str, arguments: &[&str]) -> Outcome {
        let file = self.server.folder.path().join("lines.txt");
        fs::write(&file, lines).unwrap();
        let mut command = self.server.command();
        command.args(["chat", "tiny", "--schema"]).arg(&self.schema).args(arguments);
        outcome(command.stdin(File::open(&file).unwrap()))
    }
}

#[test]
fn one_question_is_answered_once() {
    let chatting = Chatting::start();
    let answer = chatting.chat("never read\n", &["--json", "--prompt", "hi"]).json();
    assert_eq!((answer["text"].as_str(), answer["finish_reason"].as_str()), (Some("\"yes\""), Some("stop")));
    let usage = |name: &str| answer["usage"][name].as_u64().unwrap();
    assert_eq!(usage("total_tokens"), usage("prompt_tokens") + usage("completion_tokens"));
    assert_eq!(chatting.chat("", &["--prompt", "hi"]).data(), "\"yes\"");
}

#[test]
fn lines_are_questions_of_one_chat_and_commands() {
    let chatting = Chatting::start();
    let lengths = |lines: &str| -> Vec<u64> {
        let answers = chatting.chat(lines, &["--json"]).data();
        let answer = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        answers.lines().map(|line| answer(line)["usage"]["prompt_tokens"].as_u64().unwrap()).collect()
    };
    let of_chat = lengths("a\nb\n/retry\n/reset\na\n/quit\nnever asked\n");
    assert_eq!(of_chat.len(), 4, "{of_chat:?}");
    assert!(of_chat[0] < of_chat[1], "what was said is kept: {of_chat:?}");
    assert_eq!((of_chat[1], of_chat[0]), (of_chat[2], of_chat[3]));
    let told = lengths("/system Yes!\na\n/system\n/reset\na\n");
    assert_eq!(told[1], of_chat[0]);
    assert!(told[0] > told[1], "{told:?}");
}

#[test]
fn the_first_failure_ends_the_lines() {
    let chatting = Chatting::start();
    chatting.chat("/nonsense\nhi\n", &[]).fails(2, "there is no command /nonsense");
    chatting.chat("/retry\n", &[]).fails(2, "there is no question");
    chatting.chat(&"a".repeat(CONTEXT), &[]).fails(6, "does not fit into the model's context: shorten it");
    chatting.chat("hi\n", &["--max-tokens", "500"]).fails(6, "or lower --max-tokens");
    let filled = chatting.chat(&format!("hi\n{}\nhi\n", "a".repeat(CONTEXT - 24)), &[]);
    assert_eq!((filled.status, filled.stdout.as_str()), (Some(6), "\"yes\"\n"), "{filled:?}");
    assert!(filled.stderr.contains("context is full: begin a new chat with /reset"), "{filled:?}");
}
