//! The daemon over real HTTP, as the real program, without an engine: what it takes in, what it refuses, what it keeps, and that nobody can hurt it.
//!
//! The estate's engines are sockets that nobody listens on, so what is heard waits for its run. Runs are in `e2e_serve.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod contract;
mod daemon;
mod faces;
mod hooks;
mod hurt;
mod keeping;
mod notices;
mod polls;
mod repository;
mod tls;
mod tokens;
