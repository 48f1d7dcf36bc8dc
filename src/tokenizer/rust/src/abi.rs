//! Status codes, owned buffers and the panic guard shared by all entry points.

use std::cell::RefCell;
use std::panic::{catch_unwind, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

/// ADDER_TOKENIZER_OK and its fellows in the header.
pub const OK: i32 = 0;
pub const BAD_ARGUMENT: i32 = 1;
pub const BAD_FILE: i32 = 2;
pub const INTERNAL: i32 = 3;

/// A failure on its way to the caller: one of the codes above and a sentence.
pub struct Failure {
    pub code: i32,
    pub message: String,
}

impl Failure {
    pub fn argument(message: impl Into<String>) -> Self {
        Failure { code: BAD_ARGUMENT, message: message.into() }
    }
    pub fn file(message: impl Into<String>) -> Self {
        Failure { code: BAD_FILE, message: message.into() }
    }
    pub fn internal(message: impl Into<String>) -> Self {
        Failure { code: INTERNAL, message: message.into() }
    }
}

/// A heap block of `size` elements handed to the caller; null data means an empty block.
#[repr(C)]
pub struct Block<T> {
    data: *mut T,
    size: usize,
}

pub type Bytes = Block<u8>;
pub type Ids = Block<i32>;

impl<T> Block<T> {
    pub fn empty() -> Self {
        Block { data: std::ptr::null_mut(), size: 0 }
    }

    pub fn own(items: Vec<T>) -> Self {
        if items.is_empty() {
            return Self::empty();
        }
        let mut slice = std::mem::ManuallyDrop::new(items.into_boxed_slice());
        Block { data: slice.as_mut_ptr(), size: slice.len() }
    }

    /// # Safety
    /// `self` came from [`Block::own`] and has not been released.
    pub unsafe fn release(self) {
        if !self.data.is_null() {
            drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(self.data, self.size)));
        }
    }
}

/// A caller's (pointer, count) pair as a slice; a null pointer is an empty slice.
///
/// # Safety
/// `data` is null or points at `size` readable elements that outlive `'a`.
pub unsafe fn slice<'a, T>(data: *const T, size: usize) -> &'a [T] {
    if data.is_null() || size == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(data, size)
    }
}

/// The caller's bytes as text, or the offset of the first byte that is not UTF-8.
pub fn text<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str, Failure> {
    std::str::from_utf8(bytes)
        .map_err(|e| Failure::argument(format!("{what} is not valid UTF-8 at byte {}", e.valid_up_to())))
}

thread_local! {
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// "index out of bounds (panic in tokenizers-0.23.2/src/decoders/strip.rs:54)"
fn describe(info: &PanicHookInfo) -> String {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let place = info.location().map_or_else(String::new, |l| {
        let file = l.file().split_once("registry/src/").map_or(l.file(), |(_, rest)| rest);
        let file = file.split_once('/').map_or(file, |(_, rest)| rest);
        format!(" (panic in {}:{})", file, l.line())
    });
    format!("{}{place}", text.unwrap_or("no message"))
}

/// Rust's default hook prints to stderr; a library must not. This Rust runtime is ours alone (it is linked
/// statically into Adder), so its hook may be replaced.
fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let message = describe(info);
            LAST_PANIC.with(|last| *last.borrow_mut() = message);
        }));
    });
}

/// Runs `body`; on failure writes the message to `error` (when not null) and returns the code.
///
/// # Safety
/// `error` is null or writable.
pub unsafe fn guard(error: *mut Bytes, body: impl FnOnce() -> Result<(), Failure>) -> i32 {
    silence_panics();
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return OK,
        Ok(Err(failure)) => failure,
        Err(payload) => {
            let message = LAST_PANIC.with(|last| last.borrow().replace('\n', " "));
            // A payload's destructor may panic in its turn; that second payload is leaked.
            if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(second);
            }
            Failure::internal(message)
        }
    };
    if !error.is_null() {
        error.write(Bytes::own(failure.message.into_bytes()));
    }
    failure.code
}
