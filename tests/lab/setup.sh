#!/bin/sh
# Installs what building refit, the tests on real engines and the demo need, on Debian and Ubuntu. Does nothing, quickly, when all of it is there.
# Rust itself it does not install; where it is missing, it says how to get it.
# `--check` only looks. `--tests` adds what tests alone need: git, an ssh server, openssl, an image registry, debootstrap and libfaketime.
set -eu

missing=
need() { # COMMAND PACKAGE
    command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ] || case " $missing " in
        *" $2 "*) ;;
        *) missing="$missing $2" ;;
    esac
}
command -v cargo >/dev/null 2>&1 ||
    echo "there is no cargo on the PATH: install Rust as https://rustup.rs says, or, if that is done, \`. ~/.cargo/env\`" >&2
# Rust has its programs linked by the C compiler, which needs the C library's files for it; a fresh Debian has neither.
command -v cc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
need ip iproute2
need iptables iptables
need nsenter util-linux
need curl curl
need pgrep procps
need dockerd docker.io
# Newer Debian has the client in a package of its own.
if ! command -v docker >/dev/null 2>&1 && apt-cache show docker-cli >/dev/null 2>&1; then missing="$missing docker-cli"; fi
# The static one only: it is put into images that hold nothing else.
[ -x /bin/busybox ] && ! ldd /bin/busybox >/dev/null 2>&1 || missing="$missing busybox-static"
new_sshd=
new_registry=
if [ "${1:-}" = --tests ]; then
    need git git
    need openssl openssl
    need ssh openssh-client
    need sshd openssh-server
    need docker-registry docker-registry
    need debootstrap debootstrap
    need tc iproute2
    dpkg -s libfaketime >/dev/null 2>&1 || missing="$missing libfaketime"
    case " $missing " in *" openssh-server "*) new_sshd=yes ;; esac
    case " $missing " in *" docker-registry "*) new_registry=yes ;; esac
fi
[ -z "$missing" ] && exit 0

if [ "${1:-}" = --check ]; then
    echo "missing packages:$missing (install them with: sudo apt-get install$missing)" >&2
    exit 1
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "please install, with this system's package manager, what Debian calls:$missing" >&2
    exit 1
fi
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
echo "installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of words
$sudo apt-get install -y --no-install-recommends $missing >/dev/null 2>&1 || {
    $sudo apt-get update >&2
    $sudo apt-get install -y --no-install-recommends $missing >&2
}
# The tests start servers of their own; this machine's stay as they were: off.
off() { [ ! -d /run/systemd/system ] || $sudo systemctl disable --now "$@" >/dev/null 2>&1 || true; }
[ -z "$new_sshd" ] || off ssh.service ssh.socket
[ -z "$new_registry" ] || off docker-registry.service
