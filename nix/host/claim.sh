#!/bin/sh
# Gives Plex its owner, by a claim token that it asks for. Usage: sudo plex-claim
#
# Whoever has the token within its four minutes owns the server. So it is not shown, and comes to Plex by what
# curl reads, and not by a command line, which every process on the host can see.
set -eu

plex=http://127.0.0.1:32400
where='https://www.plex.tv/claim shows a new one'

say() {
  echo "plex-claim: $*"
}

fail() {
  say "$*" >&2
  exit 1
}

# ask [OPTION…] prints the status of Plex's answer; 000 is none.
ask() {
  curl -q -s --output /dev/null --write-out '%{http_code}' "$@" || :
}

case $(ask --max-time 10 "$plex/identity") in
  200) ;;
  503) fail "Plex is at work on its database, and takes no token before that is done; try again in some minutes" ;;
  *) fail "Plex does not answer; see systemctl status plex" ;;
esac
if curl -q -s --max-time 10 "$plex/identity" | grep -q ' claimed="1"'; then
  say "Plex has an owner already. Another one can have it once that one has signed out, in Plex's settings"
  exit 0
fi

if [ -t 0 ]; then
  shown=$(stty -g)
  trap 'stty "$shown"' EXIT
  trap 'exit 130' HUP INT TERM
  stty -echo
  printf 'The claim token (%s; nothing is shown here): ' "$where" >&2
fi
token=
read -r token || :
if [ -t 0 ]; then
  stty "$shown"
  trap - EXIT HUP INT TERM
  echo >&2
fi

case $token in
  '') fail "no token was given; $where" ;;
  claim-*[!A-Za-z0-9_-]* | claim-) fail "that is not a whole claim token; $where" ;;
  claim-*) ;;
  *) fail "that is not a claim token, which begins with claim-; $where" ;;
esac

answer=$(printf 'url = "%s/myplex/claim?token=%s"\n' "$plex" "$token" | ask --max-time 60 --request POST --config -)
case $answer in
  200) ;;
  400 | 401 | 403 | 404) fail "Plex does not take that token: it is wrong, used, or older than four minutes; $where" ;;
  000) fail "Plex has stopped answering; see systemctl status plex" ;;
  *) fail "Plex could not have the token checked (status $answer); can this host reach https://plex.tv?" ;;
esac

waited=0
until [ -e /run/plex-gate/open ]; do
  [ "$waited" -lt 60 ] || fail "Plex took the token, but does not say that it is claimed; see systemctl status plex plex-gate"
  sleep 1
  waited=$((waited + 1))
done
say "claimed, and open to visitors"
