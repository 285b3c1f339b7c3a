#!/bin/sh
# tar over two cartridges, in two drives.
. ./lib.sh
. ./drive.sh
take_drives

multi() { tar -M -b 128 -f "$drive1" -f "$drive2" "$@"; }
wind() { mt -f "$drive1" rewind && mt -f "$drive2" rewind; }
# More than one cartridge holds, less than two.
mkdir -p tree/b
cp -r /etc tree/
for number in 1 2 3 4 5 6; do
  incompressible $((SMALL_MIB / 4)) >tree/b/$number
done
check 'both rewind' wind
check 'an archive of two volumes is written' multi -c tree
equal 'the second one is in use' "$([ "$(place "$drive2")" -gt 10 ] && echo yes)" yes
check 'both rewind to list' wind
says 'it is listed' '^tree/b/6$' multi -t
check 'both rewind to compare' wind
check 'tar finds no difference' multi -d
check 'both rewind to unpack' wind
mkdir out
check 'it is unpacked' multi -x -C out
check 'it is what it was' diff -r --no-dereference tree out/tree
rm -rf tree out
check 'both rewind at the end' wind
