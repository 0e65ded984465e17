#!/bin/sh
# Writes the records of an rpmdb.sqlite as rpm before 4.16 wrote them: a hash of Berkeley DB, keys in the order of bytes of the machine.
# Usage: bdb.sh rpmdb.sqlite Packages 1234|4321
set -eu
{
    printf 'VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=4096\ndb_lorder=%s\nHEADER=END\n 00000000\n %s\n' "$3" "$(sqlite3 "$1" 'SELECT printf("%02x%02x0000", max(hnum) & 255, max(hnum) >> 8) FROM Packages')"
    sqlite3 -separator '
 ' "$1" 'SELECT " " || printf("%02x%02x0000", hnum & 255, hnum >> 8), lower(hex(blob)) FROM Packages'
    printf 'DATA=END\n'
} | db5.3_load "$2"
