#!/bin/sh
# Unpacks Debian packages without installing them: unpack_packages.sh DIRECTORY PACKAGE[:FILE]...
# For servers that tests start by themselves: installed, they would run on this machine from
# now on.  Only the libraries they need are installed, and with FILE nothing else is unpacked.
# Does nothing for what is there already.
set -eu

here=$(dirname "$0")
directory=$1
shift

as_root=sudo
[ "$(id -u)" != 0 ] || as_root=
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
# Where apt-get's own user may write.
chmod 1777 "$temporary"

download() {
	(cd "$temporary" && apt-get -q download "$1")
}

for wanted; do
	package=${wanted%%:*} file=${wanted#"$package"}
	[ ! -e "$directory/$package" ] || continue
	# The lists of packages may be missing or old: a second try with new ones.
	download "$package" || { $as_root apt-get -q update && download "$package"; }
	libraries=$(dpkg-deb -f "$temporary/$package"_*.deb Depends | tr ',' '\n' |
		sed -n '/^ *libjs-/d; s/^ *\(lib[^ |]*\).*/\1/p')
	# shellcheck disable=SC2086  # words on purpose
	sh "$here/install_packages.sh" $libraries
	mkdir "$temporary/$package"
	dpkg-deb --fsys-tarfile "$temporary/$package"_*.deb |
		tar -C "$temporary/$package" -x --no-same-owner ${file:+"./${file#:}"}
	mkdir -p "$directory"
	[ -z "${SUDO_UID:-}" ] || chown -R "$SUDO_UID:$SUDO_GID" "$directory" "$temporary/$package"
	mv "$temporary/$package" "$directory/"
done
