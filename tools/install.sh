#!/usr/bin/env bash
# Installs Milepost on a car computer, or takes it off again. Runs twice without harm.
#
#   sudo tools/install.sh              install, or repair what is there
#   sudo tools/install.sh --upgrade    install this checkout's version beside the running one, then switch over
#   sudo tools/install.sh --uninstall  take it off; configuration, key and state stay
#   tools/install.sh --dry-run ...     print what would be done, change nothing
#
# Needs Python 3.10 or newer with venv, systemd, and nothing from the network but the package index.

set -euo pipefail

PREFIX=/opt/milepost # bin -> releases/NAME/bin: one link to move, so a power cut leaves the old or the new version
ETC=/etc/milepost
KEY=$ETC/credentials/stellar-key
SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
DRY_RUN=no
ACTION=install

say() { printf '%s\n' "$*"; }
fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

# Everything that changes the machine goes through `run`.
run() {
    if [ "$DRY_RUN" = yes ]; then
        printf 'would run:'
        printf ' %q' "$@"
        printf '\n'
    else
        "$@"
    fi
}

systemd_runs() { [ -d /run/systemd/system ]; }

find_python() {
    local candidate
    # The system's own: a Python in somebody's home is out of the service's reach (ProtectHome).
    for candidate in /usr/bin/python3 /usr/bin/python3.1[0-9] /usr/local/bin/python3; do
        if "$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    fail "No Python 3.10 or newer with venv. Install it first: apt-get install python3-venv"
}

# JetPack's torch knows the board's CUDA, and its OpenCV knows GStreamer: the index has neither.
system_torch() { "$1" -c 'import sys, torch; sys.exit(tuple(map(int, torch.__version__.split(".")[:2])) < (2, 4))' 2>/dev/null; }
system_opencv() { "$1" -c 'import re, sys, cv2; sys.exit(not re.search(r"GStreamer:\s+YES", cv2.getBuildInformation()))' 2>/dev/null; }
system_numpy_1() { "$1" -c 'import sys, numpy; sys.exit(not numpy.__version__.startswith("1."))' 2>/dev/null; }

pip_in() { run "$1/bin/python" -m pip install --quiet --disable-pip-version-check "${@:2}"; }

