#!/bin/sh
# An S3 server that takes its credentials from the variables that MinIO's image knows.
set -eu
: "${MINIO_ROOT_USER:?must be set}" "${MINIO_ROOT_PASSWORD:?must be set}"
exec rclone serve s3 --addr :9000 --auth-key "$MINIO_ROOT_USER,$MINIO_ROOT_PASSWORD" /data
