//! Everything shown: values in, words out. Results go to stdout, all else to stderr.

pub mod diagnostic;
mod graph;
pub mod history;
mod live;
pub mod metrics;
pub mod packages;
mod plan;
mod printer;
pub mod prune;
pub mod release;
mod scan;
pub mod schedule;
pub mod status;
mod story;
mod table;

pub use graph::{GraphFormat, GraphJson, graph, graph_names};
pub use live::{Live, moment};
pub use plan::{PlanJson, plan, plan_json};
pub use printer::Printer;
pub use scan::scan;
pub use story::{Detail, change_words, count, lines, list, outcome_words, size};
pub use table::{Column, table, table_of};
