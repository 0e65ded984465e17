#!/bin/bash
# Real Docker hosts on one machine: each is a dockerd of its own in a network namespace, with its own address, ports and files.
# Used by tests/lab/mod.rs and by the demo, as a command (`lab.sh up 3 host-1 1`) or sourced for its functions. Needs root.
#
# A lab has a number N: bridge rlbrN with 10.77.N.1/24, namespaces rlN-NAME, hosts at 10.77.N.(10+I), files in $LABS/N.
# Whoever uses it holds a lock on $LABS/N.lock. A lab whose lock is free is a leftover, whatever became of its owner, and is swept,
# unless it has a file `keep`: the demo's hosts stay until somebody cleans them up.

LABS=${REFIT_LABS:-/var/tmp/refit-labs}

lab_dir() { echo "$LABS/$1/$2"; } # N NAME

# Makes the network of a lab. N
lab_net() {
    local n=$1
    mkdir -p "$LABS/$n" && echo '{}' >"$LABS/$n/daemon.json"
    [ -e "/sys/class/net/rlbr$n" ] && return
    ip link add "rlbr$n" type bridge
    ip addr add "10.77.$n.1/24" dev "rlbr$n"
    ip link set "rlbr$n" up
    # Docker's own FORWARD policy is DROP, and bridged packets go through it where br_netfilter is on.
    iptables -w -I FORWARD -i "rlbr$n" -o "rlbr$n" -j ACCEPT 2>/dev/null || true
}

# Starts a host, or one that was stopped, and waits until its engine answers. N NAME I [dockerd arguments]
lab_up() {
    local n=$1 name=$2 i=$3 dir ns=rl$1-$2 veth=rl$1v$3 driver=overlay2
    dir=$(lab_dir "$n" "$name")
    shift 3
    mkdir -p "$dir"
    if [ ! -e "/run/netns/$ns" ]; then
        # A namespace goes some time after it was deleted, and its link with it: the last lab of this number may still have one.
        ip link del "$veth" 2>/dev/null
        ip netns add "$ns"
        ip link add "$veth" type veth peer name eth0 netns "$ns"
        ip link set "$veth" master "rlbr$n" up
        ip -n "$ns" addr add "10.77.$n.$((10 + i))/24" dev eth0
        ip -n "$ns" link set eth0 up
        ip -n "$ns" link set lo up
        ip -n "$ns" route add default via "10.77.$n.1"
    fi
    # An overlay cannot stand on an overlay, as inside a container.
    case $(stat -f -c %T "$dir") in
        overlay*) driver=vfs && ! command -v fuse-overlayfs >/dev/null || driver=fuse-overlayfs ;;
    esac
    # Through nsenter, not `ip netns exec`, which hides the cgroups. setsid, so that a killed engine leaves no zombie behind.
    PATH=${REFIT_LAB_BIN:+$REFIT_LAB_BIN:}$PATH:/usr/sbin:/sbin setsid -f nsenter --net="/run/netns/$ns" unshare --uts \
        sh -c 'hostname "$0"; exec "$@"' "$name" dockerd --config-file "$LABS/$n/daemon.json" --storage-driver "$driver" \
        --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" --bip 172.30.0.1/16 \
        -H "unix://$dir/docker.sock" -H "tcp://10.77.$n.$((10 + i)):2375" --tls=false "$@" >>"$dir/log" 2>&1 </dev/null 9>&-
    lab_wait "$n" "$name"
}

# Gives a host that has not been started yet a disk of its own, so small that it can be filled. N NAME MEGABYTES
lab_disk() {
    local dir
    dir=$(lab_dir "$1" "$2")
    mkdir -p "$dir/data"
    mount -t tmpfs -o "size=${3}m" "refit-lab-$1" "$dir/data"
}

