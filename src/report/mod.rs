//! Everything shown: values in, words out. Results go to stdout, all else to stderr.

mod printer;
mod scan;

pub use printer::Printer;
pub use scan::scan;
