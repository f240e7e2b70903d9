#!/bin/sh
# Everything that is checked, in one place: people and CI run exactly this.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
export PATH

ruff format --check -q .
ruff check -q .
mypy
lint-imports --no-cache >/tmp/ivr-lint-$$ 2>&1 || { cat /tmp/ivr-lint-$$; rm -f /tmp/ivr-lint-$$; exit 1; }
rm -f /tmp/ivr-lint-$$
ivr check
if [ $# -gt 0 ]; then
    exec pytest "$@"
fi
# First what needs no telephone, a file at a time on each processor; then the calls, which need the machine for themselves.
status=0
pytest -n auto --maxprocesses 4 --dist loadfile --ignore tests/end_to_end || status=$?
pytest tests/end_to_end || status=$?
exit "$status"
