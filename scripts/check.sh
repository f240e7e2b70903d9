#!/bin/sh
# Everything that is checked, in one place: people and CI run exactly this.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
export PATH

ruff format --check -q .
ruff check -q .
lint-imports --no-cache >/tmp/ivr-lint-$$ 2>&1 || { cat /tmp/ivr-lint-$$; rm -f /tmp/ivr-lint-$$; exit 1; }
rm -f /tmp/ivr-lint-$$
ivr check
if [ $# -gt 0 ]; then
    mypy
    exec pytest "$@"
fi
# First what needs no telephone, a file at a time on each processor and one more, for many tests wait, and the types beside
# them; then the calls, which need the machine for themselves.
status=0
types=$(mktemp)
mypy >"$types" 2>&1 &
checking=$!
pytest -n "$(($(nproc) + 1))" --maxprocesses 4 --dist loadfile --ignore tests/end_to_end || status=$?
wait "$checking" || status=$?
cat "$types"
rm -f "$types"
pytest tests/end_to_end || status=$?
exit "$status"
