#!/usr/bin/env bash
# Does a model get better by the rows of a store? Trains it on each variant of the SysGen paper's
# ablation, and compares what comes out with the model before.
#
#   bash examples/proof.sh rows.duckdb model.gguf proof/
#   bash examples/proof.sh rows.duckdb model.gguf proof/ --lora 16 --epochs 2
#
# What follows the folder are options of `sysgen train`. Of the store's instructions the share
# HELD_OUT is trained on by no variant, and becomes the test set: system messages whose phrases a
# rule can check, and plain questions, whose results must not get worse. The models answer it, and
# the files of OWN, with the system message in its own role and in the user turn. Nothing is judged
# by a model.
#
# In the folder are then a training for each variant, test.jsonl, evaluation.duckdb, study.md (the
# differences to the base, with 95 % intervals), original.md (the same to the model that was
# trained on the original rows) and report.html. Give the same command again after a stop: what is
# done is not done again.
#
#   HELD_OUT  share of the instructions that is kept for the test (default 0.3)
#   OWN       further test sets (default examples/obey.jsonl)
#   TOKENS    the most tokens of an answer (default 256)
#   VARIANTS  what is trained (default "original common system-only full")
#   SYSGEN    the command (default sysgen)
set -euo pipefail

if (($# < 3)); then
    echo "usage: bash $0 STORE.duckdb BASE FOLDER [OPTIONS OF sysgen train]" >&2
    exit 2
fi
store=$1
base=$2
folder=${3%/}
shift 3
held_out=${HELD_OUT:-0.3}
sysgen=${SYSGEN:-sysgen}
read -r -a variants <<<"${VARIANTS:-original common system-only full}"
read -r -a tests <<<"${OWN-$(dirname "$0")/obey.jsonl}"

mkdir -p "$folder"
if [[ ! -e $folder/test.jsonl ]]; then
    "$sysgen" testset --db "$store" -o "$folder/test.jsonl" --held-out "$held_out" \
        --kind obey --kind plain
fi
tests=("$folder/test.jsonl" "${tests[@]}")

for variant in "${variants[@]}"; do
    echo "== training on $variant" >&2
    "$sysgen" train --db "$store" --base "$base" --variant "$variant" --test "$held_out" \
        -o "$folder/$variant" "$@"
done

before=$base # the GGUF of the base
if [[ -e $folder/${variants[0]}/base.gguf ]]; then
    before=$folder/${variants[0]}/base.gguf
fi

after() { # the model that was trained on a variant
    if [[ -e $folder/$1/adapter.gguf ]]; then
        echo "$before+$folder/$1/adapter.gguf"
    else
        echo "$folder/$1/model-f16.gguf"
    fi
}

models=("base=$before")
for variant in "${variants[@]}"; do models+=("$variant=$(after "$variant")"); done
for role in "base=$before" "${variants[-1]}=$(after "${variants[-1]}")"; do
    models+=("${role%%=*}, user turn=${role#*=}@user")
done
own=()
for file in "${tests[@]}"; do own+=(--own "$file"); done
study() { # the tables, compared with the model of this label
    "$sysgen" study "${models[@]}" "${own[@]}" --db "$folder/evaluation.duckdb" \
        --max-answer-tokens "${TOKENS:-256}" --baseline "$1" -o "$2"
}
study base "$folder/study.md"
study "${variants[0]}" "$folder/${variants[0]}.md" >/dev/null

trainings=()
for variant in "${variants[@]}"; do trainings+=(--training "$folder/$variant"); done
"$sysgen" report --db "$store" --evaluation "$folder/evaluation.duckdb" "${trainings[@]}" \
    -o "$folder/report.html"
