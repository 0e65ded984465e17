//! A container's spec in the engine's words: a pure table, no engine needed to test it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, DeviceMapping, EndpointIpamConfig, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig, Mount,
    MountTmpfsOptions, MountType, NetworkingConfig, PortBinding, PortMap, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};

use crate::edge::{NewContainer, labels};
use crate::model::{Attachment, ContainerSpec, EngineHealthcheck, Logging, MountSource, MountSpec, NetworkSpec, PortSpec};

/// Anonymous volumes that move on to a container: target in the container → the volume's name on the engine.
pub(super) type Inherited = BTreeMap<String, String>;

/// What is sent to create a container; its further networks are connected after that.
pub(super) fn create_body(new: &NewContainer, inherited: &Inherited) -> ContainerCreateBody {
    let spec = &new.spec;
    ContainerCreateBody {
        hostname: spec.hostname.clone(),
        user: spec.user.clone(),
        env: filled(spec.environment.iter().map(|(key, value)| format!("{key}={value}")).collect()),
        cmd: spec.command.clone(),
        entrypoint: spec.entrypoint.clone(),
        healthcheck: spec.healthcheck.as_ref().map(health),
        image: Some(new.image.to_string()),
        working_dir: spec.working_dir.clone(),
        labels: Some(all_labels(new)),
        stop_signal: spec.stop_signal.clone(),
        stop_timeout: spec.stop_grace_period_ms.map(|ms| whole_seconds(Duration::from_millis(ms))),
        exposed_ports: filled(exposed(&spec.ports)),
        host_config: Some(host_config(spec, inherited)),
        networking_config: first_network(&spec.network),
        ..ContainerCreateBody::default()
    }
}

/// The engine counts a grace period in whole seconds; a part of one is given in full.
pub(super) fn whole_seconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis().div_ceil(1000)).unwrap_or(i64::MAX)
}

/// The interface's place in the written order, as engines since API 1.48 understand it; older ones give names and the way out as they like.
///
/// All interfaces of a container are named, or none: a name that the engine chooses may be one that is given here.
pub(super) fn placed(place: usize, endpoint: EndpointSettings) -> EndpointSettings {
    EndpointSettings {
        // The first one has the way out, the others come after it in their order.
        gw_priority: Some(-i64::try_from(place).unwrap_or_default()),
        driver_opts: Some(HashMap::from([("com.docker.network.endpoint.ifname".to_owned(), format!("eth{place}"))])),
        ..endpoint
    }
}

/// An interface as the engine is told to make it.
pub(super) fn endpoint(attachment: &Attachment) -> EndpointSettings {
    let addressed = attachment.ipv4_address.is_some() || attachment.ipv6_address.is_some();
    EndpointSettings {
        aliases: filled(attachment.aliases.clone()),
        ipam_config: addressed.then(|| EndpointIpamConfig {
            ipv4_address: attachment.ipv4_address.clone(),
            ipv6_address: attachment.ipv6_address.clone(),
            link_local_ips: None,
        }),
        mac_address: attachment.mac_address.clone(),
        ..EndpointSettings::default()
    }
}

fn host_config(spec: &ContainerSpec, inherited: &Inherited) -> HostConfig {
    HostConfig {
        network_mode: network_mode(&spec.network),
        port_bindings: Some(bindings(&spec.ports)).filter(|map| !map.is_empty()),
        mounts: filled(mounts(&spec.mounts, inherited)),
        restart_policy: Some(restart(spec.restart.as_deref())),
        readonly_rootfs: spec.read_only.then_some(true),
        init: spec.init,
        privileged: spec.privileged.then_some(true),
        cap_add: filled(spec.cap_add.clone()),
        cap_drop: filled(spec.cap_drop.clone()),
        security_opt: filled(spec.security_opt.clone()),
        sysctls: filled_map(&spec.sysctls),
        extra_hosts: filled(spec.extra_hosts.clone()),
        dns: filled(spec.dns.clone()),
        dns_search: filled(spec.dns_search.clone()),
        devices: filled(spec.devices.iter().map(|text| device(text)).collect()),
        group_add: filled(spec.group_add.clone()),
        pid_mode: spec.pid.clone(),
        ipc_mode: spec.ipc.clone(),
        ulimits: filled(ulimits(spec)),
        log_config: spec.logging.as_ref().map(logging),
        shm_size: spec.shm_size.map(signed),
        memory: spec.memory_limit.map(signed),
        memory_reservation: spec.memory_reservation.map(signed),
        nano_cpus: spec.nano_cpus.map(signed),
        pids_limit: spec.pids_limit,
        ..HostConfig::default()
    }
}

/// The user's labels, and refit's own over them: nobody's label may make a container look like another slot's.
fn all_labels(new: &NewContainer) -> HashMap<String, String> {
    let own = [
        (labels::ESTATE, new.estate.to_string()),
        (labels::SERVICE, new.slot.service.to_string()),
        (labels::HOST, new.slot.host.to_string()),
        (labels::SLOT, new.slot.index.to_string()),
        (labels::RELEASE, crate::edge::release_label(new.version.release)),
        (labels::SPEC, new.version.spec.to_string()),
        (labels::RUN, new.run.0.to_string()),
    ];
    let users = new.spec.labels.iter().map(|(key, value)| (key.clone(), value.clone()));
    users.chain(own.into_iter().map(|(key, value)| (key.to_owned(), value))).collect()
}

fn port_key(port: &PortSpec) -> String {
    format!("{}/{}", port.target, port.protocol)
}

fn exposed(ports: &[PortSpec]) -> Vec<String> {
    let mut keys: Vec<_> = ports.iter().map(port_key).collect();
    keys.sort();
    keys.dedup();
    keys
}

