#!/bin/sh
# Whether the pages of a database of Plex's are sound. Usage: sound.sh DATABASE    Status 3: it is damaged.
#
# What Plex sorts and splits titles by, only Plex's own SQLite has, and any other's PRAGMA quick_check fails over it, of a
# sound database too. So they get other names for as long as this looks, in a transaction that is taken back. What
# cannot be told is no damage.
#
# Plex's user wrote the schema, and root runs this. So no constraint is evaluated, in which even edit(), which starts a
# program, is called of a schema that is not trusted; and nothing else in such a one does more than compute.
set -eu

command -v sqlite3 >/dev/null || exit 0
said=$(
  timeout 30m sqlite3 -bail -batch "$1" 2>&1 <<'END' || [ $? != 124 ] || echo "it took more than half an hour"
.timeout 60000
.output /dev/null
.dbconfig trusted_schema off
.dbconfig defensive off
.output stdout
PRAGMA ignore_check_constraints = ON;
BEGIN IMMEDIATE;
PRAGMA writable_schema = ON;
DELETE FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL TABLE%';
UPDATE sqlite_schema SET sql = replace(sql, 'icu_root', 'binary') WHERE sql LIKE '%icu_root%';
PRAGMA writable_schema = RESET;
PRAGMA quick_check(5);
ROLLBACK;
END
)
case $said in
  *"*** in database "* | *"disk image is malformed"* | *"file is not a database"*) exit 3 ;;
  ok) ;;
  *) echo "warning: $1 could not be looked through: $(printf '%s\n' "$said" | tail -n 1 | cut -c 1-200)" ;;
esac
