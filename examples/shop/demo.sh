#!/bin/bash
# The demo: `make demo`. Three Docker hosts and a builder on this machine, each a real engine of its own; a shop of ten images; a first
# rollout; a patched base under load; a bad patch. Everything it makes lies in one folder and one lab, and `--clean` takes it away.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# The lab's functions look after their own failures and are not written for `set -e`: each call below is followed by `||`.
. "$here/../../tests/lab/lab.sh"

[ -t 1 ] && [ -z "${NO_COLOR:-}" ] && bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m' || bold='' dim='' plain=''
part() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
note() { printf '%s\n' "$*" | fold -s -w 100; }
run() { # shows a command, then runs it in the estate's folder
    printf '%s$ %s%s\n' "$dim" "$*" "$plain"
    (cd "$shop" && "$@")
}

# Takes away every demo that is kept on this machine.
clean() {
    local keep n
    for keep in "$LABS"/*/keep; do
        [ -e "$keep" ] || continue
        n=$(basename "$(dirname "$keep")")
        lab_clear "$n" || true
        echo "the demo's hosts (lab $n) and its folder are gone"
    done
}

# Namespaces need root; asking for it beats failing. The compiled binaries are named in the arguments, so nothing is built as root.
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null && exec sudo -E "$0" "$@"
    echo "the demo makes network namespaces and needs root: run it as root, or install sudo" >&2
    exit 1
fi
if [ "${1:-}" = --clean ]; then clean; exit; fi
lab_able || { echo "this machine does not let the demo make network namespaces (see above); in a container, it needs --privileged" >&2; exit 1; }

programs=$(cd "${1:?usage: demo.sh FOLDER-OF-PROGRAMS | --clean}" && pwd)
export PATH=$programs:$PATH
began=$SECONDS
clean >/dev/null
lab_sweep || true
lab_claim || exit 1

# If it is interrupted or fails, nothing stays.
load=
leave() {
    local code=$?
    [ -z "$load" ] || kill "$load" 2>/dev/null || true
    [ -e "$LABS/$LAB/keep" ] || lab_clear "$LAB" || true
    exit $code
}
trap leave EXIT
trap 'exit 130' INT TERM

part "1. Four engines: a builder and three hosts (each a dockerd in a network namespace of its own)"
lab_net "$LAB" || exit 1
shop=$LABS/$LAB/shop-estate
pids=
(lab_up "$LAB" build 0 || exit 1) & pids="$pids $!"
for i in 1 2 3; do (lab_up "$LAB" "host-$i" "$i" || exit 1) & pids="$pids $!"; done
for pid in $pids; do wait "$pid"; done # ends here if one does not come up
note "They answer at 10.77.$LAB.10 to 10.77.$LAB.13, after $((SECONDS - began)) s."

mkdir -p "$shop"
cp -r "$here/pipelines" "$here/images" "$shop/"
sed -i "s/^  lab: \"1\"/  lab: \"$LAB\"/" "$shop/pipelines/shop.yaml"
builder=tcp://10.77.$LAB.10:2375
# The base comes from no registry here: it is made of busybox and imported, as a vendor's patch would arrive.
os() { # PATCH-LEVEL [EXTRA]: imports the base at this patch level
    local root
    root=$(mktemp -d)
    mkdir -p "$root"/{bin,etc,tmp,srv}
    cp /bin/busybox "$root/bin/"
    /bin/busybox --list | grep -vx busybox | while read -r applet; do ln -s busybox "$root/bin/$applet"; done
    echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
    echo "$1" >"$root/etc/patch-level"
    [ -z "${2:-}" ] || "$2" "$root"
    tar -C "$root" --owner=0 --group=0 -c . | docker -H "$builder" import -c 'CMD ["sh"]' -c 'ENV PATH=/bin' - refit-demo/os:stable >/dev/null
    rm -rf "$root"
}
# A patch that breaks the web server: it builds well everywhere, and dies when it is started.
breaks_httpd() {
    rm "$1/bin/httpd"
    printf '#!/bin/sh\necho "httpd: cannot load libssl.so.4: no such file" >&2\nexit 127\n' >"$1/bin/httpd"
    chmod 755 "$1/bin/httpd"
}

# What is said below is looked at, not assumed: every host must answer with this patch level.
expect() { # PATCH-LEVEL
    local i answer
    for i in 1 2 3; do
        answer=$(curl -s -m 2 "http://10.77.$LAB.1$i/version" || true)
        [ "$answer" = "$1" ] && continue
        note "host-$i should serve web on $1 by now, and answers: ${answer:-nothing}. The demo ends here; please report it."
        exit 1
    done
    note "Looked at from outside: web is on $1 on all three hosts."
}

part "2. The shop: ten images, three levels deep, on one base; nobody has described who stands on whom"
os "patch-1"
run refit graph
part "3. The first rollout: every image is built, carried to the hosts without a registry, and started"
run refit rollout --yes --offline
expect patch-1

part "4. The base is patched, while customers are shopping"
note "From now on about a hundred requests a second go to web, host after host, as from a load balancer: one that fails is tried once" \
    "more on the next host. Ports are fixed here, so a host's old container stops before its new one starts: that is what the retry is for."
addresses=$(for i in 1 2 3; do echo "10.77.$LAB.1$i:80"; done)
begin_load() {
    # shellcheck disable=SC2086 # three words
    "$programs/examples/load" /version $addresses >"$LABS/$LAB/load" 9>&- &
    load=$!
}
end_load() {
    kill -TERM "$load"
    wait "$load" || true
    load=
    part "What the customers saw:"
    cat "$LABS/$LAB/load"
}
begin_load
os "patch-2"
run refit plan --offline
run refit rollout --yes --offline
end_load
expect patch-2

part "5. A bad patch: everything builds, and then the web server does not start"
begin_load
os "patch-3" breaks_httpd
code=0
run refit rollout --yes --offline || code=$?
case $code in
    1) note "refit's exit code was 1: the rollout failed, and what it had begun was rolled back." ;;
    *) note "refit's exit code was $code; 1 was to be expected: failed and rolled back. The picture below tells what runs." ;;
esac
end_load
expect patch-2
run refit status

touch "$LABS/$LAB/keep"
part "That was refit, after $((SECONDS - began)) s. The hosts are still there. Three things to try next:"
cat <<END
  export PATH=$programs:\$PATH; cd $shop
  refit history                 # what happened, and why
  refit plan --offline          # why the bad patch is not rolled again by itself
  refit rollback --list         # where each service can go back to
And when you are done:  make clean-demo
END
