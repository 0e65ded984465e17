//! The real driver, planner and journal over simulated engines: whole runs in virtual time, with everything that can go wrong on the way.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, reason = "tests")]

mod bases;
mod deaths;
mod dying;
mod faults;
mod keeping;
mod persons;
mod platforms;
mod repairs;
mod sources;
mod stages;
mod stories;
mod told;
mod world;
