#!/bin/sh
# Install a private Asterisk into a directory, without root rights and without touching the system.
#
#   install_asterisk.sh [DIR]     default: ${IVR_CACHE:-${XDG_CACHE_HOME:-~/.cache}}/ivr/asterisk
#
# Law: whatever DIR/bin/asterisk and DIR/installed name has been run and is new enough. DIR appears whole or not at all.
#
# In this order: what is already in DIR; an Asterisk that this machine has; in a container, the distribution's own
# package; else Debian's packages, fetched by apt (signatures checked) from the machine's own mirror and unpacked into
# DIR/root. Nothing of these is ever "installed": the launcher starts Asterisk through the root's own loader.
#
# IVR_DEBIAN_MIRROR   a Debian mirror, when apt on this machine does not know one
# IVR_DEBIAN_SUITE    the suite to take Asterisk from (default: forky)
set -eu

readonly FLOOR=22.10.1   # the first 22 without CVE-2026-57202 and CVE-2026-57200
readonly NEEDED_MODULES="chan_pjsip res_ari res_stasis res_rtp_asterisk"
readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
readonly STAMP="written by install_asterisk.sh"

suite=${IVR_DEBIAN_SUITE:-forky}
dir=${1:-${IVR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}}/ivr/asterisk}

main() {
    mkdir -p "$(dirname "$dir")" || fail "cannot write to $(dirname "$dir")"
    dir=$(cd "$(dirname "$dir")" && pwd)/$(basename "$dir")
    part=$dir.part
    log=$dir.log
    take_lock
    if is_current "$dir"; then
        say "Asterisk $(field "$dir" version) is ready in $dir"
        return
    fi
    if [ -e "$dir" ] && [ ! -f "$dir/installed" ] && [ -n "$(ls -A "$dir")" ]; then
        fail "$dir exists and was not made by this script: choose another directory or remove it"
    fi
    : >"$log"
    rm -rf "$part/new"
    mkdir -p "$part/new/bin"
    if own=$(suitable_system_asterisk); then
        say "using this machine's own $own"
        adopt "$own"
    elif in_container && candidate_suits; then
        say "installing the distribution's Asterisk package"
        run "apt-get could not install asterisk" apt-get -qq -y --no-install-recommends install asterisk
        own=$(suitable_system_asterisk) || fail "the distribution's asterisk package is not complete"
        adopt "$own"
    else
        build_private_root
    fi
    is_current "$part/new" || fail "what was built does not start or is older than $FLOOR: see $log"
    put_in_place
    say "Asterisk $(field "$dir" version) is ready in $dir"
}

# --- the three ways -------------------------------------------------------------------------------------------------

adopt() { # PROGRAM
    modules=$(system_modules)
    printf '#!/bin/sh\nexec %s "$@"\n' "$1" >"$part/new/bin/asterisk"
    chmod 755 "$part/new/bin/asterisk"
    stamp "$(version_of "$1")" "$modules" "$(system_data)"
}

