//! In which order services are rolled: what one depends on comes before it.

use std::collections::BTreeMap;

use super::Plan;
use crate::graph::dependencies_first;
use crate::model::ServiceName;
use crate::pipeline::Estate;

impl Plan {
    /// Puts the rollouts into the order in which they begin: dependencies first, by way of services that do not roll too; ties by name.
    pub fn arrange(&mut self, estate: &Estate) {
        let places = places(estate);
        self.rolls.sort_by(|a, b| (places.get(&a.service), &a.service).cmp(&(places.get(&b.service), &b.service)));
    }
}

/// The place of each service in the order of dependence. Of those that could come next the first by name does.
fn places(estate: &Estate) -> BTreeMap<&ServiceName, usize> {
    let services = estate.services.values();
    let depends_on = services.flat_map(|service| service.depends_on.keys().map(|on| (&service.name, on)));
    let order = dependencies_first(estate.services.keys(), depends_on.filter(|(_, on)| estate.services.contains_key(*on)));
    order.into_iter().enumerate().map(|(place, service)| (service, place)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pipeline::Condition;
    use crate::plan::Change;
    use crate::plan::samples::Sample;

    /// Services of one image each, such as `web: api db, api: db, db:`; all of them roll.
    fn plan(services: &[(String, Vec<String>)]) -> Plan {
        let images: Vec<String> = services.iter().map(|(name, _)| format!("{name}: debian")).collect();
        let mut sample = Sample::fresh(&images.join(", "));
        for (name, depends_on) in services {
            let conditions = depends_on.iter().map(|name| (name.parse().unwrap(), Condition::ServiceHealthy)).collect();
            sample.serve(name, name).depends_on = conditions;
        }
        sample.plan(Change::Everything).unwrap()
    }

    fn check(text: &str, expected: &str) {
        let service = |line: &str| {
            let (name, depends_on) = line.split_once(':').unwrap();
            (name.to_owned(), depends_on.split_whitespace().map(str::to_owned).collect())
        };
        let services: Vec<(String, Vec<String>)> = text.split(", ").map(service).collect();
        let order: Vec<_> = plan(&services).rolls.iter().map(|roll| roll.service.to_string()).collect();
        assert_eq!(order.join(" "), expected, "{text}");
    }

    #[test]
    fn what_a_service_depends_on_rolls_before_it() {
        check("a:, b:, c:", "a b c");
        check("a: b, b:, c:", "b a c");
        check("a: z, m:, z:", "m z a");
        check("a: b c, b: c, c:, d: a", "c b a d");
    }

    #[test]
    fn a_service_that_does_not_roll_still_stands_between_others() {
        let mut sample = Sample::built("a: debian, b: alpine, c: debian");
        for (name, on) in [("a", Some("b")), ("b", Some("c")), ("c", None)] {
            sample.serve(name, name).depends_on = on.map(|on| (on.parse().unwrap(), Condition::ServiceStarted)).into_iter().collect();
        }
        sample.move_base("debian");
        let plan = sample.plan(Change::Everything).unwrap();
        assert_eq!(plan.rolls.iter().map(|roll| roll.service.as_str()).collect::<Vec<_>>(), ["c", "a"]);
        assert_eq!(plan.rolls[1].after.keys().map(ServiceName::as_str).collect::<Vec<_>>(), ["b"]);
    }

    proptest! {
        /// Every service is rolled once, after all that it depends on.
        #[test]
        fn the_order_is_topological(edges in prop::collection::vec((0_usize..12, 0_usize..12), 0..30)) {
            // Names that do not sort as their numbers do.
            let name = |at: usize| format!("s{}", (at * 7) % 101);
            let services: Vec<(String, Vec<String>)> = (0..12).map(|at| {
                let below = edges.iter().filter(|(from, to)| *from == at && to < from).map(|(_, to)| name(*to));
                (name(at), below.collect())
            }).collect();
            let order: Vec<String> = plan(&services).rolls.iter().map(|roll| roll.service.to_string()).collect();
            prop_assert_eq!(order.len(), 12);
            for (service, depends_on) in &services {
                let place = |name: &String| order.iter().position(|other| other == name);
                prop_assert!(depends_on.iter().all(|other| place(other) < place(service)), "{order:?}");
            }
        }
    }
}
