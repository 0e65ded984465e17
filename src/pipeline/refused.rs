//! What Compose says and refit does not do, and what to write instead. Nothing of Compose is ignored silently.

/// The advice for a key of Compose's that refit refuses, by the kind of map that it stands in (the type's name in `raw`).
pub(super) fn advice(kind: &str, key: &str) -> Option<&'static str> {
    let table = match kind {
        "Pipeline" => PIPELINE,
        "Build" => BUILD,
        "Service" => SERVICE,
        "Deploy" => DEPLOY,
        "DependsOn" => DEPENDS_ON,
        "Network" | "Volume" | "ServiceNetwork" | "Ipam" | "IpamPool" => NETWORK,
        "Mount" => MOUNT,
        "Healthcheck" => HEALTHCHECK,
        "Reservations" => RESERVATIONS,
        "FileSecret" | "SecretUse" => SECRET,
        _ => return None,
    };
    table.iter().find(|(name, _)| *name == key).map(|(_, advice)| *advice)
}

type Table = &'static [(&'static str, &'static str)];

const PIPELINE: Table = &[
    ("version", "remove it: Compose itself has given it up"),
    ("include", "put the file into the same folder: all of a folder's files are one estate"),
    ("configs", "put the file into the image, or mount a path of the host under `volumes`"),
    ("models", "run the model as a service of its own"),
];

const BUILD: Table = &[
    ("additional_contexts", "let the Dockerfile reach for another image of the estate by its name, or copy the files into the context"),
    ("cache_from", "remove it: a builder keeps its own cache, and images with the same inputs are not built again"),
    ("cache_to", "remove it: a builder keeps its own cache, and images with the same inputs are not built again"),
    ("entitlements", "remove it: builds run without further rights"),
    ("isolation", "remove it: only Windows knows it"),
    ("privileged", "remove it: builds run without further rights"),
    ("provenance", "remove it: refit keeps its own record of every build"),
    ("pull", "remove it: refit resolves every base once per run and pins it"),
    ("sbom", "remove it: refit keeps its own record of every build"),
    ("shm_size", "remove it, or mount a tmpfs in the step: `RUN --mount=type=tmpfs,target=…`"),
    ("ssh", "fetch private sources by a git context, or give a key as a build secret"),
    ("tags", "set the image's `tag:` template; the image's name is its key under `images`"),
    ("ulimits", "set them in the step that needs them: `RUN ulimit -n …`"),
    ("platform", "write `platforms:` with one platform"),
    ("context_dir", "write `context:`"),
];

const DEPENDS_ON: Table = &[
    ("required", "remove it: a service that is not in the estate cannot be depended on"),
    ("restart", "remove it: a container is replaced when its own image or settings change, and not because of another one"),
];

