//! The pure rooms that read what others wrote, as they stand in `../src`. Compiled by themselves: the whole of refit brings libgit2 and SQLite along,
//! which takes minutes and has nothing to do with what is fuzzed.

#[path = "../../src/model/mod.rs"]
pub mod model;

#[path = "../../src/dockerfile/mod.rs"]
pub mod dockerfile;
#[path = "../../src/pipeline/mod.rs"]
pub mod pipeline;

// Only the part that reads requests: what else begins a run reads no text of others.
#[path = "../../src/trigger"]
pub mod trigger {
    //! Why a run begins.
    pub mod hook;
}
