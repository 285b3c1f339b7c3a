#!/bin/sh
# tar: one archive, then three with filemarks between them.
. ./lib.sh
attach

t() { mt -f "$tape" "$@"; }
pack() { tar -C / -b 128 -cf "$tape" "$@"; }
list() { tar -b 128 -tf "$tape"; }
unpack() { rm -rf out && mkdir out && tar -C out -b 128 -xpf "$tape"; }

check 'variable blocks' t setblk 0
check 'rewind' t rewind
check 'an archive is written' pack usr/bin
check 'rewind to list it' t rewind
says 'it is listed' '^usr/bin/tar$' list
check 'rewind to compare it' t rewind
check 'tar finds no difference' tar -C / -b 128 -df "$tape"

check 'rewind for three archives' t rewind
check 'the first' pack usr/sbin
check 'the second' pack etc
check 'the third' pack usr/bin/tar usr/bin/dd
check 'rewind to the first' t rewind
check 'the first is unpacked' unpack
check 'the first is what it was' diff -r --no-dereference /usr/sbin out/usr/sbin
# tar stops before the filemark or after it, as its blocking goes: the place is sought, not counted on.
check 'to the third' t asf 2
check 'the third is unpacked' unpack
check 'the third is what it was' cmp /usr/bin/tar out/usr/bin/tar
check 'back to the second' t asf 1
check 'the second is unpacked' unpack
check 'the second is what it was' diff -r --no-dereference /etc out/etc
check 'to the end of data' t eod
check 'an archive is added' pack usr/bin/sed
check 'to the added one' t asf 3
says 'the added one is listed' '^usr/bin/sed$' list
check 'rewind at the end' t rewind
