#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kernel.sh SERIES (6.1, 7.2, ...) or RELEASE (6.1.0-56-cloud-amd64): prints where that kernel's image
# is, after fetching Debian's newest package of it if none is here yet. Nothing is installed, and
# apt's own state is left alone. Exit status 1, with the reason on standard error, if there is none.
set -eu
cache=${XDG_CACHE_HOME:-$HOME/.cache}/otel-bpf-tests
kernels=$cache/kernels
apt=$cache/apt

fail() {
	echo "$*" >&2
	exit 1
}

# Where the system itself gets its packages from, the other releases of Debian come from, too.
mirror() {
	# shellcheck disable=SC2016 # apt's own variables
	found=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 2>/dev/null |
		awk -v release="$1" '$2 ~ release { print $1; exit }')
	[ -n "$found" ] || fail "apt does not say where this system's packages come from"
	echo "$found"
}

configure() {
	[ -e "$apt/etc/sources.list" ] && return
	mkdir -p "$apt/etc" "$apt/state/lists/partial" "$apt/cache/archives/partial"
	: >"$apt/status"
	main=$(mirror '^[a-z]+$') || exit 1
	security=$(mirror '-security$') || exit 1
	for suite in bullseye trixie-backports sid; do
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $main $suite main"
	done >"$apt/etc/sources.list"
	for suite in bullseye-security bookworm-security trixie-security; do
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $security $suite main"
	done >>"$apt/etc/sources.list"
}

# With a state of its own. A suite that has gone to the archive must not take the others along.
private() {
	tool=$1
	shift
	"$tool" -qq -o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Sandbox::User=root \
		-o Acquire::Languages=none -o Dir::Etc::sourcelist="$apt/etc/sources.list" \
		-o Dir::Etc::sourceparts=/dev/null -o Dir::State="$apt/state" \
		-o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" "$@"
}

image() {
	find "$kernels/$1" -type f -name 'vmlinuz*' 2>/dev/null | head -n 1
}

# The newest release of a series among the names on standard input; a release stands for itself.
newest() {
	grep -E "^$(printf '%s' "$1" | sed 's/[.+]/\\&/g')(\.[0-9].*-cloud-amd64)?\$" | sort -V | tail -n 1
}

[ $# -eq 1 ] || fail "usage: kernel.sh SERIES|RELEASE"
mkdir -p "$kernels"
release=$(find "$kernels" -mindepth 2 -maxdepth 2 -name complete | sed 's|/complete$||; s|.*/||' | newest "$1")
if [ -z "$release" ]; then
	for tool in apt-get dpkg-deb; do
		command -v $tool >/dev/null || fail "no $tool here to fetch it with"
	done
	configure
	if ! find "$apt/state/lists" -name '*Packages*' -mtime -7 2>/dev/null | grep -q .; then
		private apt-get update >"$apt/log" 2>&1 || true
	fi
	release=$(private apt-cache search --names-only '^linux-(image|binary)-[0-9].*-cloud-amd64$' |
		sed -n 's/^linux-[a-z]*-\([^ ]*\) .*/\1/p' | newest "$1")
	[ -n "$release" ] || fail "Debian has no package of it any more, or cannot be reached (see $apt/log)"
	packages=$(mktemp -d)
	trap 'rm -rf "$packages"' EXIT
	# From 6.19 on the image is in a package of its own.
	(cd "$packages" && { private apt-get download "linux-binary-$release" ||
		private apt-get download "linux-image-$release"; } >"$apt/log" 2>&1) ||
		fail "$release cannot be downloaded: $(tail -n 1 "$apt/log")"
	rm -rf "${kernels:?}/$release"
	mkdir "$kernels/$release"
	# The image alone: modules would be ten times as much.
	for package in "$packages"/*.deb; do
		dpkg-deb --fsys-tarfile "$package" |
			tar -x -C "$kernels/$release" --wildcards '*vmlinuz*'
	done
	[ -n "$(image "$release")" ] || fail "$release: there is no image in its package"
	touch "$kernels/$release/complete"
fi
image "$release"
