#!/bin/bash
# Makes the stand-in for MongoDB in build/mongo: fetches its libraries, once, and compiles the
# launcher. The Makefile calls it if pom.xml or Launcher.java is newer than build/mongo/ready.
set -eu
cd "$(dirname "$0")/../../.."

here=tests/support/mongo
out=build/mongo
copy=org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies

rm -rf "$out"
mkdir -p "$out"
mvn -q -B -f "$here/pom.xml" "$copy" -DincludeScope=runtime \
	-DoutputDirectory="$PWD/$out/lib" >"$out/maven.log" 2>&1 || {
	cat "$out/maven.log"
	echo "mongo: Maven could not fetch the libraries of $here/pom.xml"
	exit 1
}
javac -cp "$out/lib/*" -d "$out" "$here/Launcher.java"
touch "$out/ready"
