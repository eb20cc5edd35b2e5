#!/usr/bin/env bash
# Runs a dataset on several machines over plain ssh: each does one shard, and this one merges.
#
#   HOSTS="anna@one two three" bash examples/ssh.sh rows.jsonl all.duckdb --model qwen2.5-7b
#
# Each host needs sysgen-local, the model, and a key for ssh without a password. What follows
# OUTPUT.duckdb are options of `sysgen run`. INPUT is a file, which is copied to the hosts, or an
# address that they can read themselves (hf://...). Host I works in the folder FOLDER/I-of-N. Its
# store comes here as OUTPUT.I-of-N.duckdb, and what it printed as OUTPUT.I-of-N.log. Give the same
# command again after a failure: finished shards end at once, and the others continue.
#
#   HOSTS   the hosts; one that is named twice does two shards
#   FOLDER  the folder on the hosts, its whole path or that from the home folder (default
#           sysgen-shards)
#   SYSGEN  the command on the hosts and here (default sysgen)
set -euo pipefail

if (($# < 2)) || [[ -z ${HOSTS:-} ]]; then
    echo "usage: HOSTS=\"HOST HOST ...\" bash $0 INPUT OUTPUT.duckdb [OPTIONS OF sysgen run]" >&2
    exit 2
fi
input=$1
output=$2
shift 2
read -r -a hosts <<<"$HOSTS"
shards=${#hosts[@]}
sysgen=${SYSGEN:-sysgen}

if [[ -e $output ]]; then
    echo "$output is there already: remove it, or name another file" >&2
    exit 2
fi

quoted() { # the words, for the shell on a host
    local word
    for word in "$@"; do printf "'%s' " "${word//\'/\'\\\'\'}"; done
}

on() { # a host, and a command for its shell
    ssh -o BatchMode=yes -o ServerAliveInterval=30 "$1" "$2"
}

run_shard() { # a shard, its host, and options of `sysgen run`
    local shard=$1 host=$2 name=$input
    shift 2
    local folder store="${output%.duckdb}.$shard-of-$shards.duckdb"
    folder=$(quoted "${FOLDER:-sysgen-shards}/$shard-of-$shards")
    on "$host" "mkdir -p $folder" </dev/null
    if [[ -f $input ]]; then
        name=$(basename "$input")
        on "$host" "cd $folder && cat > $(quoted "$name")" <"$input"
    fi
    on "$host" "cd $folder && $(quoted "$sysgen" run "$name" --shard "$shard/$shards" \
        --db shard.duckdb "$@")" </dev/null
    on "$host" "cd $folder && cat shard.duckdb" </dev/null >"$store.part"
    mv "$store.part" "$store"
}

stores=()
pids=()
for ((i = 0; i < shards; i++)); do
    base="${output%.duckdb}.$((i + 1))-of-$shards"
    stores+=("$base.duckdb")
    run_shard $((i + 1)) "${hosts[i]}" "$@" >"$base.log" 2>&1 &
    pids+=($!)
done
failed=0
for ((i = 0; i < shards; i++)); do
    if wait "${pids[i]}"; then
        echo "shard $((i + 1)) of $shards: done on ${hosts[i]}" >&2
    else
        echo "shard $((i + 1)) of $shards: failed on ${hosts[i]}; see ${stores[i]%.duckdb}.log" >&2
        failed=1
    fi
done
if ((failed)); then
    echo "nothing is merged; the same command continues" >&2
    exit 1
fi
"$sysgen" merge "${stores[@]}" -o "$output"
