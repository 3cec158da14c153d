#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fresh.sh: runs a command on a bare Debian: a minimal root (debootstrap minbase, git, ca-certificates) made from this
# machine's own package sources, with a copy of this tree's tracked files as the folder that the command starts in.
# Usage: tools/fresh.sh bookworm|trixie [--user] [--renew] COMMAND…
#   --user    root installs what `tools/NAME.sh --packages` prints, then the command runs as a user without rights
#   --renew   makes the root anew; otherwise it is kept as build/fresh/RELEASE.tar
# Ends with the command's status; 77 where debootstrap, rights or mounts are lacking.
set -eu

usage() {
    echo "fresh.sh: $1" >&2
    echo "usage: tools/fresh.sh bookworm|trixie [--user] [--renew] COMMAND…" >&2
    exit 2
}

lacking() {
    echo "fresh.sh: $1" >&2
    exit 77
}

release="" as_user="" renew=""
while [ $# -gt 0 ]; do
    case "$1" in
    bookworm | trixie) [ -z "$release" ] || break; release=$1 ;;
    --user) as_user=yes ;;
    --renew) renew=yes ;;
    -*) usage "there is no option \"$1\"" ;;
    *) [ -n "$release" ] || usage "\"$1\" is neither bookworm nor trixie"; break ;;
    esac
    shift
