//! Everything shown: values in, words out. Results go to stdout, all else to stderr.

pub mod diagnostic;
mod graph;
mod plan;
mod printer;
mod scan;

pub use graph::{GraphFormat, graph};
pub use plan::{PlanJson, plan, plan_json};
pub use printer::Printer;
pub use scan::scan;
