#!/bin/bash
# The stand-in for MongoDB, as this process:  serve.sh PORT [FILE]
#
# Launcher.java says what the arguments mean and what is printed. `make build/mongo/ready` first.
# Made for a quick start: no second compiler, no files for profilers.
set -eu
made=$(cd "$(dirname "$0")/../../../build/mongo" && pwd)
exec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -Xmx1g \
	-cp "$made:$made/lib/*" Launcher "$@"
