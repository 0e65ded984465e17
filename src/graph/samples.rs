//! Small graphs for tests, written as `base: debian, web: base alpine+`: what each image reaches for; `+` marks a `COPY --from`.

use std::collections::BTreeMap;

use super::{Graph, GraphFinding, ImageReaches, NodeId, Reach};
use crate::dockerfile::{EdgeClass, RefKind};
use crate::model::{ImageName, ImageRef, Place};

/// Reads `base: debian, web: base`: each image, and what its Dockerfile reaches for, one per line.
pub(crate) fn reaches(text: &str) -> Vec<ImageReaches> {
    let images = text.split(',').map(str::trim).filter(|image| !image.is_empty());
    images
        .map(|image| {
            let (name, bases) = image.split_once(": ").unwrap_or((image.trim_end_matches(':'), ""));
            let reach = |(line, word): (usize, &str)| {
                let base = word.trim_end_matches('+');
                let from = base == word;
                Reach {
                    base: base.parse().unwrap(),
                    resolved: base.to_owned(),
                    class: if from { EdgeClass::Runtime } else { EdgeClass::Build },
                    kind: if from { RefKind::From } else { RefKind::CopyFrom },
                    at: Place { file: format!("{name}/Dockerfile").into(), line: line as u32 + 1 },
                }
            };
            ImageReaches { image: name.parse().unwrap(), reaches: bases.split_whitespace().enumerate().map(reach).collect() }
        })
        .collect()
}

/// The graph of such a text, and what is found about it.
pub(crate) fn graph(text: &str) -> (Graph, Vec<GraphFinding>) {
    let reaches = reaches(text);
    let names: BTreeMap<ImageName, ImageRef> = reaches.iter().map(|image| (image.image.clone(), image.image.as_str().parse().unwrap())).collect();
    Graph::of(names, &reaches)
}

/// The names at some nodes, in one line.
pub(crate) fn names(graph: &Graph, nodes: &[NodeId]) -> String {
    nodes.iter().map(|id| graph.node(*id).label()).collect::<Vec<_>>().join(" ")
}
