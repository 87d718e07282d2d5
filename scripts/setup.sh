#!/bin/sh
# Gets the programs that the lab is made of. Looks at what is there, not at a note that it was once
# installed, so a program removed since is noticed; with nothing missing it ends at once.
set -eu
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

postgres_package() {
    if apt-cache show postgresql-15 >/dev/null 2>&1; then
        echo postgresql-15
    else
        echo postgresql # Ubuntu 24.04 has no 15; the lab takes the newest that it finds
    fi
}

docker_client_package() {
    if apt-cache show docker-cli >/dev/null 2>&1; then
        echo docker-cli
    else
        echo docker.io # before Debian 13 the client came with the engine
    fi
}

missing=""
need() { # package, and the program that shows that it is there
    command -v "$2" >/dev/null 2>&1 || missing="$missing $1"
}
need docker.io dockerd
need docker-cli docker
need iptables iptables
need docker-registry docker-registry
need haproxy haproxy
need nginx-light nginx
need caddy caddy
need busybox-static busybox
need git git
need openssh-client ssh-keygen
need gnupg gpg
need gpgv gpgv
need openssl openssl
need python3 python3
need debootstrap debootstrap
need chromium chromium
need systemd systemd-analyze
test "$(uname -m)" = x86_64 || need shellcheck shellcheck # PyPI has no wheel of it for others
test -e /usr/share/keyrings/debian-archive-keyring.gpg || missing="$missing debian-archive-keyring"
test -e /etc/ssl/certs/ca-certificates.crt || missing="$missing ca-certificates"
python3 -c 'import venv, ensurepip' 2>/dev/null || missing="$missing python3-venv"
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"

test -n "$missing" || exit 0

if ! command -v apt-get >/dev/null; then
    echo "cannot install what is missing, this machine has no apt-get; install by hand:$missing" >&2
    exit 2
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "programs are missing and only root can install them; as root, type:" >&2
    echo "  make setup     (it installs$missing)" >&2
    exit 2
fi

# No service that comes along may start: the lab starts its own, on ports of its own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
mkdir -p /etc/postgresql-common/createcluster.d
echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/koprogo-lab.conf

export DEBIAN_FRONTEND=noninteractive
echo "installing:$missing"
apt-get update -qq
packages=""
for package in $missing; do
    case $package in
    postgresql) package=$(postgres_package) ;;
    docker-cli) package=$(docker_client_package) ;;
    esac
    packages="$packages $package"
done
# shellcheck disable=SC2086 # a list of packages
apt-get install -qq -y --no-install-recommends $packages >/dev/null

if [ -d /run/systemd/system ]; then # nor at the next boot, when the rule above is gone
    for service in haproxy nginx caddy docker-registry; do
        case $packages in *"$service"*) systemctl --quiet disable "$service" || true ;; esac
    done
fi
