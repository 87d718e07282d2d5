#!/bin/sh
# A healthcheck that looks often and costs little: `stays-well COMMAND…`.
#
# To start a check costs the engine many times what the look itself does. So once a container has
# been well a few times, which others wait for, one check goes on looking for a while. A bad look is
# told at once.
set -u

seen=/tmp/seen-well                      # a line for each time
started=$(cut -d ' ' -f 22 /proc/1/stat) # what is started again begins anew

look() {
    timeout 10 "$@" || {
        rm -f "$seen"
        exit 1
    }
}

look "$@"
if [ "$(grep -cx "$started" "$seen" 2>/dev/null || true)" != 3 ]; then
    echo "$started" >>"$seen"
    exit 0
fi
for _ in 1 2 3 4 5; do
    sleep 2
    look "$@"
done
