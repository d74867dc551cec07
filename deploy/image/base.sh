#!/usr/bin/env bash
# Makes a base image as small as Debian's own slim one, without pulling anything: by debootstrap,
# from the mirror that this machine's apt uses. It is kept in FOLDER for the next time.
#   base.sh FOLDER IMAGE
# DEBIAN_MIRROR names another mirror. Needs root, buildah, debootstrap and debian-archive-keyring.
set -euo pipefail
folder=$1 image=$2
suite=bookworm

# Lines of "address suite origin", as apt has them configured.
sources() {
    apt-get indextargets --format "\$(SITE) \$(RELEASE) \$(ORIGIN)" 'Created-By: Packages' |
        awk -v suite="$suite" '$3 == "Debian" && $2 ~ "^" suite { print $1, $2 }' | sort -u
}

if [ ! -e "$folder/base.tar" ]; then
    mkdir -p "$folder"
    root=$(mktemp -d "$folder/root.XXXXXX")
    trap 'rm -rf "$root"' EXIT
    mirror=${DEBIAN_MIRROR:-$(sources | awk -v suite="$suite" '$2 == suite { print $1; exit }')}
    # Without a mirror debootstrap takes its own default. Without Debian's keys (Ubuntu doesn't
    # have them) it would check nothing, and leave a base whose apt wants https and can't check it.
    debootstrap --force-check-gpg --variant=minbase "$suite" "$root" ${mirror:+"$mirror"} \
        >"$folder/debootstrap.log" || {
        tail -n 5 "$folder/debootstrap.log" >&2
        echo "$0: debootstrap failed; it needs the package debian-archive-keyring" >&2
        exit 1
    }
    if [ -z "${DEBIAN_MIRROR:-}" ] && [ -n "$mirror" ]; then
        sources | sed 's/.*/deb & main/' >"$root/etc/apt/sources.list"
    fi
    # As in Debian's slim images.
    rm -rf "$root"/usr/share/{doc,info,locale,man}/* "$root"/var/cache/apt/*.bin \
        "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/var/log/*
    printf 'path-exclude /usr/share/%s/*\n' doc info locale man >"$root/etc/dpkg/dpkg.cfg.d/slim"
    tar --create --file "$folder/base.tar.part" --directory "$root" .
    mv "$folder/base.tar.part" "$folder/base.tar"
fi

container=$(buildah from scratch)
buildah add --quiet "$container" "$folder/base.tar" / >/dev/null
buildah config --cmd bash "$container"
buildah commit --quiet --rm "$container" "$image" >/dev/null
