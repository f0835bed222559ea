#!/bin/sh
# rclone as NixOS 25.11 has it: today's, which refuses what 1.72 does not know, in its words.
for word; do
  case $word in
    --vfs-handle-caching | --vfs-handle-caching=*)
      echo "Error: unknown flag: --vfs-handle-caching" >&2
      exit 2
      ;;
  esac
done
exec @rclone@ "$@"
