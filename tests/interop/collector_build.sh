#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Prints the path of an OpenTelemetry Collector with an OTLP receiver and the debug and OTLP/HTTP
# exporters. Builds it the first time, from the Go module proxy, which takes minutes. Status 77:
# there is no Go to build it with.
set -eu

version=0.162.0 providers=1.62.0
cache=${XDG_CACHE_HOME:-$HOME/.cache}/otel-bpf-tests
dir=$cache/collector-$version
go=$(command -v go || echo /usr/local/go/bin/go)

mkdir -p "$dir"
exec 9>"$cache/lock"
flock 9 # several tests may start at once
cd "$dir"
cat >wanted.yaml <<EOC
dist: {name: otelcol, output_path: ./dist, module: example.test/otelcol}
conf_resolver: {default_uri_scheme: file}
receivers:
  - gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v$version
exporters:
  - gomod: go.opentelemetry.io/collector/exporter/debugexporter v$version
  - gomod: go.opentelemetry.io/collector/exporter/otlphttpexporter v$version
providers:
  - gomod: go.opentelemetry.io/collector/confmap/provider/fileprovider v$providers
EOC
if ! cmp -s wanted.yaml built.yaml; then
	[ -x "$go" ] || {
		echo "go is not installed" >&2
		exit 77
	}
	PATH=$PATH:$(dirname "$go")
	[ -x bin/builder ] || GOBIN=$dir/bin "$go" install "go.opentelemetry.io/collector/cmd/builder@v$version" >&2
	bin/builder --config wanted.yaml >builder.log 2>&1 || {
		tail -n 20 builder.log >&2
		exit 1
	}
	cp wanted.yaml built.yaml
fi
echo "$dir/dist/otelcol"
