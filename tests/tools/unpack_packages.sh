#!/bin/sh
# Unpacks Debian packages without installing them: unpack_packages.sh DIRECTORY PACKAGE...
# For servers that tests start by themselves: installed, they would run on this machine from
# now on.  Only the libraries they need are installed.  Does nothing for what is there already.
set -eu

here=$(dirname "$0")
directory=$1
shift

for package; do
	[ ! -e "$directory/$package" ] || continue
	temporary=$(mktemp -d)
	trap 'rm -rf "$temporary"' EXIT
	(cd "$temporary" && apt-get -q download "$package" 2>&1) | sed '/unsandboxed/d'
	libraries=$(dpkg-deb -f "$temporary"/*.deb Depends | tr ',' '\n' |
		sed -n '/^ *libjs-/d; s/^ *\(lib[^ |]*\).*/\1/p')
	# shellcheck disable=SC2086  # words on purpose
	sh "$here/install_packages.sh" $libraries
	dpkg-deb -x "$temporary"/*.deb "$temporary/root"
	mkdir -p "$directory"
	[ -z "${SUDO_UID:-}" ] || chown -R "$SUDO_UID:$SUDO_GID" "$directory" "$temporary/root"
	mv "$temporary/root" "$directory/$package"
	rm -rf "$temporary"
done
