#!/bin/sh
# A change on trial: from before it touches anything until it is accepted or taken back.
#
# Usage: trial.sh begin OLD NEW CONFIGURATION NIXPKGS SECONDS   it waits so long for its acknowledgement
#        trial.sh back      to the generation before, from the running one
#        trial.sh lost      the same after a boot, which has brought that generation up already
#        trial.sh end       it is accepted
set -eu

host=$(dirname "$0")
state=/var/lib/converge
trial=$state/trial
secrets=/var/lib/secrets
profile=/nix/var/nix/profiles/system

# Secrets that only the new generation can use come and go with it. The set that is on trial is marked, so that
# the exchange can be told from the one that was not made yet.
secrets_back() {
  [ ! -e "$secrets/.on-trial" ] || mv --exchange --no-target-directory "$secrets.next" "$secrets"
}

# Neither the profile nor GRUB may lead to what was not accepted.
profile_back() {
  [ "$(readlink -f "$profile")" != "${was:?}" ] || return 0
  nix-env --profile "$profile" --set "$was"
  "$(readlink -e /nix/var/nix/gcroots/converge/default || readlink -f /run/booted-system)/bin/switch-to-configuration" boot
}

# One that looks at this moment, too: it would take the supervisor's end for its death.
guard_off() {
  systemctl stop converge-guard.timer converge-guard.service 2>/dev/null || :
}

end() {
  guard_off
  rm -f "$trial"
}

case $1 in
  begin)
    printf "old='%s'\nnew='%s'\nconfiguration='%s'\nnixpkgs='%s'\nwas='%s'\n" "$2" "$3" "$4" "$5" \
      "$(readlink -f "$profile")" >"$trial.new"
    sync
    mv "$trial.new" "$trial"
    cp "$host/guard.sh" /run/converge/guard.sh
    guard_off
    # All that the steps of a change may take, and then some.
    systemd-run --quiet --collect --unit=converge-guard --on-active=15 --on-unit-inactive=15 \
      --timer-property=AccuracySec=1s sh /run/converge/guard.sh $(($(date +%s) + 20000 + $6))
    if [ -d "$secrets.next" ]; then
      : >"$secrets.next/.on-trial"
      mv --exchange --no-target-directory "$secrets.next" "$secrets"
    fi
    ;;
  back)
    # shellcheck source=/dev/null
    . "$trial"
    sh "$host/database.sh" put-back
    secrets_back
    profile_back
    status=0
    "${old:?}/bin/switch-to-configuration" test || status=$?
    [ "$status" = 0 ] || [ "$status" = 4 ] || exit "$status"
    systemctl start --no-block plex.service 2>/dev/null || :
    end
    ;;
  lost)
    # shellcheck source=/dev/null
    . "$trial"
    profile_back
    sh "$host/database.sh" put-back
    secrets_back
    end
    ;;
  end)
    sh "$host/database.sh" keep
    if [ -e "$secrets/.on-trial" ]; then
      rm -rf "$secrets.next"
      rm -f "$secrets/.on-trial"
    fi
    end
    ;;
esac
