# SPDX-License-Identifier: Apache-2.0
# progress.sh: sourced by demo.sh and test.sh, which set NAME. Says what goes on and how long it will take: one line that is
# written again on a terminal, a plain line every 8 s elsewhere.

say() { printf '%s: %s\n' "$NAME" "$*" | fold -s -w 80; }

in_megabytes() { awk -v bytes="$1" 'BEGIN { printf bytes < 1e7 ? "%.1f MB" : "%.0f MB", bytes / 1e6 }'; }
in_words() { # seconds
    if [ "$1" -lt 90 ]; then echo "$1 s"; else echo "$((($1 + 30) / 60)) min"; fi
}

# A path or word as a shell reads it back.
quoted() {
    case "$1" in
    "" | *[!A-Za-z0-9_./:=,+-]*) printf "'%s'\n" "$(printf %s "$1" | sed "s/'/'\\\\''/g")" ;;
    *) printf '%s\n' "$1" ;;
    esac
}

# ---- the plan ------------------------------------------------------------------------------------------
# What is still to be done, with seconds for each: expect STAGE SECONDS. Slower than expected so far is slower to come.
STAGES="" FACTOR=100
declare -A EXPECTED=()
expect() {
    case " $STAGES " in *" $1 "*) ;; *) STAGES="$STAGES $1" ;; esac
    EXPECTED[$1]=$2
}
rest() { # seconds of the stages that are left
    local stage sum=0
    for stage in $STAGES; do sum=$((sum + EXPECTED[$stage])); done
    echo $((sum * FACTOR / 100))
}
stage_over() { # stage, seconds it took
    local stage left=""
    if [ "$2" -ge 10 ] && [ "${EXPECTED[$1]-0}" -gt 0 ] && [ "$1" != packages ]; then # a network says nothing of a processor
        FACTOR=$(($2 * 100 / EXPECTED[$1]))
        [ "$FACTOR" -ge 30 ] || FACTOR=30
        [ "$FACTOR" -le 1000 ] || FACTOR=1000
    fi
    for stage in $STAGES; do [ "$stage" = "$1" ] || left="$left $stage"; done
    STAGES=$left
}

# ---- a stage whose output goes to a file ---------------------------------------------------------------
SHOWN="" WATCHED=""
show() { # a line; "end": the last of its stage
    if [ -t 1 ]; then
        printf '\r\033[K%.*s' "$((${COLUMNS:-80} - 1))" "$NAME: $1"
        [ "${2-}" != end ] || echo
    elif [ "${2-}" = end ] || [ -z "$SHOWN" ] || [ $((SECONDS - SHOWN)) -ge 8 ]; then
        say "$1"
        SHOWN=$SECONDS
    fi
}

# "DONE TOTAL" from what a count prints, made words; seconds left of the stage go to STAGE_LEFT.
describe() { # words, stage, seconds so far, done, total
    local text="$1, $(in_words "$3")" usual=${EXPECTED[$2]-0} expected
    expected=$((usual * FACTOR / 100))
    STAGE_LEFT=$((expected > $3 ? expected - $3 : expected / 10))
    if [ "${5:-0}" -gt 0 ] && [ "$4" -gt 0 ]; then
        [ "$5" = 100 ] && text="$text, $4 %" || text="$text, $4 of $5"
        [ "$3" -lt 3 ] || [ $(($4 * 50)) -lt "$5" ] || STAGE_LEFT=$(($3 * ($5 - $4) / $4))
    fi
    EXPECTED[$2]=0
    DESCRIBED="$text; about $(in_words $((STAGE_LEFT + $(rest)))) left"
    EXPECTED[$2]=$usual
}

end_watched() {
    [ -z "$WATCHED" ] || kill -TERM -- "-$WATCHED" 2>/dev/null || true
    WATCHED=""
}
trap end_watched EXIT
trap 'echo; exit 130' INT
trap 'exit 143' TERM HUP

# Runs a command with its output in build/STAGE.log; COUNT prints "DONE TOTAL" of that file, "-": nothing counts. A failure
# shows the end of the file and is the end.
watch() { # words, stage, count, command
    local words=$1 stage=$2 count=$3 log="build/$2.log" start=$SECONDS status=0 counted=""
    shift 3
    mkdir -p build
    SHOWN=""
    set -m # a group of its own, so that all of it can be ended
    "$@" >"$log" 2>&1 </dev/null &
    WATCHED=$!
    set +m
    while kill -0 "$WATCHED" 2>/dev/null; do
        [ "$count" = - ] || counted=$("$count" "$log" || true) # there may be nothing to count yet
        # shellcheck disable=SC2086
        describe "$words" "$stage" $((SECONDS - start)) $counted
        show "$DESCRIBED"
        sleep 0.5
    done
    wait "$WATCHED" || status=$?
    WATCHED=""
    if [ "$status" != 0 ]; then
        show "$words failed with status $status; all that it said is in $log, which ends so:" end
        tail -n 40 "$log" >&2
        exit 1
    fi
    show "$words: done in $(in_words $((SECONDS - start)))" end
    stage_over "$stage" $((SECONDS - start))
}

# ninja's last "[DONE/TOTAL]".
ninja_done() { sed -n 's/^\[\([0-9]*\)\/\([0-9]*\)\].*/\1 \2/p' "$1" 2>/dev/null | tail -n 1; }

# Seconds that so many compiled files take here.
build_seconds() { echo $((2 + $1 * 4 / 10 / $(nproc))); }
