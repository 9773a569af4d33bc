#!/bin/sh
# Keeps a TCP port open while it runs, and prints what becomes of it: hold.sh 8080
exec 3>&1
# shellcheck disable=SC2016  # natctl's variables, at the time of the change
exec natctl map --hold tcp "${1:-8080}" --on-change '
	case $NATD_EVENT in
	up) echo "open $NATD_EXTERNAL_ADDRESS:$NATD_EXTERNAL_PORT" ;;
	*) echo "closed: $NATD_EVENT" ;;
	esac >&3' >/dev/null