fn bindings(ports: &[PortSpec]) -> PortMap {
    let mut map = PortMap::new();
    for port in ports {
        let host_port = match port.published {
            None => String::new(),
            Some((first, last)) if first == last => first.to_string(),
            Some((first, last)) => format!("{first}-{last}"),
        };
        let binding = PortBinding { host_ip: Some(port.host_ip.clone().unwrap_or_default()), host_port: Some(host_port) };
        map.entry(port_key(port)).or_default().get_or_insert_default().push(binding);
    }
    map
}

fn network_mode(network: &NetworkSpec) -> Option<String> {
    match network {
        NetworkSpec::Mode(mode) => Some(mode.clone()),
        NetworkSpec::Attached(attachments) => attachments.first().map(|first| first.network.clone()),
    }
}

/// Only the first: an engine before API 1.44 refuses more than one here.
fn first_network(network: &NetworkSpec) -> Option<NetworkingConfig> {
    let NetworkSpec::Attached(attachments) = network else { return None };
    let first = attachments.first()?;
    Some(NetworkingConfig { endpoints_config: Some(HashMap::from([(first.network.clone(), endpoint(first))])) })
}

/// What is written in the spec wins over what was inherited for the same place; an inherited volume is mounted by its name.
fn mounts(written: &[MountSpec], inherited: &Inherited) -> Vec<Mount> {
    let explicit = |target: &str| written.iter().any(|mount| mount.source != MountSource::Anonymous && same_place(&mount.target, target));
    let anonymous = |target: &str| written.iter().any(|mount| mount.source == MountSource::Anonymous && same_place(&mount.target, target));
    let find = |target: &str| inherited.iter().find(|(place, _)| same_place(place, target)).map(|(_, volume)| volume.clone());
    let from_spec = written.iter().map(|mount| self::mount(mount, find(&mount.target)));
    let moved = inherited.iter().filter(|(target, _)| !explicit(target) && !anonymous(target));
    let from_old = moved.map(|(target, volume)| Mount {
        target: Some(target.clone()),
        source: Some(volume.clone()),
        typ: Some(MountType::VOLUME),
        ..Mount::default()
    });
    from_spec.chain(from_old).collect()
}

fn same_place(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}

fn mount(mount: &MountSpec, inherited: Option<String>) -> Mount {
    let (typ, source) = match &mount.source {
        MountSource::Volume { name, .. } => (MountType::VOLUME, Some(name.clone())),
        MountSource::Anonymous => (MountType::VOLUME, inherited),
        MountSource::Bind { path } => (MountType::BIND, Some(path.clone())),
        MountSource::Tmpfs { .. } => (MountType::TMPFS, None),
    };
    let tmpfs_options = match mount.source {
        MountSource::Tmpfs { size, mode } if size.is_some() || mode.is_some() => {
            Some(MountTmpfsOptions { size_bytes: size.map(signed), mode: mode.map(i64::from), options: None })
        }
        _ => None,
    };
    Mount {
        target: Some(mount.target.clone()),
        source,
        typ: Some(typ),
        read_only: mount.read_only.then_some(true),
        tmpfs_options,
        ..Mount::default()
    }
}

fn restart(policy: Option<&str>) -> RestartPolicy {
    let (name, count) = match policy.unwrap_or("unless-stopped").split_once(':') {
        Some((name, count)) => (name, count.parse().ok()),
        None => (policy.unwrap_or("unless-stopped"), None),
    };
    let name = match name {
        "always" => RestartPolicyNameEnum::ALWAYS,
        "on-failure" => RestartPolicyNameEnum::ON_FAILURE,
        "no" => RestartPolicyNameEnum::NO,
        _ => RestartPolicyNameEnum::UNLESS_STOPPED,
    };
    RestartPolicy { name: Some(name), maximum_retry_count: count }
}

/// `host[:container[:permissions]]`; the middle may be permissions if it looks like them.
fn device(text: &str) -> DeviceMapping {
    let mut parts = text.splitn(3, ':');
    let host = parts.next().unwrap_or_default().to_owned();
    let (container, permissions) = match (parts.next(), parts.next()) {
        (Some(middle), None) if !middle.starts_with('/') => (host.clone(), middle.to_owned()),
        (container, permissions) => (container.map_or_else(|| host.clone(), str::to_owned), permissions.unwrap_or("rwm").to_owned()),
    };
    DeviceMapping { path_on_host: Some(host), path_in_container: Some(container), cgroup_permissions: Some(permissions) }
}

fn ulimits(spec: &ContainerSpec) -> Vec<ResourcesUlimits> {
    spec.ulimits.iter().map(|(name, limit)| ResourcesUlimits { name: Some(name.clone()), soft: Some(limit.soft), hard: Some(limit.hard) }).collect()
}

fn logging(logging: &Logging) -> HostConfigLogConfig {
    HostConfigLogConfig { typ: Some(logging.driver.clone()), config: filled_map(&logging.options) }
}

fn health(check: &EngineHealthcheck) -> HealthConfig {
    HealthConfig {
        test: Some(check.test.clone()),
        interval: Some(nanoseconds(check.interval)),
        timeout: Some(nanoseconds(check.timeout)),
        retries: Some(i64::from(check.retries)),
        start_period: Some(nanoseconds(check.start_period)),
        start_interval: None,
    }
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The engine tells "nothing said" from "said: nothing"; an empty list here means that nothing was said.
fn filled<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn filled_map(map: &BTreeMap<String, String>) -> Option<HashMap<String, String>> {
    (!map.is_empty()).then(|| map.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
