//! Services: what a container is to be.

use std::collections::BTreeMap;

use super::at::At;
use super::defaults;
use super::forms::{ListOrMap, OneOrMany, Short, Words};
use super::lower::{Lower, WantKind, texts};
use super::near::nearest;
use super::ports;
use super::raw_service as raw;
use super::service::{Service, ServiceImage};
use super::values;
use crate::model::{Attachment, ContainerSpec, ImageName, ImageRef, Logging, NetworkCreate, NetworkSpec, PortSpec, ServiceName, Ulimit};

impl Lower<'_> {
    pub(super) fn service(&mut self, at: &At<'_>, key: &str, raw: &raw::Service) -> Option<Service> {
        let name: Option<ServiceName> = self.ok(at, key.parse());
        let image = self.service_image(&at.key("image"), &raw.image);
        let (engine_check, probe) = self.health(&at.key("healthcheck"), raw.healthcheck.as_ref());
        let mut container = self.container(at, key, raw);
        container.healthcheck = engine_check;
        let deploy_at = at.key("deploy");
        let empty = raw::Deploy::default();
        let deploy = raw.deploy.as_ref().unwrap_or(&empty);
        self.resources(&deploy_at.key("resources"), deploy.resources.as_ref(), &mut container);
        let hosts = self.select_hosts(&deploy_at.key("hosts"), deploy.hosts.as_deref().unwrap_or(defaults::HOSTS));
        let strategy = self.strategy(&deploy_at, deploy, &hosts);
        let (update, rollback) = self.updates(&deploy_at, deploy);
        Some(Service {
            name: name?,
            at: at.place(),
            image: image?,
            container,
            probe,
            hosts,
            drained: Vec::new(),
            replicas: deploy.replicas.map_or(defaults::REPLICAS, std::num::NonZeroU32::get),
            update,
            rollback,
            strategy,
            concurrent: raw.concurrent.unwrap_or(false),
            shares: Default::default(),
            data: self.data(&at.key("data"), raw.data.as_ref()),
            depends_on: self.depends_on(&at.key("depends_on"), key, raw.depends_on.as_ref()),
        })
    }

    /// An image of the estate by its key or another name of it; else somebody else's. A bare name close to a key is a slip of the finger.
    fn service_image(&mut self, at: &At<'_>, text: &str) -> Option<ServiceImage> {
        let known = &self.estate.images;
        if known.contains(text) {
            return self.ok(at, text.parse::<ImageName>()).map(ServiceImage::Estate);
        }
        let reference: ImageRef = self.ok(at, text.parse())?;
        if let Some(key) = self.estate.references.get(&reference) {
            return self.ok(at, key.parse::<ImageName>()).map(ServiceImage::Estate);
        }
        let is_bare = !text.contains(['/', ':', '@']);
        if is_bare && let Some(near) = nearest(text, known.iter().map(String::as_str)) {
            let help = format!("did you mean `{near}`? An image of somebody else's is written with its tag: `{text}:latest`");
            self.findings.error(at, format!("the image `{text}` is not in the estate"), help);
            return None;
        }
        if let Some(key) = self.estate.repositories.get(reference.name()) {
            let message = format!("`{text}` is not what the estate builds as `{key}`: it would be pulled");
            self.findings.warning(at, message, format!("write `image: {key}` for the estate's own; its tag is chosen by each run"));
        }
        Some(ServiceImage::External(reference))
    }

    fn container(&mut self, at: &At<'_>, key: &str, raw: &raw::Service) -> ContainerSpec {
        let words = |words: &Option<Words>| words.as_ref().map(Words::all).unwrap_or_default();
        let mut mounts = self.mounts(&at.key("volumes"), &raw.volumes);
        for (index, text) in words(&raw.tmpfs).iter().enumerate() {
            mounts.extend(self.tmpfs(&at.key("tmpfs").index(index), text));
        }
        self.check_targets(&at.key("volumes"), &mounts);
        self.env_files(&at.key("env_file"), key, raw.env_file.as_ref());
        let sysctls = self.settings(&at.key("sysctls"), raw.sysctls.as_ref());
        ContainerSpec {
            command: raw.command.as_ref().and_then(|words| self.command(&at.key("command"), words)),
            entrypoint: raw.entrypoint.as_ref().and_then(|words| self.command(&at.key("entrypoint"), words)),
            environment: self.settings(&at.key("environment"), raw.environment.as_ref()),
            ports: self.ports(&at.key("ports"), &raw.ports),
            network: self.network(at, key, raw),
            mounts,
            user: raw.user.as_ref().map(|text| text.0.clone()),
            working_dir: raw.working_dir.clone(),
            hostname: raw.hostname.clone(),
            labels: self.labels(&at.key("labels"), raw.labels.as_ref()),
            restart: Some(self.restart(&at.key("restart"), raw.restart.as_deref())),
            stop_grace_period_ms: self.opt_duration(&at.key("stop_grace_period"), raw.stop_grace_period.as_deref()).map(|d| d.as_millis() as u64),
            stop_signal: raw.stop_signal.clone(),
            read_only: raw.read_only.unwrap_or(false),
            init: raw.init,
            privileged: raw.privileged.unwrap_or(false),
            cap_add: raw.cap_add.clone(),
            cap_drop: raw.cap_drop.clone(),
            security_opt: raw.security_opt.clone(),
            sysctls,
            extra_hosts: self.extra_hosts(&at.key("extra_hosts"), raw.extra_hosts.as_ref()),
            dns: words(&raw.dns),
            dns_search: words(&raw.dns_search),
            devices: raw.devices.iter().map(|device| if device.contains(':') { device.clone() } else { format!("{device}:{device}") }).collect(),
            group_add: raw.group_add.iter().map(|text| text.0.clone()).collect(),
            pid: raw.pid.clone(),
            ipc: raw.ipc.clone(),
            ulimits: self.ulimits(&at.key("ulimits"), raw),
            logging: raw.logging.as_ref().map(|logging| Logging {
                driver: logging.driver.clone().unwrap_or_else(|| "json-file".to_owned()),
                options: texts(&logging.options),
            }),
            shm_size: self.size(&at.key("shm_size"), raw.shm_size.as_ref()),
            memory_limit: self.size(&at.key("mem_limit"), raw.mem_limit.as_ref()),
            memory_reservation: self.size(&at.key("mem_reservation"), raw.mem_reservation.as_ref()),
            nano_cpus: raw.cpus.as_ref().and_then(|text| self.ok(&at.key("cpus"), values::cores(&text.0))),
            pids_limit: raw.pids_limit,
            healthcheck: None,
        }
    }

    fn restart(&mut self, at: &At<'_>, text: Option<&str>) -> String {
        text.and_then(|text| self.ok(at, values::restart(text))).unwrap_or_else(|| defaults::RESTART.to_owned())
    }

    fn check_targets(&mut self, at: &At<'_>, mounts: &[crate::model::MountSpec]) {
        let mut seen = std::collections::BTreeSet::new();
        for mount in mounts {
            if !seen.insert(mount.target.trim_end_matches('/')) {
                self.findings.error(at, format!("two mounts have the target `{}`", mount.target), "remove one of them");
            }
        }
    }

    fn env_files(&mut self, at: &At<'_>, service: &str, files: Option<&OneOrMany<Short<raw::EnvFile>>>) {
        for (index, file) in files.map(|files| files.0.as_slice()).unwrap_or_default().iter().enumerate() {
            let at = at.index(index);
            let (text, required) = match file {
                Short::Short(text) => (text, true),
                Short::Long(long) => (&long.path, long.required.unwrap_or(true)),
            };
            let path = self.path(text);
            let message = format!("the file `{text}` cannot be read");
            let help = "paths are relative to the folder that holds `pipelines/`; `{ path: …, required: false }` makes it optional";
            self.want(&at, path, WantKind::EnvFile { service: service.to_owned(), required }, message, help);
        }
    }

    fn ports(&mut self, at: &At<'_>, raw: &[Short<raw::Port>]) -> Vec<PortSpec> {
        let mut all = Vec::new();
        for (index, port) in raw.iter().enumerate() {
            let at = at.index(index);
            match port {
                Short::Short(text) => all.extend(self.ok(&at, ports::short(text)).unwrap_or_default()),
                Short::Long(long) => {
                    let protocol = long.protocol.clone().unwrap_or_else(|| "tcp".to_owned());
                    let good = self.ok(&at.key("protocol"), ports::check_protocol(&protocol)).is_some();
                    if let Some(mode) = &long.mode
                        && !matches!(mode.as_str(), "host" | "ingress")
                    {
                        self.findings.error(&at.key("mode"), format!("expected `host` or `ingress`, found `{mode}`"), "remove it");
                    }
                    let published = match &long.published {
                        None => None,
                        Some(text) => match self.ok(&at.key("published"), ports::published(&text.0)) {
                            Some(published) => Some(published),
                            None => continue,
                        },
                    };
                    if good {
                        all.push(PortSpec { host_ip: long.host_ip.clone(), published, target: long.target, protocol });
                    }
                }
            }
        }
        all
    }

    fn ulimits(&mut self, at: &At<'_>, raw: &raw::Service) -> BTreeMap<String, Ulimit> {
        let mut limits = BTreeMap::new();
        for (name, limit) in &raw.ulimits.0 {
            let limit = match limit {
                Short::Long(both) => Some(Ulimit { soft: both.soft, hard: both.hard }),
                Short::Short(text) => {
                    let number = text.parse::<i64>().map_err(|_| format!("expected a whole number, found `{text}`"));
                    self.ok(&at.key(name), number).map(|both| Ulimit { soft: both, hard: both })
                }
            };
            limits.extend(limit.map(|limit| (name.clone(), limit)));
        }
        limits
    }

    fn network(&mut self, at: &At<'_>, service: &str, raw: &raw::Service) -> NetworkSpec {
        if let Some(mode) = &raw.network_mode {
            let mode_at = at.key("network_mode");
            if raw.networks.is_some() {
                self.findings.error(&mode_at, "`network_mode` and `networks` are both there", "keep one of them");
            }
            if !matches!(mode.as_str(), "host" | "none" | "bridge") && mode.strip_prefix("container:").is_none_or(str::is_empty) {
                self.findings.error(
                    &mode_at,
                    format!("expected `host`, `none`, `bridge` or `container:<name>`, found `{mode}`"),
                    "name networks under `networks`",
                );
            }
            if mode == "host" && !raw.ports.is_empty() {
                self.findings.error(
                    &at.key("ports"),
                    "with `network_mode: host` no port is published",
                    "remove `ports`: the container's ports are the host's",
                );
            }
            return NetworkSpec::Mode(mode.clone());
        }
        let networks_at = at.key("networks");
        let none = raw::ServiceNetwork::default();
        let mut used: Vec<(String, At<'_>, &raw::ServiceNetwork)> = match &raw.networks {
            Some(ListOrMap::List(names)) => names.iter().enumerate().map(|(index, name)| (name.clone(), networks_at.index(index), &none)).collect(),
            Some(ListOrMap::Map(map)) => {
                map.iter().map(|(name, network)| (name.clone(), networks_at.key(name), network.as_ref().unwrap_or(&none))).collect()
            }
            None => vec![("default".to_owned(), networks_at, &none)],
        };
        // A stable sort: equal priorities keep the written order.
        used.sort_by_key(|(_, _, network)| std::cmp::Reverse(network.priority.unwrap_or(0)));
        NetworkSpec::Attached(used.into_iter().filter_map(|(key, at, network)| self.attachment(&at, service, &key, network)).collect())
    }

    fn attachment(&mut self, at: &At<'_>, service: &str, key: &str, raw: &raw::ServiceNetwork) -> Option<Attachment> {
        let (network, create) = match self.estate.networks.get(key) {
            Some(defined) => defined.clone()?,
            None if key == "default" => (format!("{}_default", self.name), Some(NetworkCreate::default())),
            None => {
                let help = super::near::did_you_mean(
                    key,
                    self.estate.networks.keys().map(String::as_str),
                    "networks",
                    &format!("define it at the top level: `networks: {{ {key}: }}`"),
                );
                self.findings.error(at, format!("the network `{key}` is not defined"), help);
                return None;
            }
        };
        if let Some(address) = &raw.ipv4_address
            && address.parse::<std::net::Ipv4Addr>().is_err()
        {
            self.findings.error(&at.key("ipv4_address"), format!("expected an address such as `172.28.0.10`, found `{address}`"), "");
        }
        if let Some(address) = &raw.ipv6_address
            && address.parse::<std::net::Ipv6Addr>().is_err()
        {
            self.findings.error(&at.key("ipv6_address"), format!("expected an address such as `fd00::10`, found `{address}`"), "");
        }
        let mut aliases = vec![service.to_owned()];
        aliases.extend(raw.aliases.iter().filter(|alias| *alias != service).cloned());
        Some(Attachment {
            network,
            aliases,
            ipv4_address: raw.ipv4_address.clone(),
            ipv6_address: raw.ipv6_address.clone(),
            mac_address: raw.mac_address.clone(),
            create,
        })
    }
}
