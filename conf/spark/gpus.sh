#!/bin/sh
# Spark's GPU discovery script: prints {"name": "gpu", "addresses": ["0", "1"]}, the form that Spark reads. POSIX sh.
#
#   spark.executor.resource.gpu.discoveryScript    /path/to/gpus.sh      (and spark.worker.… of a standalone worker)
#
# Addresses are nvidia-smi's indexes. Where CUDA_VISIBLE_DEVICES is set they are its own entries, word for word (indexes,
# UUIDs, MIG instances): the job finds its device as the position of the task's address in that variable.
# Without nvidia-smi, without a GPU or with an entry that nvidia-smi does not list: a line on stderr and exit status 1.
set -euf

fail() {
    printf 'gpus.sh: %s\n' "$*" >&2
    exit 1
}

command -v nvidia-smi >/dev/null 2>&1 || fail 'no nvidia-smi on the PATH: expected the NVIDIA driver on this machine'
listed=$(nvidia-smi --query-gpu=index,uuid --format=csv,noheader) || fail "nvidia-smi failed: $listed"

# present ENTRY: does nvidia-smi list it? MIG instances are not in that list; UUIDs may be cut short, as CUDA allows.
present() {
    case $1 in
        MIG-?*) return 0 ;;
        GPU-?*) printf '%s\n' "$listed" | grep -q ", $1" ;;
        *[!0-9]* | '') return 1 ;;
        *) printf '%s\n' "$listed" | grep -q "^$1," ;;
    esac
}

if [ "${CUDA_VISIBLE_DEVICES+set}" = set ]; then
    addresses=$(printf '%s\n' "$CUDA_VISIBLE_DEVICES" | tr -d ' ' | tr ',' ' ')
    for address in $addresses; do
        present "$address" || fail "CUDA_VISIBLE_DEVICES=$CUDA_VISIBLE_DEVICES: nvidia-smi lists no $address"
    done
else
    addresses=$(printf '%s\n' "$listed" | cut -d, -f1 | tr '\n' ' ')
fi

quoted=
for address in $addresses; do
    quoted="$quoted${quoted:+, }\"$address\""
done
[ -n "$quoted" ] || fail "no GPU to be seen: nvidia-smi lists none, or CUDA_VISIBLE_DEVICES is empty"
printf '{"name": "gpu", "addresses": [%s]}\n' "$quoted"
