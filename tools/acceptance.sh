#!/usr/bin/env bash
# Installs what only the acceptance tests need: the Supabase CLI from npm, Debian's pgTAP with pg_prove, and linters.
set -euo pipefail
cd "$(dirname "$0")/.."

cli=3.1.0
folder=build/acceptance
packages=(postgresql-15 postgresql-15-pgtap libtap-parser-sourcehandler-pgtap-perl)

if [ ! -x "$folder/node_modules/.bin/supabase" ]; then
    command -v npm > /dev/null || { echo "The acceptance tests need npm: install Node.js first." >&2; exit 2; }
    mkdir -p "$folder"
    npm install --silent --no-audit --no-fund --prefix "$folder" "supabase@$cli"
fi

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
