//! What people are told of what happens: which events are news, what is said of each in every shape that it is sent in, and when what could not be
//! sent is tried again.
//!
//! In: a run's events and outcomes, or what else the daemon met with. Out: a [`Notice`], its text, and a [`Retry`]. Sending is `edge`'s; nothing that
//! happens here can hold up a run.

mod mail;
mod of_event;
mod retry;
mod slack;
mod told;
mod web;
mod words;

#[cfg(test)]
pub(crate) mod samples;

pub use mail::{MailText, mail};
pub use of_event::{estate_broken, of_event, of_pause};
pub use retry::{Answer, Retry, next_attempt};
pub use slack::slack;
pub use told::Notice;
pub use web::json;
