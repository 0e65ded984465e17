//! Who is affected, and who goes first.

use std::cmp::Reverse;

use super::{Graph, NodeId, Ring};

impl Graph {
    /// Lists exactly the images from which one of `moved` can be reached, parents before children, longest way first, ties by name.
    ///
    /// A moved image is listed itself. Errors with a ring if there is one. O(images + edges), and the sorting of what is affected.
    pub fn affected(&self, moved: &[NodeId]) -> Result<Vec<NodeId>, Ring> {
        self.order(&self.reaching(moved), |_| 1)
    }

    /// Marks, by node index, every image from which one of `moved` can be reached; those of `moved` that are images included.
    pub fn reaching(&self, moved: &[NodeId]) -> Vec<bool> {
        let mut seen = vec![false; self.len()];
        let mut next = moved.to_vec();
        while let Some(id) = next.pop() {
            if !std::mem::replace(&mut seen[id.index()], true) {
                next.extend(self.reached_by(id).map(|(_, from)| from).filter(|from| !seen[from.index()]));
            }
        }
        for base in self.bases() {
            seen[base.index()] = false;
        }
        seen
    }

    /// Orders the marked images: longest remaining way first, ties by name. Parents always come before children.
    ///
    /// `took` says how long an image takes, in any unit. Nothing counts as less than 1: then a parent's way is strictly longer than that of
    /// each child, and sorting by the way alone is a topological order. Errors with a ring if there is one.
    pub fn order(&self, marked: &[bool], took: impl Fn(NodeId) -> u64) -> Result<Vec<NodeId>, Ring> {
        let ways = self.ways(marked, took)?;
        let mut order: Vec<_> = self.images().filter(|id| marked[id.index()]).map(|id| (Reverse(ways[id.index()]), id)).collect();
        order.sort_unstable();
        Ok(order.into_iter().map(|(_, id)| id).collect())
    }

    /// The longest remaining way of each marked image, by node index: its own time and that of the longest chain of marked images above it.
    pub fn ways(&self, marked: &[bool], took: impl Fn(NodeId) -> u64) -> Result<Vec<u64>, Ring> {
        let mut ways = vec![0_u64; self.len()];
        for id in self.bottom_up()?.rev().filter(|id| marked[id.index()]) {
            let above = self.reached_by(id).map(|(_, from)| ways[from.index()]).max().unwrap_or(0);
            ways[id.index()] = above.saturating_add(took(id).max(1));
        }
        Ok(ways)
    }

