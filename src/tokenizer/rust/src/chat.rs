//! Chat templates: Jinja as Hugging Face renders it.

use crate::abi::{guard, slice, text, Bytes, Failure};
use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, ErrorKind};
use serde::Serialize;

/// Template steps before rendering is given up, so that a template cannot hang the process.
const FUEL: u64 = 20_000_000;

/// Spaces after `,` and `:` as Python's json.dumps writes them.
struct PythonFormatter;

impl serde_json::ser::Formatter for PythonFormatter {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }
    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }
    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

/// `tojson` without HTML escapes, with Python's spacing; `indent=n` for the tall form.
fn tojson(value: Value, kwargs: Kwargs) -> Result<String, Error> {
    let failed = |e: serde_json::Error| Error::new(ErrorKind::BadSerialization, e.to_string());
    let indent: Option<usize> = kwargs.get("indent")?;
    let mut out = Vec::new();
    match indent {
        Some(n) => {
            let spaces = vec![b' '; n.min(64)];
            let tall = serde_json::ser::PrettyFormatter::with_indent(&spaces);
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, tall)).map_err(failed)?;
        }
        None => value
            .serialize(&mut serde_json::Serializer::with_formatter(&mut out, PythonFormatter))
            .map_err(failed)?,
    }
    String::from_utf8(out).map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))
}

fn raise_exception(message: String) -> Result<String, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// "message (chat template, line 3)", with the causes appended.
fn describe(error: &Error) -> String {
    let mut out = error.detail().map_or_else(|| error.kind().to_string(), String::from);
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        out = format!("{out}: {inner}");
        cause = inner.source();
    }
    match error.line() {
        Some(line) => format!("{out} (chat template, line {line})"),
        None => out,
    }
}

fn render(template: &str, context: &serde_json::Value) -> Result<String, Failure> {
    let mut env = Environment::new();
    env.set_trim_blocks(true);
    env.set_lstrip_blocks(true);
    env.set_fuel(Some(FUEL));
    env.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    env.add_filter("tojson", tojson);
    env.add_function("raise_exception", raise_exception);
    let compiled = env.template_from_str(template).map_err(|e| Failure::file(describe(&e)))?;
    compiled.render(context).map_err(|e| Failure::argument(describe(&e)))
}

#[no_mangle]
pub unsafe extern "C" fn adder_chat_template_apply(
    template: *const u8,
    template_size: usize,
    context: *const u8,
    context_size: usize,
    out: *mut Bytes,
    error: *mut Bytes,
) -> i32 {
    guard(error, || {
        let template = text(slice(template, template_size), "the chat template")?;
        let context: serde_json::Value = serde_json::from_slice(slice(context, context_size))
            .map_err(|e| Failure::argument(format!("the chat context is not JSON: {e}")))?;
        if !context.is_object() {
            return Err(Failure::argument("the chat context is not a JSON object"));
        }
        out.write(Bytes::own(render(template, &context)?.into_bytes()));
        Ok(())
    })
}
