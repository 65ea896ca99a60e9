//! Templates that mean no good.

use yard_chat::{ChatTemplate, Conversation, Message, Role, SpecialTexts, TemplateError, TemplateLimits};

fn limits() -> TemplateLimits {
    TemplateLimits { source_bytes: 10_000, instructions: 200_000, text_bytes: 100_000 }
}

fn render(source: &str) -> Result<String, TemplateError> {
    let template = ChatTemplate::new(source, SpecialTexts::default(), limits())?;
    let messages = vec![Message::new(Role::User, "a".repeat(1_000))];
    template.render(&Conversation { messages, ..Conversation::default() })
}

#[test]
fn work_and_text_have_an_end() {
    let endless = [
        "{% for a in range(9999) %}{% for b in range(9999) %}{% set c = a %}{% endfor %}{% endfor %}",
        "{% macro again(n) %}{{ again(n + 1) }}{% endmacro %}{{ again(0) }}",
    ];
    for source in endless {
        let error = render(source).unwrap_err();
        assert!(
            matches!(error, TemplateError::TooMuchWork | TemplateError::Failed { .. }),
            "{source}: {error}"
        );
    }
    for source in [
        "{% for a in range(9999) %}{{ messages[0].content }}{% endfor %}",
        "{{ messages[0].content * 1000 }}",
    ] {
        assert_eq!(render(source), Err(TemplateError::TooMuchText { limit: 100_000 }), "{source}");
    }
    assert_eq!(render("{{ 'x' * 100000 }}").unwrap().len(), 100_000, "the limit itself is allowed");
    assert!(matches!(
        render(&"x".repeat(10_001)),
        Err(TemplateError::TooLong { bytes: 10_001, limit: 10_000 })
    ));
}

#[test]
fn nothing_outside_the_conversation_is_seen() {
    for source in [
        "{% include '/etc/passwd' %}",
        "{% extends 'chat' %}",
        "{% import 'os' as os %}",
        "{% from 'os' import environ %}",
        "{{ messages.__class__.__mro__ }}",
        "{{ ''.__class__ }}",
        "{{ self.environment }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ open('/etc/passwd') }}",
        "{{ env('HOME') }}",
    ] {
        match render(source) {
            Ok(text) => assert_eq!(text, "", "{source}"),
            Err(error) => assert!(matches!(error, TemplateError::Failed { .. }), "{source}: {error}"),
        }
    }
}

#[test]
fn what_is_no_template_is_told_with_its_line() {
    let error = render("one\n{% if %}\n").unwrap_err();
    assert!(error.to_string().starts_with("the model's chat template cannot be read in line 2: "), "{error}");
    for source in [
        "{% for x in y %}",
        "{{ 'x }}",
        "{% unknown %}",
        "{{ a b }}",
        &"{{ (".repeat(2_000),
        &"{% if a %}".repeat(900),
    ] {
        assert!(matches!(render(source), Err(TemplateError::Malformed { .. })), "{}", &source[..10]);
    }
    let error = render("a\n\n{{ messages[3].content }}").unwrap_err();
    assert!(error.to_string().starts_with("the model's chat template fails in line 3: "), "{error}");
    let error = render("{{ raise_exception('no system, please') }}").unwrap_err();
    assert_eq!(error.to_string(), "the model's chat template refuses the conversation: no system, please");
    let error = render("{{ strftime_now('%Y') }}").unwrap_err();
    assert!(error.to_string().ends_with("the time is not told"), "{error}");
}
