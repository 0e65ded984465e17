//! Does the same for many nodes of which none waits for another, on all processors.

use std::num::NonZeroUsize;
use std::thread;

use crate::graph::NodeId;

/// A processor is worth waking for so many nodes.
const PART: usize = 1024;

/// The nodes in rounds of a part for each processor: what is made of one round can be put where it belongs before the next one is begun, so
/// that little is held meanwhile.
pub(super) fn rounds(nodes: &[NodeId]) -> impl Iterator<Item = &[NodeId]> {
    nodes.chunks(PART * thread::available_parallelism().map_or(1, NonZeroUsize::get))
}

/// Makes something of every node of a round, in their order: the first part of it here, the others beside it.
pub(super) fn make<T: Send>(round: &[NodeId], make: impl Fn(NodeId) -> T + Sync) -> Vec<T> {
    let make = &make;
    let of = |part: &[NodeId]| part.iter().map(|node| make(*node)).collect::<Vec<T>>();
    let mut parts = round.chunks(PART);
    let Some(first) = parts.next() else { return Vec::new() };
    thread::scope(|scope| {
        let others: Vec<_> = parts.map(|part| scope.spawn(move || of(part))).collect();
        let mut all = of(first);
        for other in others {
            match other.join() {
                Ok(made) => all.extend(made),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    })
}
