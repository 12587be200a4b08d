//! What the tests of a state have in common: the states that the first version wrote, and what may happen to bytes.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Encoded, Specs, decode, encode};
use crate::config::AppSpec;

/// The bytes of a value, and the value of bytes, with a table of descriptions on either side.
#[derive(Debug, Default)]
pub(crate) struct Passage {
    written: Specs,
    read: Specs,
}

impl Passage {
    /// The value, as a successor reads it.
    pub(crate) fn carry<T: Serialize + DeserializeOwned>(&mut self, value: &T) -> T {
        let Encoded { new, bytes } = self.written.encode(value);
        for (number, spec) in new {
            let spec: AppSpec = decode(&encode(&*spec)).expect("a description that was just written");
            self.read.learn(number, Arc::new(spec));
        }
        self.read
            .decode(&bytes)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&bytes)))
    }
}

/// A value with its descriptions.
pub(crate) fn document<T: Serialize>(value: &T) -> Value {
    let Encoded { new, bytes } = Specs::default().encode(value);
    let specs: Vec<Value> = new.iter().map(|(number, spec)| json!([number, &**spec])).collect();
    json!({ "specs": specs, "value": serde_json::from_slice::<Value>(&bytes).unwrap() })
}

/// Reads what [`document`] made.
pub(crate) fn read_document<T: DeserializeOwned>(document: &Value) -> T {
    let mut specs = Specs::default();
    for row in document["specs"].as_array().expect("descriptions") {
        let (number, spec): (u32, AppSpec) = decode(&encode(row)).expect("a number and a description");
        specs.learn(number, Arc::new(spec));
    }
    specs.decode(&encode(&document["value"])).expect("a value of an earlier version")
}

/// What the first version wrote, which every later one reads. With `DROVER_BLESS` it is written, but only if it is missing: it is
/// never to change.
pub(crate) fn golden<T: Serialize>(name: &str, make: impl FnOnce() -> T) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/state/golden").join(name);
    if !path.exists() && std::env::var_os("DROVER_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = serde_json::to_string_pretty(&document(&make())).unwrap();
        std::fs::write(&path, text + "\n").unwrap();
    }
    let text = std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; DROVER_BLESS=1 makes a new one", path.display()));
    serde_json::from_slice(&text).unwrap()
}

/// Every value that was there is there still; more may be.
pub(crate) fn assert_kept(before: &Value, after: &Value, at: &str) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, value) in before {
                let found = after.get(key).unwrap_or_else(|| panic!("{at}.{key} is lost"));
                assert_kept(value, found, &format!("{at}.{key}"));
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            assert_eq!(before.len(), after.len(), "{at}");
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                assert_kept(before, after, &format!("{at}[{index}]"));
            }
        }
        _ => assert_eq!(before, after, "{at}"),
    }
}

/// The same from a later version: each structure has one more field.
pub(crate) fn of_later_version(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: serde_json::Map<_, _> =
                fields.iter().map(|(key, value)| (key.clone(), of_later_version(value))).collect();
            // The keys of a variant and of a map are a name and numbers, a map may be empty, and a duration is not ours.
            let is_ours = !fields.is_empty() && !fields.contains_key("nanos");
            if is_ours && fields.keys().all(|key| key.starts_with(|first: char| first.is_ascii_lowercase())) {
                fields.insert("of_a_later_version".to_owned(), json!({ "a": [1, null, "b"] }));
            }
            Value::Object(fields)
        }
        Value::Array(items) => items.iter().map(of_later_version).collect(),
        other => other.clone(),
    }
}

/// Whatever becomes of bytes, a reader gives a value or an error.
pub(crate) fn assert_never_panics(bytes: &[u8], read: impl Fn(&[u8])) {
    for end in 0..bytes.len() {
        read(&bytes[..end]);
    }
    let mut broken = bytes.to_vec();
    for at in 0..bytes.len() {
        // Each of the 8 bits has its turn.
        broken[at] ^= 1 << (at % 8);
        read(&broken);
        broken[at] = bytes[at];
    }
}
