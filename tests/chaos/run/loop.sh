#!/bin/sh
# Seed after seed: loop.sh FIRST LAST MINUTES. One line a seed goes to build/chaos/loop.log, the whole talk of each into
# build/chaos/SEED.log; a seed that differs keeps its folder build/chaos/SEED. Ends with the sum of all.
first=${1:?first seed} last=${2:?last seed} minutes=${3:-2}
python=${PYTHON:-.venv/bin/python}
mkdir -p build/chaos
seed=$first
while [ "$seed" -le "$last" ]; do
    if timeout 1200 "$python" -m tests.chaos.run --seed "$seed" --minutes "$minutes" >"build/chaos/$seed.log" 2>&1; then
        result='no difference'
    else
        result="DIFFERENT, see build/chaos/$seed.log"
    fi
    echo "$(date -u +%H:%M:%S) seed $seed, $minutes min: $result" | tee -a build/chaos/loop.log
    seed=$((seed + 1))
done
"$python" -m tests.chaos.run --total
