//! Everything shown: values in, words out. Results go to stdout, all else to stderr.

mod printer;

pub use printer::Printer;
