#!/bin/sh
# Keeps Prometheus' history where it outlives the task: every SNAPSHOT_INTERVAL_S seconds, and once more when told to
# end, a snapshot of its database is asked of its admin API and copied to SNAPSHOTS. A crash therefore loses what came
# since the last copy began: at most the interval, and the seconds that the snapshot takes.
#
# PROMETHEUS_URL        with the prefix of its routes; its admin API must be on
# TSDB                  the live database, on the task's own disk
# SNAPSHOTS             the folder of the copies; nobody else may write there
# SNAPSHOT_INTERVAL_S   whole seconds between two snapshots
#
# Runs in the sh of busybox and of dash, and writes nowhere else: the rest of the container can be read-only.

set -u
export LC_ALL=C # sorts names by the moments they begin with

PROMETHEUS_URL=${PROMETHEUS_URL:-http://localhost:9090/prometheus}
TSDB=${TSDB:-/prometheus}
SNAPSHOTS=${SNAPSHOTS:-/snapshots}
SNAPSHOT_INTERVAL_S=${SNAPSHOT_INTERVAL_S:-900}
ANSWER_S=60 # leaves the copy 40 of the 100 s in which the last snapshot has to be kept

# The names of whole snapshots, the newest first: 20171210T211224Z-2be650b6d019eb54. What is still being copied, or was
# when its writer was killed, has another name.
whole() {
    ls -1r "$SNAPSHOTS" 2>/dev/null | sed -n '/^[0-9]\{8\}T[0-9]\{6\}Z-[0-9a-f]\{1,\}$/p'
}

# The bytes of each file of a snapshot, by which a restore knows whether it has all of it.
sizes() {
    (cd "$1" && stat -c '%s %n' */index */meta.json */tombstones */chunks/*)
}

post() {
    if command -v wget >/dev/null; then
        timeout "$ANSWER_S" wget -q -O - --post-data='' "$1"
    else
        timeout "$ANSWER_S" curl -sSf -X POST "$1"
    fi
}

# Has Prometheus make a snapshot, of links on its own disk; says its name, and nothing if there is none.
made() {
    post "$PROMETHEUS_URL/api/v1/admin/tsdb/snapshot?skip_head=false" | sed -n 's/.*"name":"\([0-9A-Za-z-]*\)".*/\1/p'
}

# What a block is known by. Its samples never change; what is deleted of them is noted in the two small files.
marks() {
    (cd "$1" && sha256sum meta.json tombstones && stat -c '%s %n' index chunks/*)
}

# Copies a snapshot. Blocks that the one before has are linked there: each interval then writes what is new, and not
# 30 days of it, to a file system that is paid and throttled by the byte.
copied() {
    mkdir "$2" || return
    for block in "$1"/*; do
        earlier=$3/${block##*/}
        if [ -d "$earlier" ] && known=$(marks "$earlier") && [ "$known" = "$(marks "$block")" ]; then
            cp -Rl "$earlier" "$2" || return
        else
            cp -R "$block" "$2" || return
        fi
    done
    sizes "$1" >"$2/sizes" && [ "$(sizes "$2")" = "$(cat "$2/sizes")" ]
}

bytes() {
    total=0
    while read -r size _; do total=$((total + size)); done <"$1/sizes"
    echo "$total"
}

# Keeps the newest two: the older one is there for the day on which the newer cannot be read. Renamed first, so that
# one which is half removed is not taken for whole.
removed_older() {
    whole | sed 1,2d | while read -r old; do
        mv "$SNAPSHOTS/$old" "$SNAPSHOTS/.$old.partial" && rm -rf "$SNAPSHOTS/.$old.partial" || exit
    done
}

# Removes what earlier snapshots left, here or in another life: links that hold deleted blocks, copies cut short.
tidied() {
    rm -rf "$TSDB"/snapshots/* "$SNAPSHOTS"/.*.partial
}

taken() {
    begun_s=$(date +%s)
    tidied || return
    name=$(made)
    [ "$name" ] || { echo "Prometheus made none at $PROMETHEUS_URL"; return 1; }
    partial=$SNAPSHOTS/.$name.partial
    copied "$TSDB/snapshots/$name" "$partial" "$SNAPSHOTS/$(whole | head -n 1)" || return
    sync || return
    mv "$partial" "$SNAPSHOTS/$name" || return
    echo "$name: $(bytes "$SNAPSHOTS/$name") bytes in $(($(date +%s) - begun_s)) s"
    removed_older
}

# One try, and one line about it: a failure is for the next try to make good.
attempt() {
    if said=$(taken 2>&1); then
        echo "snapshot: $said"
    else
        # shellcheck disable=SC2086  # unquoted, several lines are one
        echo "snapshot: none was kept:" $said >&2
    fi
    tidied 2>/dev/null
}

# The last one, in a second of its own: names that begin with the same one do not sort.
end() {
    trap '' TERM INT
    kill "$sleeper" 2>/dev/null
    sleep 1
    attempt
    exit 0
}

[ "$SNAPSHOT_INTERVAL_S" -gt 0 ] || exit 1
sleeper=
told=
trap end TERM INT
while :; do
    sleep "$SNAPSHOT_INTERVAL_S" &
    sleeper=$!
    wait "$sleeper" # and not a plain sleep, which a signal would not interrupt
    trap 'told=yes' TERM INT # a copy under way is finished first: the last one links its blocks
    attempt
    trap end TERM INT
    [ -z "$told" ] || end
done
