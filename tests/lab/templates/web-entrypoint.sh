#!/bin/sh
# As process 1 the server itself would not react to SIGTERM.
httpd -f -p 80 -h /www &
server=$!
trap 'kill $server' TERM INT
wait $server