const SERVICE: Table = &[
    ("build", "describe the image under `images:` and name it here by `image:`, so that services can share it"),
    ("container_name", "remove it: refit names containers `<estate>-<service>-<slot>-…`, so that old and new can stand side by side"),
    ("links", "remove it: services on one network find each other by name; further names go under `networks.<name>.aliases`"),
    ("external_links", "put both on one network and use `networks.<name>.aliases`"),
    ("profiles", "keep services that are not always wanted in another folder, and choose it by `--pipelines`"),
    ("configs", "put the file into the image, or mount a path of the host under `volumes`"),
    ("secrets", "mount a file of the host instead, `volumes: [\"/etc/app/secret:/run/secrets/name:ro\"]`: refit carries no secrets to hosts"),
    ("scale", "write `deploy.replicas`; it counts for each host"),
    ("expose", "remove it: containers on one network reach each other's ports anyway"),
    ("extends", "use a YAML anchor and merge key (`<<: *common`)"),
    ("platform", "set `platforms:` of the image's build; a container runs on its host's platform"),
    ("pull_policy", "remove it: hosts are given exactly the image of a release"),
    ("mac_address", "write it under `networks.<name>.mac_address`"),
    ("mem_swappiness", "set it on the host"),
    ("memswap_limit", "set it on the host"),
    ("cpu_shares", "write `cpus`"),
    ("cpu_quota", "write `cpus`"),
    ("cpu_period", "write `cpus`"),
    ("cpu_count", "write `cpus`"),
    ("cpu_percent", "write `cpus`"),
    ("cpu_rt_period", "set it on the host"),
    ("cpu_rt_runtime", "set it on the host"),
    ("cpuset", "write `cpus`"),
    ("volume_driver", "set `driver` of the volume under the top level's `volumes`"),
    ("stdin_open", "remove it: a service has nobody at its terminal"),
    ("tty", "remove it: a service has nobody at its terminal"),
    ("attach", "remove it: logs are read by `docker logs` on the host"),
    ("annotations", "write `labels`"),
    ("label_file", "write `labels`"),
    ("blkio_config", "set it on the host"),
    ("cgroup", "remove it: the engine's default is used"),
    ("cgroup_parent", "remove it: the engine's default is used"),
    ("credential_spec", "remove it: only Windows knows it"),
    ("develop", "remove it: it is for `docker compose watch`"),
    ("device_cgroup_rules", "name the devices under `devices`"),
    ("dns_opt", "write `dns` and `dns_search`"),
    ("domainname", "write the full name into `hostname`"),
    ("gpus", "name the devices under `devices`"),
    ("isolation", "remove it: only Windows knows it"),
    ("models", "run the model as a service of its own"),
    ("oom_kill_disable", "write `mem_limit`"),
    ("oom_score_adj", "write `mem_limit`"),
    ("post_start", "let the image's entry point do it"),
    ("pre_stop", "let the image do it on its `stop_signal`"),
    ("provider", "run it as a service of its own"),
    ("runtime", "set the runtime in the host's engine"),
    ("storage_opt", "set it in the host's engine"),
    ("use_api_socket", "mount the socket under `volumes`"),
    ("userns_mode", "set it in the host's engine"),
    ("uts", "write `hostname`"),
    ("hosts", "write `deploy.hosts`"),
    ("replicas", "write `deploy.replicas`"),
];

const DEPLOY: Table = &[
    ("mode", "remove it: `replicas` counts for each host, and `hosts: \"*\"` means all of them"),
    ("placement", "write `hosts:` with a selector of host labels"),
    ("restart_policy", "write the service's `restart:`"),
    ("labels", "write the service's `labels:`"),
    ("endpoint_mode", "remove it: there is no Swarm between refit and the containers"),
];

const NETWORK: Table = &[
    ("attachable", "remove it: containers of an engine can always be attached"),
    ("enable_ipv4", "make the network yourself and say `external: true`"),
    ("enable_ipv6", "make the network yourself and say `external: true`"),
    ("driver_opts", "set them on the network under the top level's `networks`"),
    ("link_local_ips", "give one `ipv4_address` or `ipv6_address`"),
    ("gw_priority", "write `priority`"),
    ("interface_name", "remove it: interfaces are named in the order of `networks`"),
    ("driver", "make the network yourself and say `external: true`"),
    ("options", "make the network yourself and say `external: true`"),
    ("ip_range", "make the network yourself and say `external: true`"),
    ("aux_addresses", "make the network yourself and say `external: true`"),
];

const MOUNT: Table = &[
    ("bind", "make the folder on the host first; propagation and SELinux labels are the engine's defaults"),
    ("volume", "remove it: volumes are used whole, and filled from the image as the engine does it"),
    ("consistency", "remove it: it never had a meaning on Linux"),
    ("image", "copy the files into the service's image"),
];

const HEALTHCHECK: Table = &[("start_interval", "write `interval`: before API 1.44 engines know no other")];

const RESERVATIONS: Table = &[
    ("cpus", "write `limits.cpus`: an engine alone reserves no cores"),
    ("devices", "name the devices under the service's `devices`"),
    ("generic_resources", "remove it: only Swarm knows it"),
];

const SECRET: Table = &[
    ("external", "give it as `file:` or `environment:`"),
    ("name", "its key is its name"),
    ("uid", "remove it: a build's secret is read by the step that asks for it"),
    ("gid", "remove it: a build's secret is read by the step that asks for it"),
    ("mode", "remove it: a build's secret is read by the step that asks for it"),
];
