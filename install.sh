#!/usr/bin/env bash
# Installs koprogo-agent on this machine, repairs an installation, brings it up to date, or takes it
# away. Type it as root; again whenever you like: what is right already is left alone.
#
#   make dist && sudo ./install.sh --from dist
#   curl -fsSL …/install.sh | sudo bash -s -- --image ghcr.io/gilmry/koprogo-agent@sha256:…
#
# It restarts nothing of your stack and never overwrites what you wrote. See --help.
set -euo pipefail
umask 022

readonly HOME_DIR=/opt/koprogo-agent
readonly ETC_DIR=/etc/koprogo-agent
readonly LIB_DIR=/var/lib/koprogo-agent
readonly LIBEXEC=/usr/local/libexec/koprogo-agent
readonly PROGRAM=/usr/local/bin/koprogo-agent
readonly UNIT_DIR=/etc/systemd/system
readonly UNITS=(koprogo-agent.service koprogo-agent-rescue@.service koprogo-agent-rescue.path
    koprogo-agent-hold.service koprogo-agent-hold.timer)
readonly AWAKE=(koprogo-agent-rescue.path koprogo-agent-hold.timer) # what wakes the others
readonly SCRIPTS=(assemble rescue end-hold)
readonly TEMPLATE=koprogo-agent@.service
readonly MAIN=koprogo-agent.service
readonly AGENT=koprogo-agent

language=en from='' image='' agent_root='' yes='' action=install instance=''
typed=("$@")
setup_words=()
restart_needed='' restart_all='' present='' fetched='' told=''

usage() {
    cat <<'TEXT'
usage: install.sh [--from FOLDER | --image REFERENCE] [--yes] [--language en|fr|nl|de] [QUESTIONS]
       install.sh --uninstall | --purge [--yes]
       each with --instance NAME: for one more stack on the same machine

  --from FOLDER     install from a folder with the wheel, requirements.lock and the wheels that it names
  --image REFERENCE install from an image with those, REPOSITORY@sha256:…, as each release names it
  --yes             ask nothing: what is missing is installed, and QUESTIONS must be answered here
  --agent-root FILE trust root for releases of the agent itself, if not agent-root.json in that folder
  --language CODE   of the questions
  --uninstall       remove the agent; the stack runs on, configuration and backups stay
  --purge           remove those too
  --instance NAME   beside the agent that is there, one for another stack: with its own configuration
                    in /etc/koprogo-agent/NAME, its own state and service; the others stay as they are

QUESTIONS, which are otherwise asked (koprogo-agent config init --help says more):
  --project NAME --directory FOLDER --compose-file PATH --env-file FILE --docker-host URL
  --source-url URL --source-ca FILE --proxy URL --trust-root FILE --trust-sha256 HEX --notify URL
  --reports yes|no
TEXT
}

# --- words

say() { printf '%s\n' "$*"; }

done_() { printf '  \342\234\223 %s\n' "$*"; }

fail() { # why, and what to do
    printf 'install.sh: %s\n' "$1" >&2
    if [[ -n ${2:-} ]]; then printf 'what to do: %s\n' "$2" >&2; fi
    told=yes
    exit "${3:-1}"
}

# shellcheck disable=SC2317,SC2329 # called by the trap
leave() {
    local code=$?
    [[ -z $fetched ]] || rm -rf "$fetched"
    [[ $code -ne 0 && -z $told ]] || return 0
    printf 'install.sh: it stopped half-way; nothing of your stack was touched\n' >&2
    printf 'what to do: mend what is said above, then type the same again:%s\n' \
        "$(printf ' %q' "$0" "${typed[@]}")" >&2
}

