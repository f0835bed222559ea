#!/bin/sh
# What `pulumi up` runs on a server that has no NixOS yet. Usage: enter-installer.sh PAYLOAD
#
# It may meet the installer; an Ubuntu that could not jump there; or a NixOS whose installation nobody was told
# of. In the installer, the work is done by a unit that outlives this session, so an `up` that was interrupted
# finds it where it is.
set -eu

payload=$1
name=install
unit=install
work=/run/install
# shellcheck source=nix/host/session.sh
. "$payload/host/session.sh"

hold install || {
  rm -rf "$payload"
  exit 1
}

# shellcheck source=/dev/null
. /etc/os-release
mkdir -p "$work"
cp "$payload/installation/reported.sh" "$payload/installation/told.sh" "$work/"

if [ "$ID" = ubuntu ]; then
  exec sh "$payload/installation/kexec-failed.sh" "$payload"
elif [ -d /var/lib/host/unreported ]; then
  rm -rf "$payload"
  echo "install: done: $PRETTY_NAME runs already; an earlier run was not told"
elif [ "${VARIANT_ID:-}" = installer ]; then
  case $(last_line) in
    "$name: done: "*) rm -rf "$payload" ;;
    *)
      if at_work; then
        rm -rf "$payload"
      else
        start sh "$payload/installation/install.sh" "$payload"
      fi
      ;;
  esac
  exec 9>&-
  follow 0
  case $(last_line) in
    "$name: done: "*) echo "install: the server reboots into NixOS" ;;
    "$name: failed: "*) exit 1 ;;
    *)
      echo "install: failed: it ended without a word; see journalctl -u $unit" >&2
      exit 1
      ;;
  esac
else
  rm -rf "$payload"
  echo "install: this is not the NixOS installer, so nothing was touched" >&2
  exit 1
fi

# shellcheck disable=SC2086 # four words: the client's address and port, then ours
set -- $SSH_CONNECTION
exec sh "$work/reported.sh" "$1" "$2"
