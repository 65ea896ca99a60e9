//! What Jinja2 makes of chats (`python/reference/chat_templates.py`), and what is made of them here.

use serde_json::Value;
use yard_chat::{BuiltIn, ChatTemplate, SpecialTexts, TemplateError, TemplateLimits};

use crate::chats::conversation;

const TEXTS: &str = include_str!("../reference/texts.json");

fn specials() -> SpecialTexts {
    SpecialTexts { beginning: "<s>".to_owned(), end: "</s>".to_owned() }
}

fn source(case: &Value) -> &str {
    let built_in = match case["template"].as_str().unwrap() {
        "chatml" => BuiltIn::ChatMl,
        "llama3" => BuiltIn::Llama3,
        "gemma" => BuiltIn::Gemma,
        "phi3" => BuiltIn::Phi3,
        "instruct" => BuiltIn::Instruct,
        _ => return case["source"].as_str().unwrap(),
    };
    built_in.source()
}

#[test]
fn every_template_writes_what_jinja_writes() {
    let reference: Value = serde_json::from_str(TEXTS).unwrap();
    let now = reference["now"].as_str().unwrap();
    let (mut texts, mut refusals) = (0, 0);
    for case in reference["cases"].as_array().unwrap() {
        let name = case["template"].as_str().unwrap();
        let template = ChatTemplate::new(source(case), specials(), TemplateLimits::default()).unwrap();
        for (chat, expected) in case["results"].as_object().unwrap() {
            let outcome = template.render(&conversation(&reference["chats"][chat], now));
            match expected["text"].as_str() {
                Some(text) => {
                    assert_eq!(outcome.as_deref(), Ok(text), "{name}: {chat}");
                    texts += 1;
                }
                None => {
                    let said = expected["refused"].as_str().unwrap().to_owned();
                    assert_eq!(outcome, Err(TemplateError::Refused(said)), "{name}: {chat}");
                    refusals += 1;
                }
            }
        }
    }
    assert!(texts > 50 && refusals > 4, "{texts} {refusals}");
}

#[test]
fn a_vocabulary_tells_the_form_of_its_chats() {
    let form = |tokens: &[&str]| BuiltIn::for_vocabulary(|token| tokens.contains(&token));
    assert_eq!(form(&["<|endoftext|>", "<|im_start|>", "<|im_end|>"]), Some(BuiltIn::ChatMl));
    assert_eq!(form(&["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]), Some(BuiltIn::Llama3));
    assert_eq!(form(&["<bos>", "<start_of_turn>", "<end_of_turn>"]), Some(BuiltIn::Gemma));
    assert_eq!(form(&["<|user|>", "<|assistant|>", "<|system|>", "<|end|>"]), Some(BuiltIn::Phi3));
    assert_eq!(form(&["[INST]", "[/INST]", "[TOOL_CALLS]"]), Some(BuiltIn::Instruct));
    assert_eq!(form(&["<s>", "</s>"]), None);
}
