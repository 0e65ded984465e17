//! The order of things that depend on one another, whatever they are.

use std::collections::{BTreeMap, BTreeSet};

/// Lists these things and whatever they depend on, each after what it depends on; of those that could come next the least does.
///
/// `depends_on` has pairs of one that depends and of what it depends on. What stands in a ring, or depends on one, comes last, by its own order.
/// O(things + pairs · log things). Source: Kahn 1962.
pub fn dependencies_first<T: Ord + Copy>(things: impl IntoIterator<Item = T>, depends_on: impl IntoIterator<Item = (T, T)>) -> Vec<T> {
    let mut waits: BTreeMap<T, usize> = things.into_iter().map(|thing| (thing, 0)).collect();
    let mut dependents: BTreeMap<T, Vec<T>> = BTreeMap::new();
    for (dependent, on) in depends_on {
        waits.entry(on).or_default();
        *waits.entry(dependent).or_default() += 1;
        dependents.entry(on).or_default().push(dependent);
    }
    let mut ready: BTreeSet<T> = waits.iter().filter(|(_, waits)| **waits == 0).map(|(thing, _)| *thing).collect();
    let mut order = Vec::with_capacity(waits.len());
    while let Some(next) = ready.pop_first() {
        order.push(next);
        waits.remove(&next);
        for dependent in dependents.get(&next).into_iter().flatten() {
            if let Some(left) = waits.get_mut(dependent) {
                *left -= 1;
                if *left == 0 {
                    ready.insert(*dependent);
                }
            }
        }
    }
    order.extend(waits.into_keys());
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::dependencies_first;

    #[test]
    fn of_what_could_come_next_the_least_does() {
        assert_eq!(dependencies_first("cab".chars(), []), ['a', 'b', 'c']);
        assert_eq!(dependencies_first("abm".chars(), [('a', 'z'), ('b', 'a')]), ['m', 'z', 'a', 'b'], "what others depend on is listed, too");
        assert_eq!(dependencies_first("abc".chars(), [('a', 'b'), ('b', 'a'), ('c', 'a')]), ['a', 'b', 'c'], "a ring, and what depends on it");
        assert_eq!(dependencies_first("ab".chars(), [('a', 'b'), ('a', 'b')]), ['b', 'a'], "what is said twice is so once");
    }

    proptest! {
        #[test]
        fn everything_comes_once_and_after_what_it_depends_on(pairs in prop::collection::vec((0..20_u8, 0..20_u8), 0..60)) {
            // A higher number depends on a lower one, so that there is no ring.
            let pairs: Vec<(u8, u8)> = pairs.into_iter().filter(|(a, b)| a != b).map(|(a, b)| (a.max(b), a.min(b))).collect();
            let order = dependencies_first(0..20, pairs.iter().copied());
            let place = |thing: u8| order.iter().position(|one| *one == thing).unwrap();
            prop_assert_eq!(order.len(), 20);
            for (dependent, on) in pairs {
                prop_assert!(place(on) < place(dependent));
            }
        }
    }
}