words() { # key, detail: a question in the operator's language
    case $1.$language in
    packages.fr) say "Il manque des programmes : $2. Les installer ?" ;;
    packages.nl) say "Er ontbreken programma's: $2. Installeren?" ;;
    packages.de) say "Es fehlen Programme: $2. Installieren?" ;;
    packages.*) say "Programs are missing: $2. Install them?" ;;
    docker.fr) say "Docker ou Compose 2 manque. L'installer depuis download.docker.com ?" ;;
    docker.nl) say "Docker of Compose 2 ontbreekt. Installeren vanaf download.docker.com?" ;;
    docker.de) say "Docker oder Compose 2 fehlt. Von download.docker.com installieren?" ;;
    docker.*) say "Docker or Compose 2 is missing. Install it from download.docker.com?" ;;
    purge.fr) say "Effacer aussi la configuration, l'état et TOUTES LES SAUVEGARDES dans $2 ?" ;;
    purge.nl) say "Ook de configuratie, de toestand en ALLE BACK-UPS in $2 wissen?" ;;
    purge.de) say "Auch Konfiguration, Zustand und ALLE SICHERUNGEN in $2 löschen?" ;;
    purge.*) say "Delete configuration, state and ALL BACKUPS in $2 as well?" ;;
    esac
}

# The script itself may be what standard input brings, so people are asked at their terminal.
agrees() { # key, detail
    if [[ -n $yes ]]; then return 0; fi
    if ! { exec 3<>/dev/tty; } 2>/dev/null; then
        fail "there is no terminal to ask: $(words "$@")" "answer it beforehand with --yes" 2
    fi
    local answer=''
    printf '%s [y/N] ' "$(words "$@")" >&3
    read -r answer <&3 || :
    exec 3>&-
    [[ $answer =~ ^[yYoOjJ] ]]
}

# --- what there is

# What belongs to the stack that is meant, and to no other.
choose_places() {
    readonly SERVICE=koprogo-agent${instance:+@$instance}.service
    readonly CONFIG_DIR=$ETC_DIR${instance:+/$instance}
    readonly STATE_DIR=$LIB_DIR${instance:+-$instance}
    readonly RUN_DIR=/run/koprogo-agent${instance:+-$instance}
    readonly TMPFILES=/etc/tmpfiles.d/koprogo-agent${instance:+-$instance}.conf
}

agent() { # words: typed for the stack that is meant
    "$PROGRAM" ${instance:+--instance "$instance"} "$@"
}

served_instances() { names_in "$UNIT_DIR"/koprogo-agent@*.service.d/10-stack.conf; }

