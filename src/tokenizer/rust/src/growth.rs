//! A bound on how much longer a tokenizer can make a text, read off its parts.
//!
//! Every step of a sequence may multiply the length: forty times "replace a by aa" turn one letter into a
//! terabyte, and Rust ends the process when memory runs out. Real tokenizers stay below 100,000.

use serde_json::Value;

pub const LIMIT: f64 = 262_144.0;

/// The product over all steps of the most bytes that one byte can become. `part` is a normalizer, a
/// pre-tokenizer, a post-processor or a decoder as tokenizer.json spells it, or null.
pub fn growth(part: &Value) -> f64 {
    const LISTS: [&str; 4] = ["normalizers", "pretokenizers", "processors", "decoders"];
    match LISTS.iter().find_map(|list| part.get(list)?.as_array()) {
        Some(steps) => steps.iter().map(growth).product(),
        None => step(part),
    }
}

fn step(part: &Value) -> f64 {
    match part.get("type").and_then(Value::as_str).unwrap_or_default() {
        "Replace" => replacement(part),
        "Prepend" => 1.0 + length(part.get("prepend")),
        "TemplateProcessing" => {
            let pieces = part.get("single").and_then(Value::as_array);
            pieces.map_or(1.0, |all| all.iter().filter(|p| p.get("Sequence").is_some()).count().max(1) as f64)
        }
        // A table of any content, with room for one such step but not for two.
        "Precompiled" => 512.0,
        // Unicode's own tables: U+FDFA has 3 bytes and becomes 33, U+0390 has 2 and becomes 6.
        "NFKC" | "NFKD" | "BertNormalizer" => 12.0,
        "NFC" | "NFD" => 3.0,
        "Metaspace" => 4.0,
        "ByteLevel" | "Lowercase" | "WordPiece" | "BPEDecoder" | "CTC" => 2.0,
        _ => 1.0,
    }
}

/// A regular expression may match nothing at all, between any two bytes; so does the empty string.
fn replacement(part: &Value) -> f64 {
    let content = length(part.get("content"));
    let pattern = length(part.get("pattern").and_then(|p| p.get("String")));
    if pattern > 0.0 {
        (content / pattern).max(1.0)
    } else {
        content + 1.0
    }
}

fn length(text: Option<&Value>) -> f64 {
    text.and_then(Value::as_str).map_or(0.0, |s| s.len() as f64)
}
