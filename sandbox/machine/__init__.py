"""The sandbox's servers: Debian roots booted by systemd-nspawn, with firmware, disks, ports and firewalls."""
