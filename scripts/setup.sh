#!/bin/sh
# Makes .venv with everything that the other targets need, and installs the Debian packages that are missing.
# Does nothing, quickly, when all of it is there.
set -eu
cd "$(dirname "$0")/.."

# The system's own Python if it is new enough: Debian builds it with profiles, which a Python built at home seldom is.
python="${PYTHON:-}"
for candidate in /usr/bin/python3 python3; do
    [ -n "$python" ] && break
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && python="$candidate"
done
if [ -z "$python" ]; then
    echo "setup: Python 3.11 or newer is needed; say PYTHON=/path/to/it if it has an unusual name" >&2
    exit 1
fi

missing=""
command -v espeak-ng >/dev/null || missing="$missing espeak-ng"   # speaks the prompts that nobody has recorded
command -v sox >/dev/null || missing="$missing sox"               # brings recordings to a telephone's form
command -v dot >/dev/null || missing="$missing graphviz"          # draws flows: ivr graph --format svg
command -v setpriv >/dev/null || missing="$missing util-linux"    # ends the lab with its parent
command -v curl >/dev/null || missing="$missing curl"             # asks for the health of what runs
[ -s /etc/ssl/certs/ca-certificates.crt ] || missing="$missing ca-certificates"   # whom providers' TLS is checked by
for package in "$@"; do
    if [ "$package" = postgresql ]; then
        # The programs of any version will do. The tests start servers of their own, so Debian's package need not.
        ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
    else
        dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
    fi
done
"$python" -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"

if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "setup: install these first: apt-get install$missing" >&2
        exit 1
    fi
    echo "setup: installing$missing"
    apt-get update -qq >/dev/null
    case "$missing" in *postgresql*)
        if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
            mkdir -p /etc/postgresql-common
            echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
        fi
        ;;
    esac
    # shellcheck disable=SC2086 -- a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

wanted="$(cat pyproject.toml scripts/setup.sh | sha256sum | cut -d ' ' -f 1) $PWD $python"
if [ "$(cat .venv/ready 2>/dev/null || true)" != "$wanted" ]; then
    echo "setup: making .venv"
    "$python" -m venv --clear .venv
    .venv/bin/pip install -q --disable-pip-version-check -e '.[dev]'
    echo "$wanted" >.venv/ready
fi
