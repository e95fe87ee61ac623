#!/usr/bin/env bash
# Refresh uv.toml: resolve the newest versions that pyproject.toml allows, and pin them exactly.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -f uv.toml uv.lock
uv lock --quiet
{
  echo "# Exact versions of everything in the environment; made by tools/pin.sh."
  echo "constraint-dependencies = ["
  uv export --quiet --all-packages --all-groups --all-extras --no-hashes --no-emit-workspace --no-annotate --no-header |
    sed -e 's/"/\\"/g' -e 's/^/  "/' -e 's/$/",/'
  echo "]"
} > .uv.toml.new
mv .uv.toml.new uv.toml
uv lock --quiet