# Starts an ssh server on a host, for root, with `host_key` and `authorized_keys` of a folder; it ends with the host. N NAME I FOLDER
lab_sshd() {
    local try
    command -v /usr/sbin/sshd >/dev/null || { echo "no sshd: run tests/lab/setup.sh --tests" >&2; return 1; }
    mkdir -p /run/sshd
    nsenter --net="/run/netns/rl$1-$2" unshare --uts sh -c 'hostname "$0"; exec "$@"' "$2" setsid -f /usr/sbin/sshd -D -f /dev/null -E "$4/log" \
        -h "$4/host_key" -o "ListenAddress=10.77.$1.$((10 + $3))" -o "AuthorizedKeysFile=$4/authorized_keys" -o StrictModes=no -o UsePAM=no \
        -o PidFile=none -o PermitRootLogin=prohibit-password </dev/null >/dev/null 2>&1 9>&-
    for ((try = 0; try < 100; try++)); do
        (: <"/dev/tcp/10.77.$1.$((10 + $3))/22") 2>/dev/null && return
        sleep 0.05
    done
    echo "sshd does not come up: $(cat "$4/log")" >&2
    return 1
}

# Waits until the engine answers, or says why it does not. N NAME
lab_wait() {
    local dir try
    dir=$(lab_dir "$1" "$2")
    for ((try = 0; try < 600; try++)); do
        curl -sf -m1 --unix-socket "$dir/docker.sock" http://d/_ping >/dev/null && return
        sleep 0.05
    done
    echo "the engine of $2 does not come up; its last words ($dir/log):" >&2
    tail -n 5 "$dir/log" >&2
    return 1
}

