//! Stories of rollouts, drawn from one seed each: the real driver, journal and `decide` over simulated engines and a clock that runs when
//! everybody waits. After each the invariants of the design are looked up in the machines.
//!
//! [`draw`] draws an estate and its trouble, [`story`] lets it happen, [`history`] is what the machines went through, and [`check`] says what of that
//! must not be. The tests and the benchmark share this folder.

mod check;
mod dice;
mod draw;
mod history;
mod stage;
mod stays;
mod story;
mod tape;

pub use draw::Story;
pub use story::{Tally, Told, tell};

/// Tells the story of one seed; one that ends in a panic is wrong as well.
pub fn of_seed(seed: u64, logs: &refit::journal::Logs) -> Told {
    let story = Story::draw(seed);
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| tell(&story, logs)));
    told.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Told { log: String::new(), tally: Tally::new(), wrong: Some(format!("it panicked: {}", text.unwrap_or_default())) }
    })
}
