//! Our `.proto` files against the names and numbers of the published clients.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};

/// Messages of which only the part with a meaning here is defined.
const PARTIAL: [&str; 5] = [
    "inference.ModelConfig",
    "inference.ModelInstanceGroup",
    "inference.ModelInput",
    "inference.ModelOutput",
    "inference.ModelDynamicBatching",
];

const PUBLISHED: &str = include_str!("published_fields.txt");

fn ours() -> BTreeSet<String> {
    let set = FileDescriptorSet::decode(yard_api::grpc::FILE_DESCRIPTOR_SET).unwrap();
    let mut lines = BTreeSet::new();
    for file in &set.file {
        let package = file.package();
        file.enum_type.iter().for_each(|values| list_enum(package, values, &mut lines));
        file.message_type.iter().for_each(|message| list_message(package, message, &mut lines));
        for service in &file.service {
            for call in &service.method {
                let stream = |is_stream| if is_stream { "stream " } else { "" };
                lines.insert(format!(
                    "rpc {package}.{}.{} {}{} -> {}{}",
                    service.name(),
                    call.name(),
                    stream(call.client_streaming()),
                    call.input_type().trim_start_matches('.'),
                    stream(call.server_streaming()),
                    call.output_type().trim_start_matches('.'),
                ));
            }
        }
    }
    lines
}

fn list_enum(scope: &str, values: &EnumDescriptorProto, lines: &mut BTreeSet<String>) {
    for value in &values.value {
        lines.insert(format!("{scope}.{}.{} = {}", values.name(), value.name(), value.number()));
    }
}

fn list_message(scope: &str, message: &DescriptorProto, lines: &mut BTreeSet<String>) {
    let scope = format!("{scope}.{}", message.name());
    for field in &message.field {
        let repeated = if field.label() == Label::Repeated { "repeated " } else { "" };
        let oneof = match field.oneof_index {
            Some(index) => format!(" oneof {}", message.oneof_decl[usize::try_from(index).unwrap()].name()),
            None => String::new(),
        };
        let (name, number) = (field.name(), field.number());
        lines.insert(format!("{scope}.{name} = {number} {repeated}{}{oneof}", type_name(field)));
    }
    message.nested_type.iter().for_each(|nested| list_message(&scope, nested, lines));
    message.enum_type.iter().for_each(|values| list_enum(&scope, values, lines));
}

fn type_name(field: &FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::Message | Type::Enum => field.type_name().trim_start_matches('.').to_owned(),
        scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    }
}

/// `inference.Message` of a line `inference.Message.field = 1 type`.
fn message_of(line: &str) -> &str {
    let name = line.split(' ').next().unwrap();
    name.rsplit_once('.').unwrap().0
}

#[test]
fn every_field_and_call_is_numbered_as_published() {
    let published: BTreeSet<&str> = PUBLISHED.lines().filter(|line| !line.starts_with('#')).collect();
    let unpublished: Vec<String> =
        ours().into_iter().filter(|line| !published.contains(line.as_str())).collect();
    assert!(unpublished.is_empty(), "{unpublished:#?}");
}

#[test]
fn messages_are_defined_whole_unless_said_otherwise() {
    let mut published: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in PUBLISHED.lines().filter(|line| line.starts_with("inference.")) {
        published.entry(message_of(line)).or_default().insert(line);
    }
    let ours = ours();
    let messages: BTreeSet<&str> =
        ours.iter().filter(|line| line.starts_with("inference.")).map(|line| message_of(line)).collect();
    assert!(messages.len() > 40, "{}", messages.len());
    for message in messages {
        if PARTIAL.contains(&message) {
            continue;
        }
        for line in &published[message] {
            assert!(ours.contains(*line), "missing: {line}");
        }
    }
}