configured_instances() { names_in "$ETC_DIR"/*/config.toml; }

names_in() { # paths of files in a folder of an instance each
    local path
    for path in "$@"; do
        [[ -e $path ]] || continue
        path=$(basename "$(dirname "$path")" .service.d)
        say "${path#koprogo-agent@}"
    done
}

# Its service brings the agent itself up to date, for all of them: it is the first in, the last out.
require_main() {
    [[ -z $instance ]] || systemctl is-enabled --quiet "$MAIN" 2>/dev/null ||
        fail "there is no agent here yet that keeps itself current" \
            "install one for another stack without --instance first" 2
}

require_alone() { # names of instances
    local others=$*
    [[ -n $instance || -z $others ]] ||
        fail "there are agents for other stacks here, which need this one: $others" \
            "remove them first: install.sh --$action --instance ${others%% *}" 2
}

require_root() {
    [[ $EUID -eq 0 ]] || fail "only root can install it" "sudo$(printf ' %q' "$0" "${typed[@]}")" 2
}

require_system() {
    [[ -d /run/systemd/system ]] ||
        fail "this machine is not run by systemd" "see README.md for how to run the agent without" 2
    local id='' version=''
    if [[ -r /etc/os-release ]]; then
        id=$(. /etc/os-release && printf '%s' "${ID:-}")
        version=$(. /etc/os-release && printf '%s' "${VERSION_ID:-}")
    fi
    case $id-$version in
    debian-12 | debian-13 | ubuntu-22.04 | ubuntu-24.04) done_ "$id $version" ;;
    *) say "  ! ${id:-an unknown system} $version: not one that this was tried on (Debian 12 and 13, Ubuntu 22.04 and 24.04)" ;;
    esac
}

has_compose() {
    local version
    for version in "$(docker compose version --short 2>/dev/null)" \
        "$(docker-compose version --short 2>/dev/null)"; do
        version=${version#v}
        if [[ ${version%%.*} =~ ^[0-9]+$ && ${version%%.*} -ge 2 ]]; then return 0; fi
    done
    return 1
}

has_engine() {
    [[ -S /var/run/docker.sock ]] || [[ " ${setup_words[*]} " == *' --docker-host '* ]]
}

python_packages() { # Ubuntu 22.04 calls 3.10 python3, and has 3.11 beside it
    if python3 -c 'import sys; sys.exit(sys.version_info >= (3, 11))' 2>/dev/null; then
        say python3.11 python3.11-venv
    else
        say python3 python3-venv
    fi
}

install_packages() {
    local missing=()
    command -v git >/dev/null || missing+=(git)
    command -v ssh-keygen >/dev/null || missing+=(openssh-client)
    command -v gpgv >/dev/null || missing+=(gpgv)
    command -v setpriv >/dev/null || missing+=(util-linux)
    [[ -e /etc/ssl/certs/ca-certificates.crt ]] || missing+=(ca-certificates)
    # shellcheck disable=SC2207 # names of packages have no spaces
    sh "$files/systemd/assemble" python >/dev/null 2>&1 || missing+=($(python_packages))
    if [[ ${#missing[@]} -gt 0 ]]; then
        command -v apt-get >/dev/null ||
            fail "these are missing, and there is no apt-get: ${missing[*]}" "install them by hand" 2
        agrees packages "${missing[*]}" || fail "cannot go on without: ${missing[*]}" "" 2
        apt_install "${missing[@]}"
    fi
    done_ "git, OpenSSH, gpgv, $("$(sh "$files/systemd/assemble" python)" --version)"
}

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

install_docker() {
    if ! { has_engine && has_compose; }; then
        agrees docker '' || fail "the agent needs Docker, and Compose 2 or later" "" 2
        add_docker_repository
        apt_install docker-ce docker-ce-cli containerd.io docker-compose-plugin
    fi
    done_ "Docker, Compose"
}

add_docker_repository() { # as https://docs.docker.com/engine/install/ has it
    local id codename key=/etc/apt/keyrings/docker.asc
    id=$(. /etc/os-release && printf '%s' "$ID")
    codename=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
    command -v curl >/dev/null || apt_install curl
    install -m 0755 -d /etc/apt/keyrings
    curl -fsSL "https://download.docker.com/linux/$id/gpg" -o "$key"
    printf 'deb [arch=%s signed-by=%s] https://download.docker.com/linux/%s %s stable\n' \
        "$(dpkg --print-architecture)" "$key" "$id" "$codename" >/etc/apt/sources.list.d/docker.list
}

# --- what is made

# Puts a file in place if it is not there as it should be; then `present` is empty.
put() { # mode, owner, source, target
    # Under this name systemd does not read it.
    local new=$4.new
    cat "$3" >"$new"
    chown "$2" "$new"
    chmod "$1" "$new"
    if cmp -s "$new" "$4" && [[ $(stat -c '%a %U:%G' "$new") == $(stat -c '%a %U:%G' "$4") ]]; then
        rm -f "$new"
        present=yes
    else
        mv -T "$new" "$4"
        present=''
        done_ "$4"
    fi
}

make_user() {
    if ! getent passwd "$AGENT" >/dev/null; then
        useradd --system --user-group --home-dir "$LIB_DIR" --no-create-home \
            --shell /usr/sbin/nologin "$AGENT"
        done_ "user $AGENT"
    fi
    local socket=/var/run/docker.sock group
    [[ -S $socket ]] || return 0
    group=$(stat -L -c %G "$socket")
    [[ $group != root && $group != UNKNOWN ]] ||
        fail "the Docker socket belongs to no group that the agent could join: $group" \
            "groupadd docker, then restart Docker"
    if ! id -nG "$AGENT" | tr ' ' '\n' | grep -qxF "$group"; then
        usermod --append --groups "$group" "$AGENT"
        done_ "user $AGENT is in group $group"
    fi
}

make_folders() {
    install -d -m 0755 -o root -g root "$LIBEXEC" "$ETC_DIR/trust" \
        "$UNIT_DIR/$SERVICE.d"
    install -d -m 0750 -o root -g "$AGENT" "$ETC_DIR" "$CONFIG_DIR"
    install -d -m 0755 -o "$AGENT" -g "$AGENT" "$HOME_DIR" "$HOME_DIR/versions" "$RUN_DIR"
    install -d -m 0700 -o "$AGENT" -g "$AGENT" "$STATE_DIR"
    # What was carried here from another machine belongs to whoever has its number on this one.
    find "$STATE_DIR" ! -user "$AGENT" \( -type d -o -type f -links 1 \) -exec chown -h "$AGENT:$AGENT" {} +
    put 644 root:root <(printf 'd %s 0755 %s %s\n' "$RUN_DIR" "$AGENT" "$AGENT") "$TMPFILES"
}

# Files of the release to install: in the folder that --from names, or beside this script.
find_files() {
    local here
    here=$(dirname "$(readlink -f "${BASH_SOURCE[0]:-/}")")
    if [[ -n $from ]]; then
        files=$from
    elif [[ -n $image ]]; then
        fetch_files
    elif [[ -e $here/requirements.lock && -d $here/systemd ]]; then
        files=$here
    else
        fail "there are no files beside this script to install from" "give them: --from FOLDER, or --image REFERENCE" 2
    fi
    [[ -d $files ]] || fail "there is no folder $files" "" 2
    wheel=$(find "$files" -maxdepth 1 -name 'koprogo_agent-*.whl' | sort -V | tail -1)
    [[ -n $wheel ]] ||
        fail "there is no koprogo_agent-VERSION-….whl in $files" "in a checkout, type: make dist, then: install.sh --from dist" 2
    [[ -e $files/requirements.lock ]] || fail "there is no requirements.lock in $files" "" 2
    version=$(basename "$wheel")
    version=${version#koprogo_agent-}
    version=${version%%-*}
    identity=$(cat "$wheel" "$files/requirements.lock" | sha256sum | cut -d ' ' -f 1)
}

# Out of a container that is made and never started. Its bytes are those that the digest names.
fetch_files() {
    [[ $image == *@sha256:* ]] || fail "$image names no digest" "--image REPOSITORY@sha256:…" 2
    say "  … fetching $image"
    fetched=$(mktemp -d)
    files=$fetched
    docker pull --quiet "$image" >/dev/null
    local made copied=yes
    made=$(docker create --network none "$image" nothing)
    docker cp "$made:/dist/." "$files" >/dev/null || copied=''
    docker rm "$made" >/dev/null
    docker rmi "$image" >/dev/null
    [[ -n $copied ]] || fail "$image holds no /dist" "take the reference that a release of the agent names"
}

# An environment of its own for this version. The script is given to a shell, as files may lie where
# nothing may be run (/tmp). It is whole once `complete` is in it.
make_version() {
    local place=$HOME_DIR/versions/$version
    if [[ -e $place/complete && $(cat "$place/complete") == "$identity" ]]; then
        done_ "version $version"
        return
    fi
    say "  … installing version $version"
    rm -rf "$place.before"
    # Typed from the version's own folder, its files are there.
    if ! [[ $files -ef $place ]]; then copy_files "$place"; fi
    if ! sh "$files/systemd/assemble" version "$place"; then
        if [[ -e $place.before ]]; then rm -rf "$place" && mv -T "$place.before" "$place"; fi
        fail "version $version cannot be put together" "see what is said above"
    fi
    chown -R "$AGENT:$AGENT" "$place"
    rm -rf "$place.before"
    restart_all=yes
    done_ "version $version"
}

copy_files() { # to
    if [[ -e $1 ]]; then mv -T "$1" "$1.before"; fi
    mkdir "$1"
    cp -r "$wheel" "$files/requirements.lock" "$files/systemd" "$files/install.sh" "$1"
    if [[ -d $files/wheels ]]; then cp -r "$files/wheels" "$1"; fi
}

# Never back by itself: the agent may have brought itself further since these files were made.
is_outdone() {
    local current
    current=$(basename "$(readlink "$HOME_DIR/current" || :)")
    [[ -e $HOME_DIR/versions/$current/complete ]] || return 1
    [[ $(printf '%s\n' "$version" "$current" | sort -V | tail -1) != "$version" ]] || return 1
    done_ "version $current, which is newer than $version, stays"
}

use_version() {
    local before
    before=$(readlink "$HOME_DIR/current" || :)
    if [[ $before != "versions/$version" ]]; then
        # What a person installs is on no trial, and may have failed here before.
        rm -f "$HOME_DIR/trial"
        if [[ -e $HOME_DIR/quarantined ]]; then sed -i "/^${version//./\\.}\$/d" "$HOME_DIR/quarantined"; fi
        if [[ -n $before ]]; then point previous "$before"; fi
        point current "versions/$version"
        restart_all=yes
    fi
    install -d -m 0755 "$(dirname "$PROGRAM")"
    ln -sfnT "$HOME_DIR/current/bin/koprogo-agent" "$PROGRAM"
}

point() { # name, where to: in one step, as the agent itself does it
    ln -sfnT "$2" "$HOME_DIR/$1.new"
    chown -h "$AGENT:$AGENT" "$HOME_DIR/$1.new"
    mv -T "$HOME_DIR/$1.new" "$HOME_DIR/$1"
    done_ "$HOME_DIR/$1 → $2"
}

# Whose releases of the agent itself are accepted; without it the agent stays at its version.
install_agent_root() {
    local given=${agent_root:-$files/agent-root.json} place=$ETC_DIR/trust/agent
    if [[ -e $given && ! -e $place/root.json ]]; then
        install -d -m 0755 -o root -g root "$place"
        put 644 root:root "$given" "$place/root.json"
    fi
}

# What an older version wrote is written as this one does; with faults in it there is no going on.
# What cannot be rewritten is told, and read all the same.
carry_configuration() {
    [[ -e $CONFIG_DIR/config.toml ]] || return 0
    agent config migrate | sed 's/^ */    /' || agent config check >/dev/null 2>&1
}