build_private_root() {
    need_tools
    root=$part/new/root
    mkdir -p "$part/state/lists/partial" "$part/cache/archives/partial" "$root"
    : >"$part/status" # an empty system: apt then resolves every library that Asterisk needs
    mirror=$(debian_mirror)
    echo "deb [signed-by=$KEYRING] $mirror $suite main" >"$part/sources.list"
    say "1/4 reading the package lists of Debian $suite"
    run "apt could not read the package lists" own_apt update
    say "2/4 downloading Asterisk and its libraries (about 80 MB; what an earlier run fetched is kept)"
    run "apt could not download asterisk" own_apt --download-only install asterisk
    say "3/4 unpacking"
    unpack
    say "4/4 checking"
    triplet_dir=$(dirname "$(dirname "$(only "$root"/usr/lib/*/asterisk/modules)")")
    triplet=$(basename "$triplet_dir")
    loader=$(basename "$(only "$triplet_dir"/ld-linux-*.so.*)")
    cat >"$part/new/bin/asterisk" <<LAUNCHER
#!/bin/sh
# $STAMP. Starts the private Asterisk through its own loader and libraries.
root=\$(dirname "\$(dirname "\$(readlink -f "\$0")")")/root
lib=\$root/usr/lib/$triplet
exec "\$lib/$loader" --argv0 asterisk --library-path "\$lib:\$lib/asterisk" "\$root/usr/sbin/asterisk" "\$@"
LAUNCHER
    chmod 755 "$part/new/bin/asterisk"
    # Packages make this link when they are configured, which ours never are.
    sounds=$root/usr/share/asterisk/sounds
    if [ -d "$sounds/en_US_f_Allison" ]; then ln -sfn en_US_f_Allison "$sounds/en"; fi
    missing=$(missing_libraries)
    [ -z "$missing" ] || fail "libraries are missing: $missing"
    stamp "$(version_of "$part/new/bin/asterisk")" "root/usr/lib/$triplet/asterisk/modules" root/usr/share/asterisk
}

unpack() {
    # The names that a merged /usr expects, before anything is unpacked through them.
    for name in bin lib lib64 sbin; do
        mkdir -p "$root/usr/$name"
        ln -sfn "usr/$name" "$root/$name"
    done
    count=0
    for deb in "$part"/cache/archives/*.deb; do
        count=$((count + 1))
        progress "    $count $(basename "$deb" | cut -d_ -f1)"
        # tar, not dpkg-deb -x: the latter would replace the links above by directories. Owners are ours: no root rights.
        dpkg-deb --fsys-tarfile "$deb" 2>>"$log" | tar -x --keep-directory-symlink --no-same-owner -C "$root" \
            --exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/locale 2>>"$log" ||
            { rm -f "$deb"; fail "$(basename "$deb") could not be unpacked; run again to fetch it anew"; }
    done
    progress ""
}

put_in_place() {
    rm -rf "$dir.old"
    if [ -e "$dir" ]; then mv "$dir" "$dir.old"; fi
    mv "$part/new" "$dir"
    rm -rf "$dir.old" "$part" "$log"
}

# --- what is there --------------------------------------------------------------------------------------------------

is_current() { # DIR: is its stamp ours, and does what it names run and satisfy the floor?
    [ -f "$1/installed" ] && [ -x "$1/bin/asterisk" ] || return 1
    [ "$(field "$1" by)" = "$STAMP" ] || return 1
    is_enough "$(field "$1" version)" || return 1
    [ "$(version_of "$1/bin/asterisk")" = "$(field "$1" version)" ] || return 1
    modules=$(cd "$1" && cd "$(field "$1" modules)" 2>/dev/null && pwd) || return 1
    has_modules "$modules"
}

suitable_system_asterisk() { # prints the program's path
    for program in "$(command -v asterisk || true)" /usr/sbin/asterisk /usr/local/sbin/asterisk; do
        if [ -n "$program" ] && [ -x "$program" ] && is_enough "$(version_of "$program")" && has_modules "$(system_modules)"; then
            echo "$program"
            return 0
        fi
    done
    return 1
}

system_modules() { first_directory /usr/lib/*-linux-gnu*/asterisk/modules /usr/lib64/asterisk/modules /usr/lib/asterisk/modules; }

# Told by its documentation, without which Asterisk refuses some modules.
system_data() { dirname "$(first_directory /usr/share/asterisk/documentation /var/lib/asterisk/documentation)"; }

in_container() { # Where the package starts no service of its own that would take the machine's SIP port.
    [ "$(id -u)" = 0 ] && [ ! -d /run/systemd/system ] && command -v apt-get >/dev/null
}

candidate_suits() {
    candidate=$(apt-cache policy asterisk 2>/dev/null | sed -n 's/^ *Candidate: \([0-9]*:\)\{0,1\}\([0-9.]*\).*/\2/p')
    is_enough "$candidate"
}

debian_mirror() {
    if [ -n "${IVR_DEBIAN_MIRROR:-}" ]; then
        echo "$IVR_DEBIAN_MIRROR"
        return
    fi
    # With lists at hand the origin is known; without them (a fresh container) go by the key that signs the archive.
    found=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>>"$log" |
        sed -n 's/^Debian|Debian|//p' | head -n 1)
    [ -n "$found" ] || found=$(apt-get indextargets --no-release-info --format '$(SIGNED_BY)|$(REPO_URI)' 'Created-By: Packages' 2>>"$log" |
        sed -n 's/^[^|]*debian-archive[^|]*|//p' | grep -v security | head -n 1)
    [ -n "$found" ] || fail "apt on this machine knows no Debian mirror: set IVR_DEBIAN_MIRROR"
    echo "$found"
}

missing_libraries() {
    for file in "$root/usr/sbin/asterisk" $(for name in $NEEDED_MODULES; do echo "$(dirname "$triplet_dir")/$triplet/asterisk/modules/$name.so"; done); do
        "$triplet_dir/$loader" --library-path "$triplet_dir:$triplet_dir/asterisk" --list "$file" 2>>"$log" |
            sed -n 's/^[[:space:]]*\([^ ]*\) => not found.*/\1/p'
    done | sort -u | tr '\n' ' '
}

need_tools() {
    absent=
    for pair in apt-get:apt dpkg-deb:dpkg tar:tar; do
        command -v "${pair%%:*}" >/dev/null || absent="$absent ${pair##*:}"
    done
    [ -z "$absent" ] || fail "this machine has no$absent, so Debian's packages cannot be used: install Asterisk $FLOOR or newer yourself"
    [ -f "$KEYRING" ] && return
    [ "$(id -u)" = 0 ] || fail "Debian's archive keys are missing: as root, run apt-get install debian-archive-keyring"
    say "installing debian-archive-keyring"
    run "apt-get could not install debian-archive-keyring" apt-get -qq -y install debian-archive-keyring
}

# --- small tools ----------------------------------------------------------------------------------------------------

own_apt() { # apt with a state of its own; the machine's proxies and certificates still count
    quiet=-qq
    if [ -t 1 ]; then quiet=-q; fi
    # The mirror's Release file may be past its date; its signature is checked all the same.
    apt-get $quiet -y -o Dir::Etc::sourcelist="$part/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
        -o Dir::State="$part/state" -o Dir::State::status="$part/status" -o Dir::Cache="$part/cache" \
        -o APT::Sandbox::User="$(id -un)" -o APT::Install-Recommends=false -o APT::Keep-Downloaded-Packages=true \
        -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none \
        -o Acquire::Retries=3 -o APT::Update::Error-Mode=any "$@"
}

run() { # MESSAGE COMMAND...: on a terminal its output is seen, in a pipe it goes to the log
    message=$1
    shift
    if [ -t 1 ]; then
        "$@" 2>>"$log" || fail "$message: $(reason)"
    else
        "$@" >>"$log" 2>&1 || fail "$message: $(reason)"
    fi
}

reason() { grep -E '^E:' "$log" | head -n 1 | cut -c 1-200 | grep . || echo "see $log"; }

take_lock() {
    command -v flock >/dev/null || fail "flock is missing: install util-linux"
    exec 9>"$dir.lock" || fail "cannot write $dir.lock"
    flock -n 9 && return
    say "waiting for another installation into $dir"
    flock 9
}

stamp() { # VERSION MODULES DATA: relative paths are relative to DIR
    printf 'by=%s\nversion=%s\nmodules=%s\ndata=%s\n' "$STAMP" "$1" "$2" "$3" >"$part/new/installed"
}

field() { sed -n "s/^$2=//p" "$1/installed"; }

version_of() { "$1" -V 2>/dev/null | sed -n 's/^Asterisk \([0-9][0-9.]*\).*/\1/p'; }

is_enough() { [ -n "$1" ] && [ "$(printf '%s\n%s\n' "$FLOOR" "$1" | sort -V | head -n 1)" = "$FLOOR" ]; }

has_modules() {
    for name in $NEEDED_MODULES; do [ -f "$1/$name.so" ] || return 1; done
}

first_directory() {
    for name in "$@"; do
        if [ -d "$name" ]; then
            echo "$name"
            return
        fi
    done
}

only() { # the glob's single match
    [ $# = 1 ] && [ -e "$1" ] || fail "the packages of Debian $suite are not laid out as expected: $*"
    echo "$1"
}

say() { echo "$*"; }

progress() { if [ -t 1 ]; then printf '\r\033[K%s' "$*"; fi; }

fail() {
    echo "install_asterisk: $*" >&2
    exit 1
}

main