    /// Every node, what is reached before who reaches. Errors with a ring if there is one.
    pub fn bottom_up(&self) -> Result<impl DoubleEndedIterator<Item = NodeId> + '_, Ring> {
        match self.rings().first() {
            Some(ring) => Err(ring.clone()),
            None => Ok(self.bottom_up.iter().copied()),
        }
    }

    /// The same, level by level: no node of a level reaches another one of it. Errors with a ring if there is one.
    pub fn levels(&self) -> Result<impl Iterator<Item = &[NodeId]>, Ring> {
        if let Some(ring) = self.rings().first() {
            return Err(ring.clone());
        }
        let starts = std::iter::once(0).chain(self.level_ends.iter().copied());
        Ok(starts.zip(&self.level_ends).map(|(start, end)| &self.bottom_up[start..*end]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::samples::{graph, names};
    use super::*;
    use crate::graph::GraphFinding;

    fn check(text: &str, moved: &str, affected: &str) {
        let (graph, _) = graph(text);
        let moved = graph.find(&moved.parse().unwrap()).unwrap();
        assert_eq!(names(&graph, &graph.affected(&[moved]).unwrap()), affected, "{text}, {moved:?} moved");
    }

    #[test]
    fn a_change_affects_exactly_what_reaches_it() {
        //     FROM                                       moved     affected, in order
        check("base: debian, web: base", "debian", "base web");
        check("base: debian, redis: alpine", "debian", "base");
        check("base: debian, web: base", "web", "web");
        check("base: debian:latest, web: docker.io/library/base", "debian", "base web");
        check("b: debian, a: debian, z: debian, y: z", "debian", "z a b y");
        check("base: debian, web: alpine base+", "debian", "base web");
        check("base: debian, web: base base+ debian", "debian", "base web");
    }

    #[test]
    fn the_longest_way_goes_first() {
        let (graph, _) = graph("a: debian, b: debian, c: debian, d: c");
        let all = graph.reaching(&[graph.find(&"debian".parse().unwrap()).unwrap()]);
        let took = |id: NodeId| match graph.node(id).label().as_str() {
            "b" => 9,
            _ => 2,
        };
        assert_eq!(names(&graph, &graph.order(&all, took).unwrap()), "b c a d");
        assert_eq!(names(&graph, &graph.order(&all, |_| 0).unwrap()), "c a b d");
    }

    #[test]
    fn a_ring_is_printed_whole() {
        let (rings, findings) = graph("a: c, b: a debian+, c: b, d: a, self: self");
        let shown: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "images stand on one another in a ring: a: FROM c (a/Dockerfile:1) → c: FROM b (c/Dockerfile:1) → b: FROM a (b/Dockerfile:1)",
                "images stand on one another in a ring: self: FROM self (self/Dockerfile:1)",
            ]
        );
        assert!(rings.affected(&[]).is_err());
    }

    #[test]
    fn another_tag_of_an_estates_image_is_pointed_out() {
        let (_, findings) = graph("base: debian, web: base:1.2, api: base");
        assert!(matches!(&findings[..], [finding @ GraphFinding::OtherTag { .. }] if !finding.is_error()));
        insta::assert_snapshot!(findings[0], @"web reaches for base:1.2 (web/Dockerfile:1), which is not the estate's image base but another tag of it; it is not rebuilt when base is");
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_needs_no_deep_stack() {
        let mut text = String::from("i0: debian");
        for image in 1..100_000 {
            text.push_str(&format!(", i{image}: i{}", image - 1));
        }
        let (graph, findings) = graph(&text);
        assert!(findings.is_empty());
        let order = graph.affected(&[graph.find(&"debian".parse().unwrap()).unwrap()]).unwrap();
        assert_eq!(order.len(), 100_000);
        assert_eq!(graph.node(order[99_999]).label(), "i99999");
    }

    /// Any DAG: image `n` reaches for some of those below it, or for one of two bases.
    fn any_dag() -> impl Strategy<Value = (String, usize)> {
        let row = |n: usize| prop::collection::vec((0..n + 2, any::<bool>()), 0..4);
        (1_usize..25).prop_flat_map(move |n| ((0..n).map(row).collect::<Vec<_>>(), 0..n + 2)).prop_map(|(rows, moved)| {
            let word = |(to, build): &(usize, bool)| format!("{}{}", name(*to), if *build { "+" } else { "" });
            let image = |(at, row): (usize, &Vec<(usize, bool)>)| format!("{}: {}", name(at + 2), row.iter().map(word).collect::<Vec<_>>().join(" "));
            (rows.iter().enumerate().map(image).collect::<Vec<_>>().join(", "), moved)
        })
    }

    /// Names that do not sort as their numbers do.
    fn name(at: usize) -> String {
        if at < 2 { format!("base-{at}") } else { format!("i{}", (at * 7) % 101) }
    }

    /// Reachability, the slow and obvious way.
    fn reaches(graph: &Graph, from: NodeId, to: NodeId) -> bool {
        from == to || graph.reaches(from).any(|(_, next)| reaches(graph, next, to))
    }

    proptest! {
        /// design.md, Planning: a change to X affects exactly the images from which X can be reached, parents before children.
        #[test]
        fn affected_is_reachability_and_the_order_is_topological((text, moved) in any_dag(), took in prop::collection::vec(0_u64..5, 30)) {
            let (graph, findings) = graph(&text);
            prop_assert!(findings.is_empty());
            let Some(moved) = graph.find(&name(moved).parse().unwrap()) else { return Ok(()) };
            let order = graph.affected(&[moved]).unwrap();
            for id in graph.images() {
                prop_assert_eq!(order.contains(&id), reaches(&graph, id, moved), "{} in {}", graph.node(id).label(), text);
            }
            let walk: Vec<NodeId> = graph.bottom_up().unwrap().collect();
            let levels: Vec<&[NodeId]> = graph.levels().unwrap().collect();
            prop_assert_eq!(levels.concat(), walk.clone());
            let is_level = |level: &&[NodeId]| level.iter().all(|id| graph.reaches(*id).all(|(_, to)| !level.contains(&to)));
            prop_assert!(levels.iter().all(is_level));
            prop_assert_eq!(walk.len(), graph.len());
            for (at, id) in walk.iter().enumerate() {
                prop_assert!(graph.reaches(*id).all(|(_, to)| walk[..at].contains(&to)), "{text}");
            }
            let marked = graph.reaching(&[moved]);
            for order in [order, graph.order(&marked, |id| took[id.index()]).unwrap()] {
                for (at, id) in order.iter().enumerate() {
                    for (_, parent) in graph.reaches(*id).filter(|(_, parent)| marked[parent.index()]) {
                        prop_assert!(order[..at].contains(&parent), "{text}");
                    }
                }
            }
        }
    }
}