# The agent asks the rest itself, in the operator's language.
make_configuration() {
    if [[ -e $CONFIG_DIR/config.toml && -e $ETC_DIR/trust/root.json && ${#setup_words[@]} -eq 0 ]]; then
        let_agent r "$CONFIG_DIR/config.toml" g+r # it may come from another machine
        done_ "$CONFIG_DIR/config.toml can be used"
        return
    fi
    local words=(--language "$language" "${setup_words[@]}")
    if [[ -n $yes ]]; then words+=(--yes); fi
    if { exec 3</dev/tty; } 2>/dev/null; then
        agent config init "${words[@]}" <&3
        exec 3<&-
    else
        agent config init "${words[@]}" </dev/null
    fi
    chown root:"$AGENT" "$CONFIG_DIR/config.toml"
    chmod 0640 "$CONFIG_DIR/config.toml"
}

# Two agents for one stack would each undo what the other does.
require_own_stack() {
    local mine other
    mine=$(stack_of "$instance")
    for other in '' $(served_instances); do
        [[ $other == "$instance" || $(stack_of "$other" 2>/dev/null) != "$mine" ]] ||
            fail "the stack ${mine%%$'\n'*} has an agent already: koprogo-agent${other:+@$other}" \
                "remove $CONFIG_DIR/config.toml, then say which stack: --project NAME" 2
    done
}

stack_of() { # instance: its project, and the engine that runs it
    local instance=$1
    configured stack project
    configured stack docker_host
}

configured() { # section, key: what is in force, a line for each
    agent config show --json | "$HOME_DIR/current/bin/python" -c 'import json, sys
value = json.load(sys.stdin)[sys.argv[1]][sys.argv[2]]
print("\n".join(value if isinstance(value, list) else [value or ""]))' "$1" "$2"
}

# The agent lays files in the stack's folders and reads your values: by its group, and only where it
# could not already. No file changes its owner, and nothing is done to folders that no compose file
# lies in: a database's own, for one, would not start again.
grant_access() {
    local folder path
    folder=$(configured stack directory)
    require_own_folder "$folder"
    [[ -d $folder ]] || install -d -m 0755 -o "$AGENT" -g "$AGENT" "$folder"
    while read -r path; do
        while [[ $path != . ]]; do
            path=$(dirname "$path")
            if [[ -d $folder/$path ]]; then let_agent w "$folder/$path" g+rwxs; fi
        done
    done < <(configured stack compose_files)
    while read -r path; do
        if [[ -f $path ]]; then let_agent r "$path" g+r; fi
    done < <(operators_files)
    done_ "the agent may lay its files in $folder, and read yours"
}

let_agent() { # what test(1) asks, path, mode
    if ! runuser -u "$AGENT" -- test "-$1" "$2"; then
        [[ $(stat -c %G "$2") == "$AGENT" ]] || chgrp "$AGENT" "$2"
        # Behind a folder that its user cannot enter, the service is given the path itself.
        [[ -n $(find "$2" -maxdepth 0 -perm "-$3") ]] || chmod "$3" "$2"
    fi
}

# A home, or a folder of the system, is not to become the agent's.
require_own_folder() { # folder
    local folder=${1%/}
    case $folder in
    '' | /bin | /boot | /dev | /etc | /home | /lib* | /media | /mnt | /opt | /proc | /root | /run | \
        /sbin | /srv | /sys | /tmp | /usr | /usr/local | /var | /var/lib | /var/tmp) ;;
    *) getent passwd | cut -d : -f 6 | grep -qxF "$folder" || return 0 ;;
    esac
    fail "the stack's files lie directly in ${folder:-/}, which is not a folder of their own" \
        "move them into one, start the stack from there, name it in $CONFIG_DIR/config.toml (directory below [stack]), and type the same again" 2
}

# Where the service may write besides its own folders: that is where the stack's files lie.
make_drop_in() {
    local folder
    folder=$(configured stack directory)
    put 644 root:root <(drop_in "$folder") "$UNIT_DIR/$SERVICE.d/10-stack.conf"
    if [[ -z $present ]]; then restart_needed=yes; fi
}

drop_in() { # folder
    local path
    say "# written by install.sh: the stack's folder, and files of yours that lie where the service looks"
    say "# into no other"
    say "[Service]"
    say "ReadWritePaths=$1"
    show_path BindPaths "$1"
    while read -r path; do
        if [[ -f $path ]]; then show_path BindReadOnlyPaths "$path"; fi
    done < <(operators_files)
}

# The service sees no home folders and no other's temporary files, but for what it is given.
show_path() { # directive, path
    case $2 in
    /home/* | /root/* | /run/user/*) say "ProtectHome=tmpfs" && say "$1=$2" ;;
    /tmp/* | /var/tmp/*) say "$1=$2" ;;
    esac
}

operators_files() {
    configured stack env_files
    configured stack overrides
    configured source ca_file
}

install_units() {
    local unit script
    for script in "${SCRIPTS[@]}"; do
        put 755 root:root "$files/systemd/$script" "$LIBEXEC/$script"
    done
    for unit in "${UNITS[@]}"; do
        put 644 root:root "$files/systemd/$unit" "$UNIT_DIR/$unit"
        if [[ -z $present ]]; then restart_all=yes; fi
    done
    put 644 root:root <(sed -f "$files/systemd/instance.sed" "$files/systemd/$MAIN") \
        "$UNIT_DIR/$TEMPLATE"
    if [[ -z $present ]]; then restart_all=yes; fi
    make_drop_in
    systemctl daemon-reload
}

start_service() {
    systemctl enable --quiet "$SERVICE" "${AWAKE[@]}"
    systemctl start "${AWAKE[@]}"
    if [[ -n $restart_needed$restart_all ]]; then
        systemctl reset-failed "$SERVICE" 2>/dev/null || :
        systemctl restart "$SERVICE"
        done_ "$SERVICE runs"
    elif ! systemctl is-active --quiet "$SERVICE"; then
        systemctl start "$SERVICE"
        done_ "$SERVICE runs again"
    else
        done_ "$SERVICE runs, and was not restarted"
    fi
    if [[ -n $restart_all ]]; then restart_others; fi
}

restart_others() { # that run: they have the same program
    local other
    for other in "$MAIN" $(served_instances | sed 's/.*/koprogo-agent@&.service/'); do
        if [[ $other != "$SERVICE" ]]; then systemctl try-restart "$other"; fi
    done
}

install_agent() {
    require_system
    require_main
    install_docker
    find_files
    install_packages
    make_user
    make_folders
    if ! is_outdone; then
        make_version
        use_version
    fi
    install_agent_root
    carry_configuration
    make_configuration
    require_own_stack
    grant_access
    install_units
    start_service
    say
    agent doctor || :
}

# --- what is taken away

remove_service() {
    systemctl disable --quiet --now "$SERVICE" 2>/dev/null || :
    rm -rf "$UNIT_DIR/$SERVICE.d/10-stack.conf" "$TMPFILES"
    rmdir "$UNIT_DIR/$SERVICE.d" 2>/dev/null || :
}

remove_program() {
    systemctl disable --quiet --now "${AWAKE[@]}" 2>/dev/null || :
    local unit
    for unit in "${UNITS[@]}" "$TEMPLATE"; do rm -f "$UNIT_DIR/$unit"; done
    rm -rf "$HOME_DIR" "$LIBEXEC"
    if [[ $(readlink "$PROGRAM" || :) == "$HOME_DIR"/* ]]; then rm -f "$PROGRAM"; fi
}

uninstall_agent() {
    # shellcheck disable=SC2046 # names of instances have no spaces
    require_alone $(served_instances)
    remove_service
    if [[ -z $instance ]]; then remove_program; fi
    systemctl daemon-reload
    done_ "the agent${instance:+ of $instance} is gone; your stack runs on"
    if [[ $action == uninstall && (-d $STATE_DIR || -d $CONFIG_DIR) ]]; then
        say "  kept: $CONFIG_DIR, and $STATE_DIR with your backups; --purge removes them"
    fi
}

purge_agent() {
    # shellcheck disable=SC2046 # the same
    require_alone $(configured_instances) $(served_instances)
    if [[ -d $STATE_DIR || -d $CONFIG_DIR ]]; then
        agrees purge "$CONFIG_DIR, $STATE_DIR" || fail "nothing was removed" "" 2
    fi
    uninstall_agent
    rm -rf "$CONFIG_DIR" "$STATE_DIR" "$RUN_DIR"
    if [[ -z $instance ]] && getent passwd "$AGENT" >/dev/null; then userdel "$AGENT"; fi
    done_ "configuration, state and backups are gone"
}

# --- what was typed

read_words() {
    while [[ $# -gt 0 ]]; do
        case $1 in
        --from | --image | --agent-root | --language | --project | --directory | --compose-file | --env-file | \
            --docker-host | --source-url | --source-ca | --proxy | --trust-root | --trust-sha256 | --notify | \
            --reports | --instance)
            [[ $# -ge 2 ]] || fail "$1 needs a value" "install.sh --help" 2
            ;;&
        --from) from=$(readlink -f "$2") && shift ;;
        --image) image=$2 && shift ;;
        --agent-root) agent_root=$(readlink -f "$2") && shift ;;
        --language) language=$2 && shift ;;
        --project | --directory | --compose-file | --env-file | --docker-host | --source-url | \
            --source-ca | --proxy | --trust-root | --trust-sha256 | --notify | --reports) setup_words+=("$1" "$2") && shift ;;
        --instance) instance=$2 && shift ;;
        --yes) yes=yes ;;
        --uninstall) action=uninstall ;;
        --purge) action=purge ;;
        --help | -h) usage && exit 0 ;;
        *) fail "$1 is not known" "install.sh --help" 2 ;;
        esac
        shift
    done
    case $language in
    en | fr | nl | de) ;;
    *) fail "there are no words in $language" "--language en, fr, nl or de" 2 ;;
    esac
    [[ $instance =~ ^([a-z0-9][a-z0-9_-]{0,31})?$ && $instance != trust ]] ||
        fail "$instance is no name for an instance" "take up to 32 of a-z, 0-9, - and _, and not trust" 2
}

# All of it is read before any of it is done: a download that is cut off does nothing.
main() {
    case ${LANG:-} in fr* | nl* | de*) language=${LANG:0:2} ;; esac
    read_words "$@"
    choose_places
    require_root
    trap leave EXIT
    case $action in
    install) install_agent ;;
    uninstall) uninstall_agent ;;
    purge) purge_agent ;;
    esac
}

main "$@"
