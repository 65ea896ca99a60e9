//! Chats as the oracle's file has them.

use serde_json::Value;
use yard_chat::{Conversation, Message, Role, ToolCall};

pub(crate) fn conversation(chat: &Value, now: &str) -> Conversation {
    let mut settings = chat.as_object().unwrap().clone();
    let messages = settings.remove("messages").unwrap();
    let tools = settings.remove("tools");
    let begin_answer = settings.remove("add_generation_prompt");
    Conversation {
        messages: messages.as_array().unwrap().iter().map(message).collect(),
        tools: tools.map(|tools| tools.as_array().unwrap().clone()).unwrap_or_default(),
        begin_answer: begin_answer.is_some_and(|begin| begin.as_bool().unwrap()),
        now: Some(now.parse().unwrap()),
        settings,
    }
}

fn message(value: &Value) -> Message {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let roles = [Role::System, Role::User, Role::Assistant, Role::Tool];
    let role = roles.into_iter().find(|role| value["role"] == role.as_str()).unwrap();
    let calls = value["tool_calls"].as_array().map_or(&[][..], Vec::as_slice);
    Message {
        tool_calls: calls
            .iter()
            .map(|call| ToolCall {
                id: text(&call["id"]).unwrap(),
                name: text(&call["function"]["name"]).unwrap(),
                arguments: call["function"]["arguments"].clone(),
            })
            .collect(),
        tool_call_id: text(&value["tool_call_id"]),
        ..Message::new(role, text(&value["content"]).unwrap())
    }
}
