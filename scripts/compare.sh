#!/bin/sh
# Whether the image that a draft names holds what `make image` has made here, for each kind of machine:
# for those who are asked to sign the agent's release. Nothing of the image is run.
set -eu

fail() { # why, and what to do
    printf 'compare.sh: %s\n' "$1" >&2
    printf 'what to do: %s\n' "$2" >&2
    exit "${3:-1}"
}

[ $# -eq 1 ] || fail "it takes the draft, and no more" "scripts/compare.sh koprogo-agent-v0.2.0.draft.json" 2
[ -d image ] || fail "there is no folder image here" "at the top of the repository, type: make image" 2
told=$(python3 -c 'import json, sys
manifest = json.load(open(sys.argv[1]))["manifest"]
print(manifest["commit"], "{repository}@{digest}".format(**manifest["images"]["agent"]))' "$1")
commit=${told% *} image=${told#* }
if [ "$(git rev-parse HEAD)" != "$commit" ] || ! git diff --quiet HEAD; then
    fail "what is checked out here is not the commit of the draft" "git checkout $commit; make image" 2
fi

theirs=$(mktemp -d)
trap 'rm -rf "$theirs"' EXIT
for folder in image/*/; do
    machine=$(basename "$folder")
    docker pull --quiet --platform "linux/$machine" -- "$image" >/dev/null
    container=$(docker create --platform "linux/$machine" -- "$image" never-run)
    docker cp "$container:/dist" "$theirs/$machine" >/dev/null
    docker rm "$container" >/dev/null
    docker image rm -- "$image" >/dev/null # an engine keeps one of a digest
    diff -r --no-dereference "$theirs/$machine" "$folder" ||
        fail "the image for $machine holds something else" "do not sign, and find out why" 3
    printf '  \342\234\223 %s\n' "$machine"
done
