#!/bin/bash
# Gets a Docker Engine 28 with buildx and compose, unpacked beside whatever is installed, for comparing figures. Prints its folder.
#
# Debian's own packages from a newer release are downloaded with apt (about 150 MB, once) and unpacked below target/; nothing is
# installed, and the system's own apt lists stay as they are. `bin` in it goes before PATH (REFIT_LAB_BIN of the lab does), and
# DOCKER_CONFIG=<folder>/config makes the client find the plugins.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-${CARGO_TARGET_DIR:-$top/target}/engine28}
suite=${REFIT_ENGINE_SUITE:-sid}
packages="docker.io docker-cli docker-buildx docker-compose containerd"
[ -e "$folder/ready" ] && echo "$folder" && exit 0

say() { echo "engine28: $*" >&2; }
for command in apt-get dpkg-deb runc; do
    command -v $command >/dev/null || [ -x /usr/sbin/$command ] || { say "$command is missing; this works on Debian and Ubuntu with docker.io or runc installed"; exit 1; }
done

# The mirror and key that this machine uses for Debian already, if it is one.
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' ' || true)
mirror=${mirror:-http://deb.debian.org/debian}
key=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$key" ] || { say "$key is missing (package debian-archive-keyring)"; exit 1; }

rm -rf "$folder"
mkdir -p "$folder"/{apt/lists/partial,apt/cache/archives/partial,apt/parts,debs,root,bin,config/cli-plugins}
cat >"$folder/apt/sources.sources" <<END
Types: deb
URIs: $mirror
Suites: $suite
Components: main
Signed-By: $key
END
# The system's own settings (proxies, credentials) still hold; only the sources and the places for files are ours.
cat >"$folder/apt/apt.conf" <<END
Dir::Etc::sourcelist "$folder/apt/sources.sources";
Dir::Etc::sourceparts "$folder/apt/parts";
Dir::Etc::preferencesparts "$folder/apt/parts";
Dir::State::lists "$folder/apt/lists";
Dir::Cache "$folder/apt/cache";
APT::Sandbox::User "root";
Acquire::Languages "none";
END
export APT_CONFIG=$folder/apt/apt.conf
say "reading the lists of $suite"
apt-get update -qq >&2
say "downloading $packages"
# shellcheck disable=SC2086 # a list of words
(cd "$folder/debs" && apt-get download -qq $(printf "%s/$suite " $packages) >&2)
for deb in "$folder"/debs/*.deb; do dpkg-deb -x "$deb" "$folder/root"; done

for name in dockerd docker-proxy docker-init docker containerd containerd-shim-runc-v2 ctr; do
    file=$(find "$folder/root/usr" -type f -name $name -path '*bin*' | head -n 1)
    [ -z "$file" ] || ln -s "$file" "$folder/bin/$name"
done
# A newer runc wants a newer C library than older systems have; the installed one is accepted by engines 26 to 28.
ln -s "$(command -v runc || echo /usr/sbin/runc)" "$folder/bin/runc"
[ -e "$folder/bin/docker-init" ] || ln -s "$(command -v docker-init || command -v tini-static || echo /usr/bin/docker-init)" "$folder/bin/docker-init"
for plugin in docker-buildx docker-compose; do
    ln -s "$(find "$folder/root" -type f -path "*/cli-plugins/$plugin" | head -n 1)" "$folder/config/cli-plugins/$plugin"
done
"$folder/bin/dockerd" --version >&2
DOCKER_CONFIG=$folder/config "$folder/bin/docker" buildx version >&2
rm -rf "$folder/apt/lists" "$folder/apt/cache" "$folder/debs"
touch "$folder/ready"
echo "$folder"
