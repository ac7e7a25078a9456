# Log files that are full are begun anew; sourced by run.sh. FILE is copied to FILE.previous, in place of the
# one before, so together they take little more than twice LOG_BYTES_MAX: a few lines that come meanwhile may
# be lost. The gateway turns its own (gateway/log_files.lua).
#
# From run.sh:  $run             folder; its logs/*.log are what the services write to
#               $LOG_BYTES_MAX   as parley-settings gave it

LOOK_EVERY_MS=2000
looked_ms=0

turn_full_logs() {
	local file

	now_ms
	((REPLY - looked_ms >= LOOK_EVERY_MS)) || return 0
	looked_ms=$REPLY
	# Who writes appends: after this, at the beginning.
	find "$run/logs" -maxdepth 1 -type f -name '*.log' -size +"$LOG_BYTES_MAX"c |
		while IFS= read -r file; do
			cp "$file" "$file.previous"
			: >"$file"
		done
}
