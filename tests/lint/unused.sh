#!/bin/bash
# Every public function of shared/ is used by the product, outside the file that defines it.
# Else it is for its file alone (static), for tests (tests/support), or for nothing. Read from
# the objects of `make all`; prints what breaks this, one line each.
set -u
cd "$(dirname "$0")/../.." || exit 1

# function: why it stays
allowed='
pl_dispatch              kore finds it by its name
pl_sio_conn_ack_id       acknowledgements both ways: the suites at tests/conformance ask for them
pl_sio_event_args        the same: an acknowledgement repeats the arguments of its event
pl_sio_conn_send_binary  binary events to clients: the same suites
pl_bus_channel_hold      a transport may; that of tests does (tests/support/bus_local)
pl_bus_channel_release   the same
pl_process_list_new_timed     tests of leases with short times
pl_online_set_new_timed      the same
pl_store_erase_step      one step of an erasure, which tests stop anywhere
pl_store_erasures        the same: whether one is done
pl_utf8_is_visible       a table of Unicode, which its test walks character by character
pl_redis_url_check       the form of a URL, apart from what is said of it
'

objects() { # folders; the gateway's module has no objects, and nothing of ours in it
	find "$@" -name '*.c' -not -path 'gateway/tunnel/*' | sed 's|^|build/|; s|\.c$|.o|'
}

# "used NAME" for each that an object needs of another; "FILE NAME" for each that one gives.
symbols() {
	objects shared services gateway deploy | xargs nm -A --undefined-only |
		sed -n 's/.* U \(pl_[a-z0-9_]*\)$/used \1/p'
	objects shared | xargs nm -A --defined-only |
		sed -n 's/^build\/\(.*\)\.o:.* T \(pl_[a-z0-9_]*\)$/\1.c \2/p'
}

symbols | awk -v allowed="$allowed" '
	BEGIN {
		n = split(allowed, rows, "\n")
		for (i = 1; i <= n; i++) {
			split(rows[i], words, " ")
			if (words[1] != "")
				stays[words[1]] = 1
		}
	}
	$1 == "used" { used[$2] = 1; next }
	{ file[$2] = $1 }
	END {
		for (name in file)
			if (!(name in used) && !(name in stays)) {
				print file[name] ": nothing of the product uses " name "()"
				fail = 1
			}
		for (name in stays)
			if (!(name in file) || name in used) {
				print "tests/lint/unused.sh: " name " need not be allowed"
				fail = 1
			}
		exit fail
	}'
