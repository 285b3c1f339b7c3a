#!/bin/sh
# Block commands that a file system does not send: UNMAP, GET LBA STATUS, WRITE SAME, COMPARE AND WRITE.
. ./lib.sh
attach

check 'a range is written' fill "$disk1" /dev/urandom 8
blocks_of "$disk1" 0 16384 >before

# Of 16,384 blocks 4,096 in the middle go.
# --force: or it waits 15 s for someone to think better of it.
check 'UNMAP' sg_unmap --force --lba=4096 --num=4096 "$disk1_sg"
check 'what was unmapped reads as zeros' holds "$disk1" 4096 4096 /dev/zero
check 'what was before it is there' holds "$disk1" 0 4096 before
after() { tail -c +$((8192 * 512 + 1)) before >rest && holds "$disk1" 8192 8192 rest; }
check 'what was after it is there' after
says 'GET LBA STATUS of an unmapped block' '^0x0*1000 +0x1000 +1' sg_get_lba_status --brief --lba=4096 "$disk1_sg"
says 'GET LBA STATUS of a mapped block' '^0x0* +0x1000 +0' sg_get_lba_status --brief --lba=0 "$disk1_sg"

head -c 512 before >block
check 'WRITE SAME(16)' sg_write_same --16 --in=block --lba=4096 --num=64 --xferlen=512 "$disk1_sg"
same() {
  for _ in 1 2 3 4 5 6 7 8; do cat block block block block block block block block; done >blocks
  holds "$disk1" 4096 64 blocks
}
check 'the block is there 64 times' same
check 'and not 65 times' holds "$disk1" 4160 8 /dev/zero

{ cat block && tail -c 512 before; } >compare
compare_and_write() { sg_compare_and_write --in=compare --lba=4096 --num=1 --xferlen=1024 "$disk1_sg"; }
check 'COMPARE AND WRITE of what is there' compare_and_write
refuses 'COMPARE AND WRITE of what is there no more' 'miscompare' compare_and_write
check 'SYNCHRONIZE CACHE' sg_sync "$disk1_sg"
check 'VERIFY' sg_verify --lba=0 --count=64 "$disk1_sg"
