//! tokenizer.json: load, encode, decode, look up.

use crate::abi::{guard, slice, text, Bytes, Failure, Ids};
use crate::charsmap::check_charsmaps;
use crate::growth::{growth, LIMIT};
use std::collections::HashMap;
use tokenizers::Tokenizer;

/// How decoding treats neighbours; ADDER_DECODER_* in the header.
const BYTE_LEVEL: i32 = 0;
const BYTE_FALLBACK: i32 = 1;
const OTHER: i32 = 2;

/// What the C side holds a pointer to. Immutable after loading, so shared freely between threads.
pub struct Handle {
    inner: Tokenizer,
    decoder: i32,
    size: usize,
    id_limit: i64,
    byte_of: HashMap<char, u8>,
}

/// The printable stand-ins that byte-level BPE uses for the 256 byte values (GPT-2's `bytes_to_unicode`):
/// bytes that are printable in Latin-1 stand for themselves, the rest are U+0100 onwards in byte order.
fn byte_alphabet() -> HashMap<char, u8> {
    let mut next = 0x100u32;
    let mut map = HashMap::new();
    for byte in 0..=255u8 {
        let printable = matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
        let code = if printable {
            byte as u32
        } else {
            next += 1;
            next - 1
        };
        map.extend(char::from_u32(code).map(|c| (c, byte)));
    }
    map
}

/// The decoder's type names, outermost first, sequences flattened.
fn decoder_types(value: &serde_json::Value, out: &mut Vec<String>) {
    match value.get("decoders").and_then(|d| d.as_array()) {
        Some(parts) => parts.iter().for_each(|part| decoder_types(part, out)),
        None => out.extend(value.get("type").and_then(|t| t.as_str()).map(String::from)),
    }
}

fn decoder_kind(tokenizer: &Tokenizer) -> Result<i32, Failure> {
    let Some(decoder) = tokenizer.get_decoder() else { return Ok(OTHER) };
    let value = serde_json::to_value(decoder).map_err(|e| Failure::internal(e.to_string()))?;
    let mut types = Vec::new();
    decoder_types(&value, &mut types);
    let names: Vec<&str> = types.iter().map(String::as_str).collect();
    Ok(match names.as_slice() {
        ["ByteLevel"] | ["ByteLevel", "Fuse"] | ["Fuse", "ByteLevel"] => BYTE_LEVEL,
        _ if names.contains(&"ByteFallback") => BYTE_FALLBACK,
        _ => OTHER,
    })
}

/// Refuses a file that could make a short text fill the memory, on the way to ids or back.
fn check_growth(tokenizer: &Tokenizer) -> Result<(), Failure> {
    fn of<T: serde::Serialize>(part: Option<&T>) -> Result<f64, Failure> {
        let value = serde_json::to_value(part).map_err(|e| Failure::internal(e.to_string()))?;
        Ok(growth(&value))
    }
    let encode = of(tokenizer.get_normalizer())?
        * of(tokenizer.get_pre_tokenizer())?
        * of(tokenizer.get_post_processor())?;
    let decode = of(tokenizer.get_decoder())?;
    if encode.max(decode) < LIMIT {
        return Ok(());
    }
    let what = if encode >= LIMIT { "encoding" } else { "decoding" };
    Err(Failure::file(format!(
        "{what} could make a text {:e} times as long; expected less than {LIMIT} times",
        encode.max(decode)
    )))
}

impl Handle {
    fn load(json: &[u8]) -> Result<Self, Failure> {
        check_charsmaps(json)?;
        let mut inner = Tokenizer::from_bytes(json).map_err(|e| Failure::file(e.to_string()))?;
        // Padding and truncation belong to training batches; a hostile file could ask for terabytes of padding.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|e| Failure::file(e.to_string()))?;
        check_growth(&inner)?;
        let vocab = inner.get_vocab(true);
        let id_limit = vocab.values().max().map_or(0, |&id| i64::from(id) + 1);
        if id_limit > i64::from(i32::MAX) {
            return Err(Failure::file(format!("token id {} does not fit 31 bits", id_limit - 1)));
        }
        Ok(Handle {
            decoder: decoder_kind(&inner)?,
            size: vocab.len(),
            id_limit,
            byte_of: byte_alphabet(),
            inner,
        })
    }

    fn encode(&self, text: &str, add_special: bool) -> Result<Vec<i32>, Failure> {
        let encoding =
            self.inner.encode_fast(text, add_special).map_err(|e| Failure::internal(e.to_string()))?;
        encoding
            .get_ids()
            .iter()
            .map(|&id| {
                i32::try_from(id)
                    .map_err(|_| Failure::internal(format!("token id {id} does not fit 31 bits")))
            })
            .collect()
    }

