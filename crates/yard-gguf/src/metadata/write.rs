//! Metadata into a file's bytes.

use super::{Array, Metadata, Value};

impl Metadata {
    pub(crate) fn write(&self, head: &mut Vec<u8>) {
        for (key, value) in self.iter() {
            put_text(head, key);
            head.extend(value.value_type().number().to_le_bytes());
            put_value(head, value);
        }
    }
}

/// Text behind its length.
pub(crate) fn put_text(head: &mut Vec<u8>, text: &str) {
    head.extend((text.len() as u64).to_le_bytes());
    head.extend(text.as_bytes());
}

fn put_value(head: &mut Vec<u8>, value: &Value) {
    match value {
        Value::U8(value) => head.push(*value),
        Value::I8(value) => head.extend(value.to_le_bytes()),
        Value::U16(value) => head.extend(value.to_le_bytes()),
        Value::I16(value) => head.extend(value.to_le_bytes()),
        Value::U32(value) => head.extend(value.to_le_bytes()),
        Value::I32(value) => head.extend(value.to_le_bytes()),
        Value::F32(value) => head.extend(value.to_le_bytes()),
        Value::Bool(value) => head.push(u8::from(*value)),
        Value::String(text) => put_text(head, text),
        Value::Array(array) => put_array(head, array),
        Value::U64(value) => head.extend(value.to_le_bytes()),
        Value::I64(value) => head.extend(value.to_le_bytes()),
        Value::F64(value) => head.extend(value.to_le_bytes()),
    }
}

fn put_array(head: &mut Vec<u8>, array: &Array) {
    head.extend(array.item_type().number().to_le_bytes());
    match array {
        Array::U8(items) => put_items(head, items, |item| item.to_le_bytes()),
        Array::I8(items) => put_items(head, items, |item| item.to_le_bytes()),
        Array::U16(items) => put_items(head, items, |item| item.to_le_bytes()),
        Array::I16(items) => put_items(head, items, |item| item.to_le_bytes()),
        Array::U32(items) => put_items(head, items, |item| item.to_le_bytes()),
        Array::I32(items) => put_items(head, items, |item| item.to_le_bytes()),
        Array::F32(items) => put_items(head, items, |item| item.to_le_bytes()),
        Array::Bool(items) => put_items(head, items, |item| [u8::from(*item)]),
        Array::Strings(strings) => {
            head.extend((strings.len() as u64).to_le_bytes());
            for text in strings.iter() {
                put_text(head, text);
            }
        }
        Array::Arrays(arrays) => {
            head.extend((arrays.len() as u64).to_le_bytes());
            for array in arrays {
                put_array(head, array);
            }
        }
        Array::U64(items) => put_items(head, items, |item| item.to_le_bytes()),
        Array::I64(items) => put_items(head, items, |item| item.to_le_bytes()),
        Array::F64(items) => put_items(head, items, |item| item.to_le_bytes()),
    }
}

fn put_items<T, const BYTES: usize>(head: &mut Vec<u8>, items: &[T], bytes_of: impl Fn(&T) -> [u8; BYTES]) {
    head.extend((items.len() as u64).to_le_bytes());
    head.extend(items.iter().flat_map(bytes_of));
}