make_release() {
    local python=$1 release=$2
    local wanted=() flags=() pinned=car
    if system_torch "$python"; then
        say "The system's torch is used."
        flags=(--system-site-packages)
    else
        wanted+=("torch>=2.4,<2.14")
    fi
    if system_opencv "$python"; then
        say "The system's OpenCV with GStreamer is used."
        flags=(--system-site-packages)
    else
        wanted+=("opencv-python-headless>=4.8")
    fi
    # Everything is pinned by its hash but what the board may have its own build of. What the system built against numpy 1
    # does not load with numpy 2.
    if [ ${#flags[@]} -eq 0 ]; then
        pinned=train
    elif system_numpy_1 "$python"; then
        pinned=car-numpy1
        wanted+=("numpy<2")
    fi
    run "$python" -m venv ${flags[@]+"${flags[@]}"} "$release" &&
        pip_in "$release" --require-hashes --requirement "$SOURCE/requirements/build.txt" &&
        pip_in "$release" --require-hashes --requirement "$SOURCE/requirements/$pinned.txt" --no-build-isolation --use-pep517 &&
        pip_in "$release" --no-build-isolation "${SOURCE}[can,web]" ${wanted[@]+"${wanted[@]}"}
}

install_release() {
    local python release old
    python=$(find_python)
    release=$PREFIX/releases/$(date -u +%Y%m%dT%H%M%SZ)
    old=$(readlink "$PREFIX/bin" || true)
    say "Installing into $release with $python."
    run mkdir -p "$PREFIX/releases"
    if ! make_release "$python" "$release"; then
        run rm -rf "$release"
        fail "The packages could not be installed. What was there before is untouched."
    fi
    run ln -sfn "$release/bin" "$PREFIX/bin.new"
    run mv -T "$PREFIX/bin.new" "$PREFIX/bin"
    run ln -sfn "$PREFIX/bin/milepost" /usr/local/bin/milepost
    remove_releases_but "$release" "${old%/bin}"
}

# The release before this one stays, to go back to: ln -sfn /opt/milepost/releases/NAME/bin /opt/milepost/bin
remove_releases_but() {
    local release
    for release in "$PREFIX"/releases/*; do
        if [ -d "$release" ] && [ "$release" != "$1" ] && [ "$release" != "$2" ]; then run rm -rf "$release"; fi
    done
}

install_files() {
    local unit doc
    for unit in "$SOURCE"/systemd/*.service; do
        run install -D -m 644 "$unit" "/usr/lib/systemd/system/$(basename "$unit")"
    done
    run install -D -m 644 "$SOURCE/systemd/milepost.sysusers" /usr/lib/sysusers.d/milepost.conf
    run install -D -m 644 "$SOURCE/systemd/milepost.tmpfiles" /usr/lib/tmpfiles.d/milepost.conf
    for doc in "$SOURCE"/docs/*.md; do
        run install -D -m 644 "$doc" "$PREFIX/share/$(basename "$doc")"
    done
    run systemd-sysusers /usr/lib/sysusers.d/milepost.conf
    run mkdir -p -m 755 "$ETC"
    run mkdir -p -m 700 "$ETC/credentials"
}

configure() {
    if [ -e "$ETC/milepost.toml" ]; then
        say "$ETC/milepost.toml is kept."
    else
        run "$PREFIX/bin/milepost" config init "$ETC/milepost.toml"
    fi
    if [ -e "$KEY" ]; then
        say "$KEY is kept."
    else
        say "The vehicle's account:"
        run "$PREFIX/bin/milepost" keys generate --file "$KEY"
    fi
    run systemd-tmpfiles --create /usr/lib/tmpfiles.d/milepost.conf
    run "$PREFIX/bin/milepost" --config "$ETC/milepost.toml" config check
    install_udev_rule
}

# The CAN interface comes up with the bit rate that the configuration names.
install_udev_rule() {
    local rule=/usr/lib/udev/rules.d/70-milepost.rules bitrate
    run install -D -m 644 "$SOURCE/systemd/70-milepost.rules" "$rule"
    [ "$DRY_RUN" = yes ] && return
    bitrate=$("$PREFIX/bin/milepost" --config "$ETC/milepost.toml" config show --json |
        "$PREFIX/bin/python" -c 'import json, sys; print(json.load(sys.stdin)["odometer"]["can_bitrate"])')
    sed -i "s/bitrate 500000/bitrate $bitrate/" "$rule"
}

start() {
    if ! systemd_runs; then
        say "systemd does not run here: the units are in place and start with the machine once enabled."
        run systemctl enable milepost.service
        return
    fi
    run udevadm control --reload
    run systemctl daemon-reload
    run systemctl enable milepost.service
    run systemctl restart milepost.service
}

uninstall() {
    local unit
    for unit in milepost milepost-validator milepost-fleet; do
        if systemd_runs && [ -e "/usr/lib/systemd/system/$unit.service" ]; then
            run systemctl disable --now "$unit.service"
        fi
        run rm -f "/usr/lib/systemd/system/$unit.service" "/etc/systemd/system/multi-user.target.wants/$unit.service"
    done
    run rm -f /usr/lib/sysusers.d/milepost.conf /usr/lib/tmpfiles.d/milepost.conf \
        /usr/lib/udev/rules.d/70-milepost.rules /usr/local/bin/milepost
    run rm -rf "$PREFIX"
    if systemd_runs; then run systemctl daemon-reload; fi
    say "Milepost is gone. Left as they were: $ETC (the key holds the vehicle's money), /var/lib/milepost and the users."
}

while [ $# -gt 0 ]; do
    case $1 in
    --dry-run) DRY_RUN=yes ;;
    --upgrade) ACTION=upgrade ;;
    --uninstall) ACTION=uninstall ;;
    -h | --help)
        sed -n '2,9p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'
        exit 0
        ;;
    *) fail "unknown option $1. See --help." ;;
    esac
    shift
done

[ "$DRY_RUN" = yes ] || [ "$(id -u)" = 0 ] || fail "must be run as root: sudo $0"

case $ACTION in
uninstall) uninstall ;;
install | upgrade)
    # A second install repairs files and configuration; only --upgrade builds a venv anew.
    if [ "$ACTION" = upgrade ] || ! "$PREFIX/bin/milepost" version >/dev/null 2>&1; then
        install_release
    else
        say "$("$PREFIX/bin/milepost" version) is installed. --upgrade replaces it with this checkout's."
    fi
    install_files
    configure
    start
    if [ "$DRY_RUN" = no ]; then
        say "Done. Next: set market.initiators and market.operator in $ETC/milepost.toml, fund the account above,"
        say "then: systemctl restart milepost; milepost doctor"
    fi
    ;;
esac
