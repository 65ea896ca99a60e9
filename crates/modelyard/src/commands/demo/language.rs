//! The story of a language model: it is pushed, asked a question, and held to a JSON schema.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::Value;
use yard_client::{ChatMessage, ChatOptions, ChatRole, Client, ClientOptions, LocalPackage, PushOptions};
use yard_types::{ModelName, Selector};

use super::{STOPS_NOW, build_in_words, commands_to_try::quoted, server::DemoServer};
use crate::{
    commands::{
        Session,
        chat::{self, Answer},
    },
    connection,
    model_ref::ModelRef,
    output::Output,
};

const MODEL: &str = "assistant";
/// The smallest models answer it well only when they are told how long an answer should be.
const QUESTION: &str = "What is the capital of France? Answer with one word.";
const ORDER: &str = "Describe Paris as JSON.";
const SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "city": {"type": "string", "maxLength": 20},
    "country": {"type": "string", "maxLength": 20},
    "is_capital": {"type": "boolean"}
  },
  "required": ["city", "country", "is_capital"],
  "additionalProperties": false
}"#;
const MAX_TOKENS: u32 = 100;

/// What the demo found, for `--json`.
#[derive(Debug, Serialize)]
struct Report<'a> {
    model: String,
    server: String,
    data_dir: PathBuf,
    question: &'static str,
    answer: chat::Report<'a>,
    tokens_per_second: Option<f64>,
    /// The answer that was held to the schema.
    structured: &'a Value,
    optimised_build: bool,
}

/// Pushes the file, shows both answers, and prints what does the same.
pub(super) async fn story(
    file: &Path,
    server: &DemoServer,
    data_dir: &Path,
    ends_after: bool,
    output: Output,
) -> Result<()> {
    let key = connection::admin_key(data_dir)?.context("the server left no admin key")?;
    let client = Client::new(server.http().clone(), Some(key), ClientOptions::default())?;
    let session = Session { client, output };
    let model = push(&session, file).await?;

    let schema: Value = serde_json::from_str(SCHEMA).context("the demo's schema cannot be used")?;
    let answer = ask(&session, &model, QUESTION, None).await?;
    let held = ask(&session, &model, ORDER, Some(schema)).await?;
    let structured: Value = serde_json::from_str(&held.text)
        .with_context(|| format!("the answer does not keep to its schema: {}", held.text))?;

    let report = Report {
        model: model.to_string(),
        server: server.http().to_string(),
        data_dir: data_dir.to_owned(),
        question: QUESTION,
        answer: answer.report()?,
        tokens_per_second: answer.tokens_per_second(),
        structured: &structured,
        optimised_build: !cfg!(debug_assertions),
    };
    output.data(&report, || figures(&answer, report.optimised_build))?;
    if !output.is_json() {
        let program = std::env::current_exe().context("cannot find this executable")?;
        output.text(&what_to_try(&program, &report.server, data_dir, &report.model))?;
        if ends_after {
            output.text(STOPS_NOW)?;
        }
    }
    Ok(())
}

/// The version that the file has become.
async fn push(session: &Session, file: &Path) -> Result<ModelRef> {
    let Session { client, output } = session;
    let model: ModelName = MODEL.parse().context("the demo's model has a bad name")?;
    let package = LocalPackage::scan(file)?;
    output.talk(format!(
        "pushing {}; the server has it write a few tokens before it is a version",
        file.display()
    ));
    let bar = output.transfer_bar();
    let pushed = client.push(&model, package, &PushOptions::default(), &bar.sink()).await;
    drop(bar);
    let pushed = pushed.with_context(|| format!("cannot push {}", file.display()))?;
    output.talk(format!("{model} version {} is ready", pushed.version));
    // Not what `production` points at: in a directory that was named it may be another one.
    Ok(ModelRef { model, selector: Selector::Version(pushed.version) })
}

/// Shows the question, and the answer while it is written: the most probable one, so that all see the same.
async fn ask(
    session: &Session,
    model: &ModelRef,
    question: &'static str,
    schema: Option<Value>,
) -> Result<Answer> {
    session.output.piece(&format!("\n> {question}\n"))?;
    let options = ChatOptions { temperature: Some(0.0), max_tokens: Some(MAX_TOKENS), seed: None, schema };
    let messages = [ChatMessage::new(ChatRole::User, question)];
    let mut answer = Answer::default();
    let streamed = chat::stream(session, model, &messages, &options, &mut answer).await;
    answer.end_line(session)?;
    streamed?;
    Ok(answer)
}

fn figures(answer: &Answer, optimised_build: bool) -> String {
    format!("\nThe first answer: {}, with {}.", answer.figures(), build_in_words(optimised_build))
}

/// Commands and lines of Python with the real addresses of this run. The key itself stays in its file.
fn what_to_try(program: &Path, server: &str, data_dir: &Path, model: &str) -> String {
    let key = data_dir.join(connection::ADMIN_KEY_FILE);
    let (shell_key, python_key) = (quoted(&key), as_python(&key.display().to_string()));
    let program = quoted(program);
    // Python and JSON write all of this schema alike but one word.
    let schema = SCHEMA.replace("false", "False").replace('\n', "\n  ");
    let (question, order) = (as_python(QUESTION), as_python(ORDER));
    format!(
        r#"
Try next, in another terminal:

  export MODELYARD_SERVER={server}
  export MODELYARD_API_KEY="$(cat {shell_key})"
  {program} chat {model}

From Python, the same as above (pip install openai):

  from openai import OpenAI

  client = OpenAI(base_url="{server}/v1", api_key=open({python_key}).read().strip())
  stream = client.chat.completions.create(
      model="{model}",
      messages=[{{"role": "user", "content": {question}}}],
      temperature=0,
      max_tokens={MAX_TOKENS},
      stream=True,
  )
  for chunk in stream:
      print(chunk.choices[0].delta.content or "", end="", flush=True)

  print()

  schema = {schema}
  answer = client.chat.completions.create(
      model="{model}",
      messages=[{{"role": "user", "content": {order}}}],
      temperature=0,
      max_tokens={MAX_TOKENS},
      response_format={{"type": "json_schema", "json_schema": {{"name": "answer", "schema": schema, "strict": True}}}},
  )
  print(answer.choices[0].message.content)"#
    )
}

/// A text as Python takes it.
fn as_python(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_one_and_differs_in_one_word_from_python_s() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        assert_eq!(
            schema["required"].as_array().unwrap().len(),
            schema["properties"].as_object().unwrap().len()
        );
        assert_eq!(SCHEMA.matches("false").count(), 1);
        assert!(!SCHEMA.contains("true") && !SCHEMA.contains("null"));
    }

    #[test]
    fn texts_are_quoted_where_python_would_take_them_apart() {
        assert_eq!(as_python("/my \"things\"\\x"), r#""/my \"things\"\\x""#);
        let text =
            what_to_try(Path::new("/bin/modelyard"), "http://localhost:1", Path::new("/my data"), "a:1");
        for part in [
            "chat a:1\n",
            r#"base_url="http://localhost:1/v1", api_key=open("/my data/admin.key").read().strip()"#,
            "\"$(cat '/my data/admin.key')\"",
            "\"additionalProperties\": False\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
