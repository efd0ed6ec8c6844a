#!/bin/sh
# Makes the task ready before Prometheus and Grafana start: the scraper's secret, the history that an earlier task
# kept, and the owners of their folders. Run again it changes nothing; cut short, it begins anew.
#
# CONTENT_HOME              where the configuration is; the secret goes to prometheus/scraper_secret below it
# SCRAPER_SECRET            the secret; if there is none, Cognito is asked for that of
# USER_POOL_ID, CLIENT_ID   the scraper's client
# SNAPSHOTS                 where snapshot.sh keeps its copies; missing on the first day
# TSDB                      the live database; restored to only if it is empty
# GRAFANA_DATA              Grafana's folder, if there is one
#
# Runs in the sh of bash, busybox and dash; of the commands it needs, only aws is not of coreutils or sed.

set -eu
export LC_ALL=C # sorts names by the moments they begin with

CONTENT_HOME=${CONTENT_HOME:-/content}
SNAPSHOTS=${SNAPSHOTS:-/snapshots}
TSDB=${TSDB:-/prometheus}
GRAFANA_DATA=${GRAFANA_DATA:-/var/lib/grafana}
PROMETHEUS_USER=65534 # nobody, as the images have them
GRAFANA_USER=472

secret_file=$CONTENT_HOME/prometheus/scraper_secret
draft=$TSDB/.restoring # a copy under way
copy=$TSDB/.restored   # a whole copy, whose blocks are being moved in

say() {
    echo "prepare: $*"
}

client_secret() {
    if [ "${SCRAPER_SECRET:-}" ]; then
        printf '%s\n' "$SCRAPER_SECRET"
    else
        aws cognito-idp describe-user-pool-client --user-pool-id "${USER_POOL_ID:?is not set}" \
            --client-id "${CLIENT_ID:?is not set}" --query UserPoolClient.ClientSecret --output text
    fi
}

# The file is its owner's alone from its first byte on, and never half written.
write_secret() {
    secret=$(client_secret)
    case $secret in
        '' | None) say "the scraper's client has no secret" >&2; exit 1 ;;
    esac
    rm -f "$secret_file.new"
    (umask 377 && printf %s "$secret" >"$secret_file.new")
    mv -f "$secret_file.new" "$secret_file"
}

# The names of whole snapshots, the newest first: 20171210T211224Z-2be650b6d019eb54. What is still being copied, or was
# when its writer was killed, has another name. A folder that cannot be read is not an empty one.
whole() {
    [ -e "$SNAPSHOTS" ] || return 0
    found=$(ls -1r "$SNAPSHOTS") || return
    echo "$found" | sed -n '/^[0-9]\{8\}T[0-9]\{6\}Z-[0-9a-f]\{1,\}$/p'
}

# As snapshot.sh notes them.
sizes() {
    (cd "$1" && stat -c '%s %n' */index */meta.json */tombstones */chunks/*)
}

# Copies a snapshot beside the database. Prometheus does not start on a damaged one, so what came is held to the sizes.
copied() {
    cp -R "$SNAPSHOTS/$1" "$draft" || return
    [ "$(sizes "$draft")" = "$(cat "$draft/sizes")" ] || { echo "files are missing or cut off"; return 1; }
}

# Moves a whole copy's blocks in, as often as it takes.
move_in() {
    for block in "$copy"/*/; do
        [ ! -d "$block" ] || mv "$block" "$TSDB"
    done
    rm -rf "$copy"
}

# If there are snapshots and none can be read, it fails and is tried again: a history that began anew would in time take
# the place of one that could not be read for a moment. Whoever means it moves them away.
restore() {
    names=$(whole) || { say "$SNAPSHOTS cannot be read" >&2; exit 1; }
    for name in $names; do
        rm -rf "$draft"
        if reason=$(copied "$name" 2>&1); then
            mv "$draft" "$copy"
            move_in
            say "restored $name"
            return
        fi
        # shellcheck disable=SC2086  # unquoted, several lines are one
        say "skipped $name, which cannot be read completely:" $reason >&2
    done
    rm -rf "$draft"
    [ -z "$names" ] || { say "no snapshot in $SNAPSHOTS can be read" >&2; exit 1; }
    say "no snapshot to restore in $SNAPSHOTS; the history begins now"
}

prepare_database() {
    mkdir -p "$TSDB"
    if [ -d "$copy" ]; then
        move_in
        say "restored what an earlier start had copied"
    elif [ "$(ls -A "$TSDB" | sed '/^\.restoring$/d')" ]; then
        say "$TSDB is not empty and stays as it is"
    else
        restore
    fi
}

# Only root can give files away; elsewhere everything is its user's already.
give_away() {
    [ "$(id -u)" -eq 0 ] || return 0
    chown -R "$PROMETHEUS_USER:$PROMETHEUS_USER" "$TSDB" "$secret_file"
    [ ! -d "$GRAFANA_DATA" ] || chown -R "$GRAFANA_USER:$GRAFANA_USER" "$GRAFANA_DATA"
}

write_secret
prepare_database
give_away
