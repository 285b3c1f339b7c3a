#!/bin/sh
# Commands that neither a driver nor a file system sends, by the sg3-utils: each does what it says.
. ./lib.sh
attach

# A buffer, an identity, a clock.
says 'READ BUFFER tells of its buffer' 'capacity=[1-9]' sg_rbuf --quick "$disk0_sg"
# The descriptor is four bytes, the length of the buffer the last two.
check 'READ BUFFER tells of its echo buffer' sg_raw --request=4 --outfile=echo "$disk0_sg" 3c 0b 00 00 00 00 00 00 04 00
equal 'which has 4 KiB for each initiator' "$(od -An -tx1 echo)" ' 01 00 10 00'
check 'READ BUFFER and WRITE BUFFER agree' sg_test_rwbuf --size=4096 "$disk0_sg"
printf 'shelf 7' >name
check 'SET IDENTIFYING INFORMATION' sg_ident --set "$disk0_sg" <name
says 'REPORT IDENTIFYING INFORMATION' 'shelf 7' sg_ident --ascii "$disk0_sg"
check 'the identifying information is cleared' sg_ident --clear "$disk0_sg"
check 'SET TIMESTAMP' sg_timestamp --milliseconds=1700000000000 "$disk0_sg"
says 'REPORT TIMESTAMP' '1700000[0-9]{6}' sg_timestamp "$disk0_sg"
check 'the timestamp of the tape' sg_timestamp "$tape_sg"

# Modes.
check 'MODE SELECT(10) of what MODE SENSE gives' sg_wr_mode --page=8 "$disk0_sg"
refuses 'MODE SELECT of what cannot be changed' 'illegal request|invalid' \
  sg_wr_mode --page=1 --contents=01,0a,c1,00,00,00,00,00,00,00,00,00 "$disk0_sg"
check 'PREVENT MEDIUM REMOVAL' sg_prevent --prevent=1 "$disk0_sg"
check 'ALLOW MEDIUM REMOVAL' sg_prevent --allow "$disk0_sg"
check 'STOP' sg_start --stop "$disk0_sg"
check 'START' sg_start --start "$disk0_sg"
check 'SYNCHRONIZE CACHE(16)' sg_sync --16 "$disk0_sg"

# Blocks.
check 'the disk is filled' fill "$disk0" /dev/urandom 4
blocks_of "$disk0" 0 8192 >before
check 'VERIFY(16)' sg_verify --16 --lba=0 --count=8192 "$disk0_sg"
head -c 4096 before >eight
check 'VERIFY(16) by bytes' sg_verify --16 --ndo=4096 --in=eight --count=8 --lba=0 "$disk0_sg"
refuses 'VERIFY(16) by bytes that differ' 'miscompare' \
  sg_verify --16 --ndo=4096 --in=eight --count=8 --lba=8 "$disk0_sg"
check 'WRITE AND VERIFY(16)' sg_write_verify --16 --in=eight --num=8 --lba=64 "$disk0_sg"
check 'it is there' holds "$disk0" 64 8 eight
check 'WRITE ATOMIC(16)' sg_write_x --16 --atomic=0 --in=eight --num=8 --lba=128 "$disk0_sg"
check 'it is there, too' holds "$disk0" 128 8 eight
check 'WRITE(32)' sg_write_x --32 --normal --in=eight --num=8 --lba=160 "$disk0_sg"
check 'it is there as well' holds "$disk0" 160 8 eight
check 'WRITE SAME(16) without data' sg_write_same --16 --ndob --lba=256 --num=64 "$disk0_sg"
check 'zeros are there' holds "$disk0" 256 64 /dev/zero
check 'WRITE SAME(32)' sg_write_same --32 --in=eight --xferlen=512 --lba=320 --num=64 "$disk0_sg"
check 'READ(32)' sg_raw --request=512 --outfile=one "$disk0_sg" \
  7f 00 00 00 00 00 00 18 00 09 00 00 00 00 00 00 00 00 01 40 00 00 00 00 00 00 00 00 00 00 00 01
check 'it reads what WRITE SAME(32) wrote' cmp -n 512 one eight
head -c 8192 before >compare
dd if=eight of="$disk0" bs=4096 count=1 oflag=direct status=none
{ cat eight && tail -c 4096 compare; } >pair
check 'COMPARE AND WRITE of 8 blocks' sg_compare_and_write --in=pair --lba=0 --num=8 --xferlen=8192 "$disk0_sg"
tail -c 4096 pair >second
check 'the second half is there' holds "$disk0" 0 8 second
check 'UNMAP' sg_unmap --force --lba=512 --num=64 "$disk0_sg"
check 'READ DEFECT DATA(10)' sg_reassign --grown "$disk0_sg"

# All of it.
check 'SANITIZE, OVERWRITE' sg_sanitize --overwrite --zero --wait --quick "$disk0_sg"
check 'nothing is left' holds "$disk0" 0 8192 /dev/zero
check 'the disk is filled again' fill "$disk0" /dev/urandom 4
check 'SANITIZE, BLOCK ERASE' sg_sanitize --block --wait --quick "$disk0_sg"
check 'nothing is left again' holds "$disk0" 0 8192 /dev/zero
check 'the disk is filled to format it' fill "$disk0" /dev/urandom 4
check 'FORMAT UNIT' sg_format --format --quick --wait "$disk0_sg"
check 'it is empty' holds "$disk0" 0 8192 /dev/zero
check 'TEST UNIT READY in the end' eventually sg_turs "$disk0_sg"

# The tape: what is left of its commands.
check 'READ BLOCK LIMITS' sg_read_block_limits "$tape_sg"
