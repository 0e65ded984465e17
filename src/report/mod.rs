//! Everything shown: values in, words out. Results go to stdout, all else to stderr.

pub mod diagnostic;
mod printer;

pub use printer::Printer;