done
[ -n "$release" ] || usage "which release?"
[ $# -gt 0 ] || usage "which command?"

cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || lacking "making a root needs the rights of root"
command -v debootstrap >/dev/null || lacking "debootstrap is not installed (Debian: debootstrap)"
for tool in unshare setpriv chroot mount git apt-get; do
    command -v "$tool" >/dev/null || lacking "$tool is not installed"
done
unshare --mount --pid --fork --kill-child sh -c 'mount --make-rprivate / && mount -t proc proc /proc' 2>/dev/null ||
    lacking "this machine allows no mounts in a namespace of one's own"

files() { git -c safe.directory='*' ls-files -z; } # root runs this in a user's folder too
files >/dev/null 2>&1 || lacking "this folder is no git checkout, so which files are tracked is not known"

# Lines "deb URI SUITE COMPONENTS" for the release, after the sources that this machine's apt has for its own.
sources() {
    # shellcheck disable=SC2016 # apt-get's own $(…)
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
        awk -v own="$(. /etc/os-release && echo "${VERSION_CODENAME-}")" -v wanted="$release" '
            {
                name = $2
                sub(/[-\/].*/, "", name)
                if (name != own && name !~ /^(oldstable|stable|testing|unstable|sid)$/) next
                key = $1 " " wanted substr($2, length(name) + 1)
                if (!(key in parts)) order[++n] = key
                if (index(parts[key] " ", " " $3 " ") == 0) parts[key] = parts[key] " " $3
            }
            END { for (i = 1; i <= n; i++) print "deb " order[i] parts[order[i]] }'
}

# What a root needs to reach packages as this machine does: apt's settings and keys, certificates, names, pip's settings.
share_network() { # root
    sources >"$1/etc/apt/sources.list"
    rm -f "$1/etc/apt/sources.list.d/"*
    apt-config dump | grep -iE '^Acquire::(http|https|ftp|Retries|Check-|ForceIPv|Languages|Queue-|By-Hash|PDiffs)' |
        grep -v '""' >"$1/etc/apt/apt.conf.d/90fresh" || true
    for folder in trusted.gpg.d keyrings preferences.d auth.conf.d; do
        cp -rn "/etc/apt/$folder/." "$1/etc/apt/$folder/" 2>/dev/null || true
    done
    cp -rn /usr/local/share/ca-certificates/. "$1/usr/local/share/ca-certificates/" 2>/dev/null || true
    chroot "$1" update-ca-certificates >/dev/null 2>&1 || true
    cp -L /etc/resolv.conf "$1/etc/resolv.conf"
    chmod 644 "$1/etc/resolv.conf"
    for file in /etc/pip.conf "$HOME/.config/pip/pip.conf" "$HOME/.pip/pip.conf"; do
        [ ! -f "$file" ] || cp "$file" "$1/etc/pip.conf"
    done
}

# A command that ends with this script, however that ends.
tied() { setpriv --pdeathsig KILL "$@"; }

make_root() { # tarball
    local folder log="build/fresh/$release.log" mirror
    mirror=$(sources | awk -v wanted="$release" '$3 == wanted { print $2; exit }')
    [ -n "$mirror" ] || lacking "apt's sources name no Debian mirror to make $release from"
    folder=$(mktemp -d "$PWD/build/fresh/make-$$-XXXXXX")
    echo "fresh.sh: making a minimal $release, about half a minute; build/fresh/$release.log says how it goes" >&2
    if ! tied unshare --mount debootstrap --variant=minbase --include=git,ca-certificates "$release" "$folder" "$mirror" >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        lacking "debootstrap could not make $release"
    fi
    tar -C "$folder" --one-file-system -cf "$1.part" .
    rm -rf --one-file-system "$folder"
    mv "$1.part" "$1"
}

copy_tree() { # folder
    mkdir -p "$1"
    files | while IFS= read -r -d '' file; do [ ! -e "$file" ] && [ ! -L "$file" ] || printf '%s\0' "$file"; done |
        tar --null --no-recursion -T - -cf - | tar -C "$1" --no-same-owner -xf -
}

root="" child=""
finish() {
    trap '' INT TERM HUP
    if [ -n "$child" ]; then
        kill -KILL "$child" 2>/dev/null || true # and with it, everything in its namespace
        wait "$child" 2>/dev/null || true
    fi
    # What was mounted was so only in the namespace.
    for _ in 1 2 3 4 5; do
        rm -rf --one-file-system build/fresh/run-$$-* build/fresh/make-$$-* 2>/dev/null && break
        sleep 0.2
    done
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# What a run left that was ended by force: folders are named by their process.
sweep() {
    for old in build/fresh/run-* build/fresh/make-*; do
        local owner=${old#build/fresh/*-}
        [ ! -d "$old" ] || kill -0 "${owner%%-*}" 2>/dev/null || rm -rf --one-file-system "$old"
    done
}

mkdir -p build/fresh
sweep
tarball="build/fresh/$release.tar"
[ -z "$renew" ] || rm -f "$tarball"
[ -f "$tarball" ] || make_root "$tarball"
root=$(mktemp -d "$PWD/build/fresh/run-$$-XXXXXX")
tied tar -C "$root" -xf "$tarball"
chmod 755 "$root"
share_network "$root"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # no daemons
chmod 755 "$root/usr/sbin/policy-rc.d"
home=/root
if [ -n "$as_user" ]; then
    home=/home/somebody
    chroot "$root" useradd --create-home --shell /bin/bash somebody
fi
copy_tree "$root$home/chiaro"
[ -z "$as_user" ] || chroot "$root" chown -R somebody: "$home/chiaro"

# Runs in the namespace, as its first process; arguments: root, home, "yes" for a user, the command.
cat >"$root/fresh-inside" <<'INSIDE'
set -eu
root=$1 home=$2 as_user=$3
shift 3
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
set -- env -C "$home/chiaro" "$@"
clean="env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=${TERM-dumb}"
kept=()
while IFS= read -r -d '' setting; do
    case "$setting" in
    PIP_* | SSL_CERT_* | REQUESTS_CA_BUNDLE=* | CURL_CA_BUNDLE=* | *_proxy=* | *_PROXY=*) kept+=("$setting") ;;
    esac
done < <(env -0)
if [ -n "$as_user" ]; then
    echo "fresh.sh: root installs what $lister --packages prints" >&2
    chroot "$root" $clean HOME=/root ${kept[@]+"${kept[@]}"} bash -euc 'apt-get update -qq
        list=$(cd "$0" && "$1" --packages)
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $list >/tmp/packages.log 2>&1 || { tail -n 5 /tmp/packages.log >&2; exit 1; }' "$home/chiaro" "$lister"
    exec chroot --userspec=somebody:somebody "$root" $clean HOME="$home" USER=somebody ${kept[@]+"${kept[@]}"} "$@"
fi
exec chroot "$root" $clean HOME="$home" USER=root ${kept[@]+"${kept[@]}"} "$@"
INSIDE
case "$1" in
tools/demo.sh | ./tools/demo.sh) lister=tools/demo.sh ;;
*) lister=tools/test.sh ;;
esac
export lister
# Not through tied: in the background, its shell would be what is tied to.
setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child bash "$root/fresh-inside" "$root" "$home" "$as_user" "$@" <&0 &
child=$!
status=0
wait "$child" || status=$?
child=""
exit "$status"
