#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Prints the path of a Python that has OpenTelemetry's packages: the decoder that is not ours, and
# the SDK to compare with. Makes the environment the first time, which needs the network.
set -eu

packages="protobuf opentelemetry-proto opentelemetry-sdk opentelemetry-exporter-otlp-proto-http prometheus-client"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/otel-bpf-tests
venv=$cache/venv

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9 # several tests may start at once
if [ "$(cat "$venv/complete" 2>/dev/null)" != "$packages" ]; then
	rm -rf "$venv"
	python3 -m venv "$venv" >&2
	# shellcheck disable=SC2086 # a list of words
	"$venv/bin/pip" install --quiet --disable-pip-version-check $packages >&2
	echo "$packages" >"$venv/complete"
fi
echo "$venv/bin/python"
