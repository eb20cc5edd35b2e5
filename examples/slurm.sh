#!/usr/bin/env bash
# Runs a dataset on a SLURM cluster: each task of an array does one shard, and a last job merges.
#
#   SHARDS=16 SBATCH_OPTIONS="--gres=gpu:1 --mem=32G --time=12:00:00" \
#       bash examples/slurm.sh rows.jsonl all.duckdb --model qwen2.5-7b
#
# INPUT and OUTPUT.duckdb lie on a disk that all nodes see; what follows them are options of
# `sysgen run`. The store of shard I of N is OUTPUT.I-of-N.duckdb. Give the same command again after
# a failure or a time limit: finished shards end at once, and the others continue.
#
#   SHARDS          number of shards, and of tasks (default 8)
#   SBATCH_OPTIONS  options of sbatch for the tasks of the array
#   SCRATCH         a folder on the nodes' own disks, for a shared disk that has no file locks or is
#                   slow: each task works on a copy of its store there, and copies it back
#   SYSGEN          the command (default sysgen)
set -euo pipefail

if (($# < 2)); then
    echo "usage: SHARDS=N bash $0 INPUT OUTPUT.duckdb [OPTIONS OF sysgen run]" >&2
    exit 2
fi
input=$1
output=$2
shards=${SHARDS:-8}
sysgen=${SYSGEN:-sysgen}

store_of() { # the store of a shard
    printf '%s.%d-of-%d.duckdb' "${output%.duckdb}" "$1" "$shards"
}

run_shard() { # the shard, and options of `sysgen run`
    local shard=$1 store work code=0
    shift
    store=$(store_of "$shard")
    work=$store
    if [[ -n ${SCRATCH:-} ]]; then
        work=$SCRATCH/$(basename "$store")
        rm -f "$work" "$work.wal" # of a task that was killed on this node
        if [[ -e $store ]]; then cp "$store" "$work"; fi
    fi
    local command=("$sysgen" run "$input" --shard "$shard/$shards" --db "$work" "$@")
    if command -v srun >/dev/null; then # SLURM sends its signals to the steps that srun starts
        command=(srun --ntasks=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" "${command[@]}")
    fi
    "${command[@]}" || code=$?
    if [[ $work != "$store" && -e $work ]]; then
        cp "$work" "$store.part"
        mv "$store.part" "$store"
        rm -f "$work"
    fi
    return "$code"
}

merge_shards() {
    local stores=() shard
    for ((shard = 1; shard <= shards; shard++)); do stores+=("$(store_of "$shard")"); done
    "$sysgen" merge "${stores[@]}" -o "$output"
}

submit() { # the arguments of this script
    local more=() array
    read -r -a more <<<"${SBATCH_OPTIONS:-}"
    mkdir -p "$(dirname "$output")"
    # TERM comes two minutes before the time limit: `sysgen run` writes what is done, and ends.
    array=$(sbatch --parsable --job-name=sysgen --array="1-$shards" --signal=TERM@120 \
        ${more[@]+"${more[@]}"} "$0" "$@")
    SYSGEN_MERGE=1 sbatch --job-name=sysgen-merge --dependency="afterok:${array%%;*}" \
        --kill-on-invalid-dep=yes "$0" "$@"
}

if [[ -n ${SLURM_ARRAY_TASK_ID:-} ]]; then
    shift 2
    run_shard "$SLURM_ARRAY_TASK_ID" "$@"
elif [[ -n ${SYSGEN_MERGE:-} ]]; then
    merge_shards
elif [[ -e $output ]]; then
    echo "$output is there already: remove it, or name another file" >&2
    exit 2
else
    submit "$@"
fi
