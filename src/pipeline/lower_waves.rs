//! Who goes first: waves, canaries, blue-green, and over how many hosts at once.

use std::collections::{BTreeMap, BTreeSet};

use super::at::At;
use super::lower::Lower;
use super::raw_service as raw;
use super::update::{Amount, UpdateStrategy, Wave};
use crate::model::HostName;

impl Lower<'_> {
    /// In which stages a service on these hosts is rolled.
    pub(super) fn strategy(&mut self, at: &At<'_>, deploy: &raw::Deploy, hosts: &[HostName]) -> UpdateStrategy {
        UpdateStrategy {
            is_blue_green: deploy.strategy == Some(raw::Strategy::BlueGreen),
            keep: self.opt_duration(&at.key("keep"), deploy.keep.as_deref()).unwrap_or_default(),
            waves: self.waves(&at.key("waves"), &deploy.waves, hosts),
            max_parallel_hosts: deploy.max_parallel_hosts.map(std::num::NonZeroU32::get),
            spread: deploy.spread.as_deref().map(|label| self.spread(&at.key("spread"), label, hosts)).unwrap_or_default(),
        }
    }

    fn waves(&mut self, at: &At<'_>, waves: &[raw::Wave], hosts: &[HostName]) -> Vec<Wave> {
        let mut named: BTreeMap<HostName, usize> = BTreeMap::new();
        let mut all = Vec::new();
        for (index, wave) in waves.iter().enumerate() {
            let at = at.index(index);
            let hosts = self.hosts_of_wave(&at.key("hosts"), wave.hosts.as_deref(), hosts, index, &mut named);
            let canary = wave.canary.as_ref().and_then(|text| self.canary(&at.key("canary"), &text.0));
            let bake = self.opt_duration(&at.key("bake"), wave.bake.as_deref()).unwrap_or_default();
            all.push(Wave { hosts, canary, bake, approve: wave.approve.unwrap_or(false) });
        }
        let left: Vec<&str> = hosts.iter().filter(|host| !named.contains_key(*host)).map(HostName::as_str).collect();
        if !waves.is_empty() && !left.is_empty() {
            let message = format!("no wave names {}", shown(&left));
            self.findings.warning(at, message, "they go after the last wave; a last wave `{ hosts: \"*\" }` says the same");
        }
        all
    }

    /// The service's hosts that a wave names. `*` leaves to the waves before it what is theirs; to name a host twice otherwise is a mistake.
    fn hosts_of_wave(
        &mut self,
        at: &At<'_>,
        text: Option<&str>,
        hosts: &[HostName],
        index: usize,
        named: &mut BTreeMap<HostName, usize>,
    ) -> Vec<HostName> {
        let text = text.unwrap_or("*").trim();
        let is_rest = text == "*";
        let selected: BTreeSet<HostName> = if is_rest { hosts.iter().cloned().collect() } else { self.select_hosts(at, text).into_iter().collect() };
        let of_service = || hosts.iter().filter(|host| selected.contains(*host));
        if !selected.is_empty() && of_service().next().is_none() {
            self.findings.error(at, format!("`{text}` selects no host of this service"), "a wave is a part of `deploy.hosts`");
        }
        let mut own = Vec::new();
        for host in of_service() {
            match named.get(host) {
                None => {
                    named.insert(host.clone(), index);
                    own.push(host.clone());
                }
                Some(_) if is_rest => {}
                Some(before) => {
                    let message = format!("host `{host}` is named by wave {} and again by wave {}", before + 1, index + 1);
                    self.findings.error(at, message, "a host belongs to one wave; `*` means those that no wave before it names");
                }
            }
        }
        if is_rest && own.is_empty() && !hosts.is_empty() {
            self.findings.warning(at, "no host is left for this wave", "the waves before it name all of them; remove it");
        }
        own
    }

    fn canary(&mut self, at: &At<'_>, text: &str) -> Option<Amount> {
        let amount = self.ok(at, Amount::parse(text))?;
        if amount == Amount::Count(0) {
            self.findings.error(at, "a canary of 0 containers would prove nothing", "write `1` or more, or remove it");
            return None;
        }
        Some(amount)
    }

    /// The value of a label by host.
    fn spread(&mut self, at: &At<'_>, label: &str, hosts: &[HostName]) -> BTreeMap<HostName, String> {
        let value = |host: &HostName| self.estate.hosts.get(host.as_str()).and_then(|labels| labels.get(label)).cloned();
        let values: BTreeMap<HostName, String> = hosts.iter().filter_map(|host| Some((host.clone(), value(host)?))).collect();
        let without: Vec<&str> = hosts.iter().filter(|host| !values.contains_key(*host)).map(HostName::as_str).collect();
        if values.is_empty() && !hosts.is_empty() {
            self.findings.error(at, format!("no host of this service has a label `{label}`"), "`refit hosts` lists the hosts and their labels");
        } else if !without.is_empty() {
            let message = format!("{} without a label `{label}`, so nothing keeps them apart from others", shown(&without));
            self.findings.warning(at, message, format!("give it to them: `labels: {{ {label}: … }}`"));
        }
        values
    }
}

/// Some hosts, in words.
fn shown(hosts: &[&str]) -> String {
    const SHOWN_MAX: usize = 10;
    let more = hosts.len().saturating_sub(SHOWN_MAX);
    let names = hosts.iter().take(SHOWN_MAX).map(|host| format!("`{host}`")).collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("host{} {names}{more}", if hosts.len() == 1 { "" } else { "s" })
}
