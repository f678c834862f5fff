# shellcheck shell=bash
# Messages on standard error, with the name of the script that is run.

log() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
    log "error: $*"
    exit 1
}

# usage FILE: prints the comment at the top of a script, and ends with status 2
usage() {
    sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$1" >&2
    exit 2
}
