//! What was said so far.

use yard_client::{ChatMessage, ChatRole};

/// A chat: what the model is told before it, and then questions and answers by turns. Only the last question may be
/// without an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Conversation {
    system: Option<String>,
    turns: Vec<ChatMessage>,
    /// How often the last question was asked again.
    retries: i64,
}

impl Conversation {
    /// A chat in which nothing was said.
    pub(super) fn new(system: Option<String>) -> Self {
        Self { system, ..Self::default() }
    }

    /// As it is sent.
    pub(super) fn messages(&self) -> Vec<ChatMessage> {
        let system = self.system.as_ref().map(|text| ChatMessage::new(ChatRole::System, text));
        system.into_iter().chain(self.turns.iter().cloned()).collect()
    }

    /// How often the last question was asked again.
    pub(super) const fn retries(&self) -> i64 {
        self.retries
    }

    /// Whether there was an answer before the last question.
    pub(super) fn has_answers(&self) -> bool {
        self.turns.iter().any(|message| message.role == ChatRole::Assistant)
    }

    /// Changes what the model is told before the chat.
    pub(super) fn set_system(&mut self, text: Option<String>) {
        self.system = text;
    }

    /// Forgets what was said.
    pub(super) fn reset(&mut self) {
        self.turns.clear();
        self.retries = 0;
    }

    /// A new question. One that has no answer is forgotten: many models know no two questions in a row.
    pub(super) fn ask(&mut self, text: &str) {
        if self.waits() {
            self.turns.pop();
        }
        self.turns.push(ChatMessage::new(ChatRole::User, text));
        self.retries = 0;
    }

    /// Takes the last answer back; false if there is no question.
    pub(super) fn ask_again(&mut self) -> bool {
        if !self.waits() {
            self.turns.pop();
        }
        let has_question = !self.turns.is_empty();
        if has_question {
            self.retries += 1;
        }
        has_question
    }

    /// The answer to the last question. An empty one is none.
    pub(super) fn answer(&mut self, text: String) {
        if self.waits() && !text.is_empty() {
            self.turns.push(ChatMessage::new(ChatRole::Assistant, text));
        }
    }

    /// Whether the last question has no answer.
    fn waits(&self) -> bool {
        self.turns.last().is_some_and(|message| message.role == ChatRole::User)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Roles and texts, as `user:text`.
    #[track_caller]
    fn check(conversation: &Conversation, expected: &[&str]) {
        let messages = conversation.messages();
        let shown: Vec<String> = messages
            .iter()
            .map(|message| {
                let role = match message.role {
                    ChatRole::System => "system",
                    ChatRole::User => "user",
                    ChatRole::Assistant => "assistant",
                };
                format!("{role}:{}", message.content)
            })
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn questions_and_answers_take_turns_whatever_fails() {
        let mut chat = Conversation::new(Some("s".into()));
        check(&chat, &["system:s"]);
        chat.ask("a");
        chat.answer("b".into());
        chat.ask("never answered");
        chat.answer(String::new());
        chat.ask("c");
        check(&chat, &["system:s", "user:a", "assistant:b", "user:c"]);
        chat.answer("d".into());
        chat.answer("nobody asked".into());
        check(&chat, &["system:s", "user:a", "assistant:b", "user:c", "assistant:d"]);
        assert!(chat.has_answers());
    }

    #[test]
    fn a_question_is_asked_again_with_or_without_its_answer() {
        let mut chat = Conversation::default();
        assert!(!chat.ask_again());
        chat.ask("a");
        assert!(chat.ask_again());
        chat.answer("b".into());
        assert!(chat.ask_again());
        check(&chat, &["user:a"]);
        assert_eq!(chat.retries(), 2);
        chat.ask("c");
        assert_eq!((chat.retries(), chat.has_answers()), (0, false));
    }

    #[test]
    fn a_new_chat_keeps_what_the_model_is_told() {
        let mut chat = Conversation::default();
        chat.ask("a");
        chat.answer("b".into());
        chat.set_system(Some("s".into()));
        check(&chat, &["system:s", "user:a", "assistant:b"]);
        chat.reset();
        check(&chat, &["system:s"]);
        assert!(!chat.ask_again());
        chat.set_system(None);
        check(&chat, &[]);
    }
}
