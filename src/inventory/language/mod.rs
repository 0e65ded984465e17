//! What languages' package managers leave behind: packages of Python, Node, Go, Rust, Java, Ruby and PHP.
//!
//! In: one file, its path and its bytes, or for programs its bytes as they pass. Out: a [`ReadFile`](super::ReadFile) of packages as their ecosystem
//! spells them. Each reader takes what it can and names the rest; none trusts a number that the file claims.

pub mod elf;
pub mod java;
mod json;
pub mod npm;
pub mod php;
pub mod python;
pub mod ruby;
mod stated;

use stated::Stated;

#[cfg(test)]
mod tests;
