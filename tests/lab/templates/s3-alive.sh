#!/bin/sh
# Succeeds if the S3 server answers a request, which may be a refusal.
printf 'HEAD / HTTP/1.0\r\n\r\n' | timeout 5 nc 127.0.0.1 9000 | grep -q '^HTTP/1'
