//! A check that comes before the tokenizers crate sees the file.

use crate::abi::Failure;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// Refuses a Precompiled normalizer that claims a longer table than it holds. Its first four bytes are the
/// table's length, and the crate reserves eight bytes for each four that are claimed before it reads them: a
/// file of a hundred bytes could ask for eight gigabytes, and Rust ends the process when it gets no memory.
pub fn check_charsmaps(json: &[u8]) -> Result<(), Failure> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let found = serde::Deserializer::deserialize_map(&mut deserializer, Normalizers);
    found.map_err(|e| Failure::file(e.to_string()))?.iter().try_for_each(check)
}

/// Every value of the key "normalizer", should there be several; the rest is skipped.
struct Normalizers;

impl<'de> Visitor<'de> for Normalizers {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Value>, A::Error> {
        let mut found = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if key == "normalizer" {
                found.push(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

fn check(part: &Value) -> Result<(), Failure> {
    match part {
        Value::Array(items) => items.iter().try_for_each(check),
        Value::Object(fields) => fields.iter().try_for_each(|(key, value)| match value.as_str() {
            Some(text) if key == "precompiled_charsmap" => check_length(text),
            _ => check(value),
        }),
        _ => Ok(()),
    }
}

fn check_length(base64: &str) -> Result<(), Failure> {
    let held = base64.len() / 4 * 3;
    match first_number(base64) {
        Some(claimed) if claimed as usize > held => Err(Failure::file(format!(
            "precompiled_charsmap: a table of {claimed} bytes; expected at most the {held} that follow"
        ))),
        _ => Ok(()),
    }
}

/// The first four bytes, little-endian; none if this is not base64, which the crate says itself.
fn first_number(base64: &str) -> Option<u32> {
    let mut bits = 0u64;
    for c in base64.bytes().take(6) {
        let digit = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u64::from(digit);
    }
    (base64.len() >= 6).then(|| ((bits >> 4) as u32).swap_bytes())
}
