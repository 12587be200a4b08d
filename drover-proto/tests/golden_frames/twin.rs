//! The readable twin of a frame, made from the `.proto` files alone: protobuf's JSON form.

use std::collections::BTreeSet;

use protox::prost_reflect::{DynamicMessage, FieldDescriptor, Value};
use serde_json::Value as Json;

/// The message in protobuf's JSON form: names in lowerCamelCase, 64-bit numbers and enum values as strings,
/// nothing that is unset.
pub(crate) fn json_of(message: &DynamicMessage) -> Json {
    Json::Object(
        message
            .fields()
            .map(|(field, value)| (field.json_name().to_owned(), json_of_value(&field, value)))
            .collect(),
    )
}

fn json_of_value(field: &FieldDescriptor, value: &Value) -> Json {
    match value {
        Value::List(values) => values.iter().map(|value| json_of_value(field, value)).collect(),
        Value::Message(message) => json_of(message),
        Value::Bool(value) => (*value).into(),
        Value::U32(value) => (*value).into(),
        Value::I32(value) => (*value).into(),
        Value::U64(value) => value.to_string().into(),
        Value::F64(value) => (*value).into(),
        Value::String(value) => value.as_str().into(),
        Value::Bytes(bytes) => base64(bytes).into(),
        Value::EnumNumber(number) => {
            let kind = field.kind();
            let of = kind.as_enum().expect("an enum's number stands in an enum's field");
            of.get_value(*number).map_or_else(|| (*number).into(), |value| value.name().into())
        }
        other => panic!("the protocol has no {other:?} yet: say here how it reads in JSON"),
    }
}

/// RFC 4648, section 4: protobuf's JSON form of bytes.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | usize::from(three.get(at).copied().unwrap_or(0)));
        let digit = |at: usize| char::from(DIGITS[bits >> (18 - 6 * at) & 63]);
        (0..4).map(move |at| if at <= three.len() { digit(at) } else { '=' }).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

/// Adds the full name of every field that is set in the message or below it.
pub(crate) fn note_fields(message: &DynamicMessage, seen: &mut BTreeSet<String>) {
    for (field, value) in message.fields() {
        seen.insert(field.full_name().to_owned());
        let values = match value {
            Value::List(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        values.iter().filter_map(Value::as_message).for_each(|message| note_fields(message, seen));
    }
}
