//! The C face of the `tokenizers` and `minijinja` crates. `adder_tokenizer.h` is the contract.
//!
//! Nothing here unwinds into the caller: every entry point runs under [`abi::guard`], which turns a
//! panic into [`abi::INTERNAL`] with the panic's message.

mod abi;
mod charsmap;
mod chat;
mod growth;
mod tokenizer;
