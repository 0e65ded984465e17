//! Compares the networks that a container was asked to have with those that it has.

use std::net::IpAddr;

use crate::model::{Attachment, NetworkSpec};

/// One network of a container, as its engine tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkSeen {
    /// The network's name.
    pub name: String,
    /// The network's id.
    pub id: String,
    /// Names under which the container is known there; the engine adds some of its own.
    pub aliases: Vec<String>,
    /// The container's address there.
    pub ipv4_address: Option<String>,
    /// The container's address there.
    pub ipv6_address: Option<String>,
    /// The container's hardware address there.
    pub mac_address: Option<String>,
    /// Which network has the way out: the one with the highest number. Engines before API 1.48 do not say.
    pub gateway_priority: Option<i64>,
}

/// What is otherwise than it was asked, one line each with both; empty when all is as asked.
pub fn network_differences(asked: &NetworkSpec, seen: &[NetworkSeen]) -> Vec<String> {
    match asked {
        NetworkSpec::Mode(mode) => seen.iter().filter(|one| one.name != *mode).map(|one| format!("asked for {mode}, is on {}", one.name)).collect(),
        // Where none is named the engine has its own.
        NetworkSpec::Attached(asked) if asked.is_empty() => Vec::new(),
        NetworkSpec::Attached(asked) => {
            let mut lines: Vec<String> = asked.iter().flat_map(|one| on_network(one, seen)).collect();
            let unasked = seen.iter().filter(|one| !asked.iter().any(|asked| is(asked, one)));
            lines.extend(unasked.map(|one| format!("is on network {}, which was not asked for", one.name)));
            lines.extend(way_out(asked, seen));
            lines
        }
    }
}

fn is(asked: &Attachment, seen: &NetworkSeen) -> bool {
    asked.network == seen.name || asked.network == seen.id
}

fn on_network(asked: &Attachment, seen: &[NetworkSeen]) -> Vec<String> {
    let network = &asked.network;
    let Some(seen) = seen.iter().find(|one| is(asked, one)) else { return vec![format!("asked for network {network}, is not on it")] };
    let has = |what: &Option<String>| what.clone().filter(|text| !text.is_empty()).unwrap_or_else(|| "none".to_owned());
    let mut lines = Vec::new();
    for (wanted, found) in [(&asked.ipv4_address, &seen.ipv4_address), (&asked.ipv6_address, &seen.ipv6_address)] {
        if let Some(wanted) = wanted
            && !found.as_ref().is_some_and(|found| same_address(wanted, found))
        {
            lines.push(format!("network {network}: asked for address {wanted}, has {}", has(found)));
        }
    }
    if let Some(wanted) = &asked.mac_address
        && !seen.mac_address.as_ref().is_some_and(|found| found.eq_ignore_ascii_case(&wanted.replace('-', ":")))
    {
        lines.push(format!("network {network}: asked for hardware address {wanted}, has {}", has(&seen.mac_address)));
    }
    let missing = asked.aliases.iter().filter(|alias| !seen.aliases.contains(alias));
    lines.extend(missing.map(|alias| format!("network {network}: asked for alias {alias}, has {}", words(&seen.aliases))));
    lines
}

fn words(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// One address may be written in several ways: `fd00::9` and `fd00:0:0::9`.
fn same_address(a: &str, b: &str) -> bool {
    match (a.parse::<IpAddr>(), b.parse::<IpAddr>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// The way out leads over the first network. An engine that does not say so, or says the same of all, leaves it open.
fn way_out(asked: &[Attachment], seen: &[NetworkSeen]) -> Option<String> {
    let first = asked.first().filter(|_| asked.len() > 1)?;
    let highest = seen.iter().map(|one| one.gateway_priority).collect::<Option<Vec<_>>>()?.into_iter().max()?;
    let mut out = seen.iter().filter(|one| one.gateway_priority == Some(highest));
    let (one, None) = (out.next()?, out.next()) else { return None };
    (!is(first, one)).then(|| format!("asked for the way out over network {}, has it over {}", first.network, one.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(network: &str) -> Attachment {
        Attachment { network: network.into(), aliases: vec!["web".into()], ipv4_address: None, ipv6_address: None, mac_address: None, create: None }
    }

    fn seen(name: &str, priority: Option<i64>) -> NetworkSeen {
        let aliases = vec!["web".into(), "0123456789ab".into()];
        NetworkSeen { name: name.into(), id: format!("id-{name}"), aliases, gateway_priority: priority, ..NetworkSeen::default() }
    }

    fn check(asked: Vec<Attachment>, seen: &[NetworkSeen], expected: &[&str]) {
        assert_eq!(network_differences(&NetworkSpec::Attached(asked), seen), expected);
    }

    #[test]
    fn what_is_as_asked_is_no_difference() {
        check(vec![asked("front"), asked("back")], &[seen("back", None), seen("front", None)], &[]);
        check(vec![asked("front"), asked("back")], &[seen("back", Some(-1)), seen("front", Some(0))], &[]);
        check(vec![asked("front"), asked("back")], &[seen("back", Some(0)), seen("front", Some(0))], &[]);
        check(vec![asked("id-front")], &[seen("front", Some(0))], &[]);
        check(vec![], &[seen("bridge", None)], &[]);
        let exact = Attachment { ipv6_address: Some("fd00:0::9".into()), mac_address: Some("02-42-AC-1C-01-50".into()), ..asked("front") };
        let given = NetworkSeen { ipv6_address: Some("fd00::9".into()), mac_address: Some("02:42:ac:1c:01:50".into()), ..seen("front", None) };
        check(vec![exact], &[given], &[]);
    }

    #[test]
    fn a_difference_says_what_was_asked_and_what_is() {
        check(vec![asked("front")], &[], &["asked for network front, is not on it"]);
        check(vec![asked("front")], &[seen("front", None), seen("bridge", None)], &["is on network bridge, which was not asked for"]);
        let exact = Attachment { ipv4_address: Some("10.0.0.9".into()), mac_address: Some("02:00:00:00:00:01".into()), ..asked("front") };
        let lines =
            ["network front: asked for address 10.0.0.9, has 10.0.0.7", "network front: asked for hardware address 02:00:00:00:00:01, has none"];
        check(vec![exact], &[NetworkSeen { ipv4_address: Some("10.0.0.7".into()), ..seen("front", None) }], &lines);
        let nameless = NetworkSeen { aliases: Vec::new(), ..seen("front", None) };
        check(vec![asked("front")], &[nameless], &["network front: asked for alias web, has none"]);
        let turned = [seen("front", Some(-1)), seen("back", Some(0))];
        check(vec![asked("front"), asked("back")], &turned, &["asked for the way out over network front, has it over back"]);
        let alone = network_differences(&NetworkSpec::Mode("none".into()), &[seen("none", None), seen("front", None)]);
        assert_eq!(alone, ["asked for none, is on front"]);
    }
}
