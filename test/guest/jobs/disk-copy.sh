#!/bin/sh
# EXTENDED COPY from disk to disk, by sg_xcopy.
. ./lib.sh
attach

check 'the source is filled' fill "$disk0" /dev/urandom 17
check 'the destination is emptied' fill "$disk1" /dev/zero 34
blocks_of "$disk0" 0 34816 >source

copy() { sg_xcopy if="$disk0" of="$disk1" bs=512 "$@"; }
inside 'the first 16 MiB are copied' copy count=32768
check 'they are the same' holds "$disk1" 0 32768 source
check 'what follows them is untouched' holds "$disk1" 32768 8192 /dev/zero

# On no border of anything.
check '1,001 blocks are copied to another place' copy skip=1003 seek=40961 count=1001
tail -c +$((1003 * 512 + 1)) source >part
check 'they are the same there' holds "$disk1" 40961 1001 part
check 'the block before them is untouched' holds "$disk1" 40960 1 /dev/zero
check 'the block after them is untouched' holds "$disk1" 41962 1 /dev/zero

within() { sg_xcopy if="$disk1" of="$disk1" bs=512 skip=0 seek=50000 count=2048; }
check 'a disk is copied to itself' within
check 'both places are the same' holds "$disk1" 50000 2048 source

# Commands of 1,500 blocks at most, by way of the sg nodes.
small() { sg_xcopy if="$disk0_sg" of="$disk1_sg" bs=512 bpt=1500 seek=60000 count=4096; }
check 'a copy in several commands' small
check 'nothing is lost between them' holds "$disk1" 60000 4096 source
