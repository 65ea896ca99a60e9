//! JSON: rows, a plain request, or a request of the Open Inference Protocol.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use yard_api::{plain, v2::InferRequest};
use yard_types::{NamedTensor, Signature};

/// The one member that tells the two kinds of objects apart; all others are left to their readers.
#[derive(Deserialize)]
struct Inputs<'a> {
    #[serde(borrow, default)]
    inputs: Option<&'a RawValue>,
}

/// Reads any of the forms, the way the server would.
pub(super) fn read(content: Vec<u8>, signature: &Signature) -> Result<Vec<NamedTensor>, String> {
    let first = content.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'[') {
        // Bare rows.
        let mut wrapped = b"{\"inputs\": ".to_vec();
        wrapped.extend_from_slice(&content);
        wrapped.push(b'}');
        return read_plain(&wrapped.into(), signature);
    }
    let is_protocol = serde_json::from_slice::<Inputs<'_>>(&content)
        .is_ok_and(|object| object.inputs.is_some_and(|inputs| is_list_of_objects(inputs.get())));
    let content = Bytes::from(content);
    if !is_protocol {
        return read_plain(&content, signature);
    }
    let request = InferRequest::from_json(&content).map_err(|error| error.to_string())?;
    let owned = |input: NamedTensor<_>| {
        let NamedTensor { name, tensor }: NamedTensor<std::borrow::Cow<'_, str>> = input;
        NamedTensor { name: name.into_owned(), tensor }
    };
    Ok(request.inputs.into_iter().map(owned).collect())
}

fn is_list_of_objects(json: &str) -> bool {
    json.strip_prefix('[').is_some_and(|items| items.trim_start().starts_with('{'))
}

fn read_plain(body: &Bytes, signature: &Signature) -> Result<Vec<NamedTensor>, String> {
    let named = plain::read_request(body, signature).map_err(|error| error.to_string())?;
    Ok(named
        .into_iter()
        .map(|input| NamedTensor { name: input.name.into_owned(), tensor: input.tensor })
        .collect())
}
