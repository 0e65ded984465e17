//! Where containers write without anybody missing it: what every start makes anew, and what tools leave behind.

/// Covered like the `ignore` of a service. Logs are not among them: they may be all that tells what happened.
pub(super) const HARMLESS: &[&str] = &[
    // Made for the moment, by their very purpose.
    "/tmp",
    "/var/tmp",
    "/run",
    "/var/run",
    "/var/lock",
    "/var/cache",
    "/dev",
    "/proc",
    "/sys",
    // The engine writes these for each container.
    "/.dockerenv",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/mtab",
    // Where it mounts its own init (`init: true`); in images whose /sbin is a link, as in Debian's, under its real name.
    "/sbin/docker-init",
    "/usr/sbin/docker-init",
    // Caches that are made again from what is in the image.
    "/etc/ld.so.cache",
    "**/__pycache__",
    // What a person's shell and editor leave.
    "**/.ash_history",
    "**/.bash_history",
    "**/.sh_history",
    "**/.python_history",
    "**/.lesshst",
    "**/.viminfo",
    "**/.wget-hsts",
];