    fn decode(&self, ids: &[i32], skip_special: bool) -> Result<String, Failure> {
        let ids = ids.iter().map(|&id| checked(id)).collect::<Result<Vec<u32>, _>>()?;
        if ids.is_empty() {
            return Ok(String::new());
        }
        self.inner.decode(&ids, skip_special).map_err(|e| Failure::internal(e.to_string()))
    }

    /// The vocabulary text of an id, in the precedence that decoding uses.
    fn token(&self, id: u32) -> Option<String> {
        self.inner.get_added_vocabulary().simple_id_to_token(id).or_else(|| self.inner.id_to_token(id))
    }

    /// The bytes that an id adds to byte-level text.
    fn token_bytes(&self, token: String) -> Vec<u8> {
        let mapped: Option<Vec<u8>> = token.chars().map(|c| self.byte_of.get(&c).copied()).collect();
        mapped.unwrap_or_else(|| token.into_bytes())
    }
}

fn checked(id: i32) -> Result<u32, Failure> {
    u32::try_from(id).map_err(|_| Failure::argument(format!("token id {id} is negative")))
}

// SAFETY of all entry points: the pointers obey the contract written beside each declaration in the header.

#[no_mangle]
pub unsafe extern "C" fn adder_tokenizer_load(
    json: *const u8,
    size: usize,
    out: *mut *mut Handle,
    error: *mut Bytes,
) -> i32 {
    guard(error, || {
        let handle = Box::new(Handle::load(slice(json, size))?);
        out.write(Box::into_raw(handle));
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn adder_tokenizer_free(handle: *mut Handle) {
    guard(std::ptr::null_mut(), || {
        if !handle.is_null() {
            drop(Box::from_raw(handle));
        }
        Ok(())
    });
}

#[no_mangle]
pub unsafe extern "C" fn adder_tokenizer_encode(
    handle: *const Handle,
    utf8: *const u8,
    size: usize,
    add_special: bool,
    out: *mut Ids,
    error: *mut Bytes,
) -> i32 {
    guard(error, || {
        let ids = (*handle).encode(text(slice(utf8, size), "the text to encode")?, add_special)?;
        out.write(Ids::own(ids));
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn adder_tokenizer_decode(
    handle: *const Handle,
    ids: *const i32,
    count: usize,
    skip_special: bool,
    out: *mut Bytes,
    error: *mut Bytes,
) -> i32 {
    guard(error, || {
        let decoded = (*handle).decode(slice(ids, count), skip_special)?;
        out.write(Bytes::own(decoded.into_bytes()));
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn adder_tokenizer_vocab_size(handle: *const Handle) -> usize {
    (*handle).size
}

#[no_mangle]
pub unsafe extern "C" fn adder_tokenizer_id_limit(handle: *const Handle) -> i32 {
    (*handle).id_limit as i32
}

#[no_mangle]
pub unsafe extern "C" fn adder_tokenizer_decoder_kind(handle: *const Handle) -> i32 {
    (*handle).decoder
}

#[no_mangle]
pub unsafe extern "C" fn adder_tokenizer_token_to_id(
    handle: *const Handle,
    utf8: *const u8,
    size: usize,
) -> i32 {
    let mut found = -1;
    guard(std::ptr::null_mut(), || {
        let token = text(slice(utf8, size), "the token")?;
        found = (*handle).inner.token_to_id(token).and_then(|id| i32::try_from(id).ok()).unwrap_or(-1);
        Ok(())
    });
    found
}

#[no_mangle]
pub unsafe extern "C" fn adder_tokenizer_is_special(handle: *const Handle, id: i32) -> bool {
    let mut special = false;
    guard(std::ptr::null_mut(), || {
        let token = (*handle).token(checked(id)?);
        special = token.is_some_and(|t| (*handle).inner.get_added_vocabulary().is_special_token(&t));
        Ok(())
    });
    special
}

#[no_mangle]
pub unsafe extern "C" fn adder_tokenizer_id_to_token(
    handle: *const Handle,
    id: i32,
    as_bytes: bool,
    found: *mut bool,
    out: *mut Bytes,
    error: *mut Bytes,
) -> i32 {
    guard(error, || {
        let token = (*handle).token(checked(id)?);
        found.write(token.is_some());
        let bytes = token.map(|t| if as_bytes { (*handle).token_bytes(t) } else { t.into_bytes() });
        out.write(Bytes::own(bytes.unwrap_or_default()));
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn adder_bytes_free(bytes: Bytes) {
    bytes.release();
}

#[no_mangle]
pub unsafe extern "C" fn adder_ids_free(ids: Ids) {
    ids.release();
}