# The process of an engine, if it runs: numbers are given again, so its command line is looked at. N NAME
lab_pid() {
    local dir pid
    dir=$(lab_dir "$1" "$2")
    pid=$(cat "$dir/pid" 2>/dev/null) && { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -q -- "--pidfile $dir/pid" && echo "$pid"
}

# Ends an engine, its containers apart, and waits until it is gone with its containerd. N NAME [SIGNAL]
lab_stop() {
    local pid child
    pid=$(lab_pid "$1" "$2") || return 0
    child=$(pgrep -P "$pid" -x containerd)
    kill "-${3:-TERM}" "$pid"
    # A dockerd that starts while the old containerd goes would find it and give up.
    # shellcheck disable=SC2086 # one or two words
    while kill -0 $pid 2>/dev/null || { [ -n "$child" ] && kill -0 $child 2>/dev/null; }; do sleep 0.05; done
    rm -f "$(lab_dir "$1" "$2")/pid"
}

# Takes a host away with all that it holds, containers first. Quick and rough on purpose. N NAME
lab_down() {
    local n=$1 name=$2 dir ns=rl$1-$2 file id try pids
    dir=$(lab_dir "$n" "$name")
    pids=$(lab_pid "$n" "$name") && kill -KILL "$pids" # first, or it would start containers again
    for file in "$dir"/exec/containerd/daemon/io.containerd.runtime.v2.task/moby/*/init.pid; do
        [ -e "$file" ] && grep -qs docker "/proc/$(cat "$file")/cgroup" && kill -KILL "$(cat "$file")" 2>/dev/null
    done
    if [ -e "/run/netns/$ns" ]; then
        for ((try = 0; try < 100; try++)); do
            pids=$(ip netns pids "$ns")
            [ -z "$pids" ] && break
            # shellcheck disable=SC2086 # a list of words
            kill -KILL $pids 2>/dev/null
            sleep 0.05
        done
        ip netns del "$ns"
    fi
    awk -v d="$dir/" 'index($2, d) == 1 { print $2 }' /proc/mounts | sort -r | while read -r file; do umount -l "$file"; done
    for id in "$dir"/data/containers/*; do
        rmdir /sys/fs/cgroup/*/docker/"${id##*/}" /sys/fs/cgroup/docker/"${id##*/}" 2>/dev/null
    done
    rm -rf "${dir:?}"
}

# Takes a whole lab away. N
lab_clear() {
    local n=$1 ns dir
    for dir in "$LABS/$n"/*/; do [ -d "$dir" ] && lab_down "$n" "$(basename "$dir")"; done
    for ns in $(ip netns list 2>/dev/null | awk -v p="rl$n-" 'index($1, p) == 1 { print $1 }'); do lab_down "$n" "${ns#"rl$n-"}"; done
    ip link del "rlbr$n" 2>/dev/null
    while iptables -w -D FORWARD -i "rlbr$n" -o "rlbr$n" -j ACCEPT 2>/dev/null; do :; done
    rm -rf "${LABS:?}/$n"
}

# Takes away every lab whose owner is gone.
lab_sweep() {
    local lock n
    for lock in "$LABS"/*.lock; do
        [ -e "$lock" ] || continue
        n=$(basename "$lock" .lock)
        [ -d "$LABS/$n" ] && [ ! -e "$LABS/$n/keep" ] || continue
        (flock -n 8 && lab_clear "$n") 8>"$lock"
    done
    return 0
}

# Claims a free number: sets LAB and keeps file descriptor 9 open on its lock.
lab_claim() {
    mkdir -p "$LABS"
    for ((LAB = 1; LAB < 250; LAB++)); do
        exec 9>"$LABS/$LAB.lock"
        flock -n 9 && [ ! -e "$LABS/$LAB/keep" ] || continue
        [ -d "$LABS/$LAB" ] && lab_clear "$LAB"
        ip route | grep -q "^10\.77\.$LAB\." || return 0
    done
    echo "no free lab number below 250; \`make clean-lab\` sweeps leftovers" >&2
    return 1
}

lab_cut() { ip link set "rl$1v$2" down; }  # N I: nothing gets through to the host any more
lab_heal() { ip link set "rl$1v$2" up; }   # N I
lab_drop() { nsenter --net="/run/netns/rl$1-$2" iptables -w -I INPUT -p tcp --dport 2375 -j DROP; } # N NAME: calls to its engine hang
lab_pass() { nsenter --net="/run/netns/rl$1-$2" iptables -w -D INPUT -p tcp --dport 2375 -j DROP; } # N NAME
# N NAME I RATE: nothing gets to or from the host faster than this, such as 256kbit
lab_slow() {
    tc qdisc replace dev "rl$1v$3" root tbf rate "$4" burst 16kbit latency 400ms
    nsenter --net="/run/netns/rl$1-$2" tc qdisc replace dev eth0 root tbf rate "$4" burst 16kbit latency 400ms
}
lab_quick() { # N NAME I: ends lab_slow
    tc qdisc del dev "rl$1v$3" root
    nsenter --net="/run/netns/rl$1-$2" tc qdisc del dev eth0 root
}
lab_loses() { # N NAME PROBABILITY -I|-D: begins or ends losing so many of the packets to and from its engine, each way
    nsenter --net="/run/netns/rl$1-$2" iptables -w "$4" INPUT -p tcp --dport 2375 -m statistic --mode random --probability "$3" -j DROP
    nsenter --net="/run/netns/rl$1-$2" iptables -w "$4" OUTPUT -p tcp --sport 2375 -m statistic --mode random --probability "$3" -j DROP
}
lab_freeze() { kill -STOP "$(lab_pid "$1" "$2")"; } # N NAME: its engine accepts connections and never answers
lab_thaw() { kill -CONT "$(lab_pid "$1" "$2")"; }   # N NAME

# Whether this machine lets us make hosts: quick, and leaves nothing behind.
lab_able() {
    [ "$(id -u)" = 0 ] || { echo "not root" >&2; return 1; }
    "$(dirname "${BASH_SOURCE[0]}")/setup.sh" --check || return 1
    local probe=rlprobe$$
    ip netns add "$probe" && nsenter --net="/run/netns/$probe" unshare --uts true
    local able=$?
    ip netns del "$probe" 2>/dev/null
    return $able
}

# Imports the smallest useful base image: busybox and its shell, web server and friends. DOCKER_HOST REFERENCE
lab_import_base() {
    local root
    root=$(mktemp -d) && mkdir -p "$root/bin" "$root/etc" "$root/tmp" "$root/www" && cp /bin/busybox "$root/bin/" &&
        /bin/busybox --list | grep -vx busybox | while read -r applet; do ln -s busybox "$root/bin/$applet"; done
    echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
    tar -C "$root" -c . | docker -H "$1" import -c 'CMD ["sh"]' -c 'ENV PATH=/bin' - "$2"
    rm -rf "$root"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    command=$1
    shift
    case $command in
        net | up | disk | wait | stop | down | clear | sweep | cut | heal | drop | pass | slow | quick | loses | freeze | thaw | sshd | able | pid | import_base) "lab_$command" "$@" ;;
        *) echo "lab.sh: unknown command $command" >&2; exit 2 ;;
    esac
fi
