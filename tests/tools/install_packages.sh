#!/bin/sh
# Installs the Debian packages named: install_packages.sh PACKAGE...
# As root or through sudo; asks nothing; does nothing when all are there.
set -eu

missing=
for package; do
	state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
	as_root=
elif command -v sudo >/dev/null; then
	as_root=sudo
else
	echo "neither root nor sudo: as root, apt-get install$missing" >&2
	exit 1
fi

# shellcheck disable=SC2086  # words on purpose
install() {
	$as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q install -y --no-install-recommends $missing </dev/null
}
# The lists of packages may be missing or old: a second try with new ones.
install || { $as_root apt-get -q update && install; }
