//! refit rebuilds every image above a base that moved, and rolls the result across Docker hosts, safely.
//!
//! The modules stand in the order in which the data moves; a module imports only modules printed above it.
//! Those marked ◇ are pure: values in, values out; no clock, network, engine, file or environment.
//!
//! * ◇ [`fault`]: an error and what is behind it, on one line.
//! * ◇ [`model`]: the words as types: names, references, digests, identifiers.
//! * ◇ [`dockerfile`]: Dockerfile text → what it reaches for, with file and line; and the pinned text.
//! * ◇ [`pipeline`]: what people wrote → an [`pipeline::Estate`], or findings that point at the text.
//! * ◇ [`scan`]: the inheritance of a folder of Dockerfiles that nobody has described yet.
//! * ◇ [`graph`]: who inherits from whom: cycles, affected images, the longest way.
//! * ◇ [`plan`]: graph + known digests + change → a plan. Changes nothing.
//! * ◇ [`trigger`]: why a run begins, and which change that is.
//! * ◇ [`build`]: which build may start now, and what a result means for its dependents.
//! * ◇ [`release`]: {image → digest}, its tags and labels.
//! * ◇ [`data`]: what a container holds that its replacement would lose.
//! * ◇ [`rollout`]: desired + observed → actions.
//! * ◇ [`prune`]: what may go, because nothing can need it any more.
//! * ◇ [`inventory`]: what is in an image: packages, and the layers that brought them.
//! * ◇ [`sbom`]: an image's contents as documents that others read: CycloneDX and SPDX.
//! * ◇ [`advisory`]: what is known to be wrong with packages, what cures it, and for how long it was there.
//! * ◇ [`run`]: the whole story of one change: events, and the fold that makes state of them.
//! * ◇ [`notice`]: what people are told of it, and when it is tried again.
//! * [`journal`]: the memory. Appends and reads; judges nothing.
//! * [`inquiry`]: what people ask about packages: who has one, what is wrong with it, what cures it.
//! * [`edge`]: the eyes and hands: engines, registries, git, files, clock. Decides nothing.
//! * [`driver`]: the loop that looks, decides, remembers and acts.
//! * [`sim`]: the same promises as the edge, without a machine; for tests, benchmarks and examples.
//! * [`workshop`]: opens what refit works with: estate, engines, sources.
//! * [`report`]: everything shown. Values in, words out.
//! * [`serve`]: the daemon: triggers come in, wait until they are due, and each becomes a run.
//! * [`api`]: the daemon's face, over HTTP.
//! * [`client`]: asks a daemon, over its socket or the network.
//! * [`cli`]: one file per command.
//!
//! Deliberately absent: registries as the way to the hosts.

pub mod fault;
pub mod model;

pub mod dockerfile;
pub mod pipeline;
pub mod scan;

pub mod advisory;
pub mod build;
pub mod data;
pub mod graph;
pub mod inventory;
pub mod plan;
pub mod prune;
pub mod release;
pub mod rollout;
pub mod run;
pub mod sbom;
pub mod trigger;

pub mod notice;

pub mod driver;
pub mod edge;
pub mod inquiry;
pub mod journal;
pub mod sim;
pub mod workshop;

pub mod api;
pub mod cli;
pub mod client;
pub mod report;
pub mod serve;
pub mod telemetry;
