#!/bin/sh
# What `pulumi up` runs on an Ubuntu that could not jump into the installer. Usage: kexec-failed.sh PAYLOAD
#
# The first run is told why. The next one lets it try again, with what the stack knows by then: the installer's
# address and hash, and kexec.sh itself. It ends with status 75, so that Pulumi dials again, and meets the
# installer or the new failure.
set -eu

payload=$1
cd /root

if [ -e kexec.failed ]; then
  rm -rf "$payload"
  {
    tail -n 40 kexec.log
    echo "install: failed: this server is still Hetzner's Ubuntu, since the NixOS installer did not start; the log" \
      "above says why, and nothing was written to the disk. For a wrong hash, see \`make pins\`; for a download" \
      "that failed, whether the address is right and its host is up. Then run \`pulumi up\` again: the server" \
      "tries again."
  } >&2
  mv kexec.failed kexec.reported
  exit 1
fi

if [ -e kexec.reported ]; then
  for file in "$payload/installation/installer" "$payload/installation/kexec.sh"; do
    # Whole at every moment: after a power cut, the next boot runs them.
    cp "$file" .new
    sync .new
    mv .new "$(basename "$file")"
  done
  rm kexec.reported
  # Nobody is to meet this sshd again. Sessions that are there go on.
  touch /etc/ssh/sshd_not_to_be_run
  systemctl mask --quiet --runtime ssh.socket ssh.service
  systemctl stop ssh.socket ssh.service
  systemd-run --quiet --collect --unit=kexec --property=KillMode=process sh /root/kexec.sh
fi
rm -rf "$payload"
echo "install: the server tries again to jump into the NixOS installer"
exit 75
