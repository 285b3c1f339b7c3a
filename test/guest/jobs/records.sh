#!/bin/sh
# dd: records of odd sizes, a last one that is cut short, and a tape that is written until it is full.
. ./lib.sh
. ./drive.sh
take_drives

t() { mt -f "$drive1" "$@"; }
write() { dd of="$drive1" status=none "$@"; }
# What the next file holds, read by records of up to 1 MiB; it ends at the filemark.
file() { dd if="$drive1" bs=1M status=none; }

head -c 3000000 /dev/urandom >source
check 'erase' t erase
for size in 1 7 511 513 4095 4097 65537 262143 1048576; do
  count=$((3000000 / size < 20 ? 3000000 / size : 20))
  check "$count records of $size bytes" write if=source bs=$size count=$count
done
check 'rewind' t rewind
for size in 1 7 511 513 4095 4097 65537 262143 1048576; do
  count=$((3000000 / size < 20 ? 3000000 / size : 20))
  equal "they are read as they were written, $size" "$(file | cksum)" "$(head -c $((size * count)) source | cksum)"
  # dd has met the filemark and stands behind it.
done
check 'rewind to count' t rewind
check 'to the file of 4,097' t asf 5
says 'each is a record' '^0\+20 ' dd if="$drive1" of=/dev/null bs=1M count=20

check 'rewind for a last record that is short' t rewind
check '3,000,000 bytes by 7,000' write if=source bs=7000
equal '429 records and a filemark' "$(place "$drive1")" 430
check 'to the last' t seek 428
equal 'it has what was left' "$(dd if="$drive1" bs=7000 count=1 status=none | wc -c)" 4000
check 'rewind to read it all' t rewind
same() { dd if="$drive1" bs=7000 status=none | cmp - source; }
check 'it is what was written' same

check 'fixed blocks of 1,000' t setblk 1000
check 'rewind for fixed blocks' t rewind
check 'whole blocks are written' write if=source bs=50000 count=20
equal '1,000 blocks and a filemark' "$(place "$drive1")" 1001
refuses 'half a block is not' 'invalid argument' write if=source bs=1500 count=1
check 'rewind to read fixed blocks' t rewind
equal 'they are read by another number a command' "$(dd if="$drive1" bs=33000 status=none | cksum)" \
  "$(head -c 1000000 source | cksum)"
check 'variable blocks' t setblk 0

# Until nothing more fits: the driver says so, and what was written is there.
incompressible $SMALL_MIB >full
check 'rewind to fill it' t rewind
refuses 'a tape is written until it is full' 'no space left on device' write if=full bs=65536
written=$(($(place "$drive1") * 65536))
# The filemark of dd's close is one object.
written=$((written - 65536))
if [ $written -gt $((SMALL_MIB * 1048576 * 8 / 10)) ]; then
  echo 'ok most of its capacity was used'
else
  not_ok 'most of its capacity was used' "$written"
fi
check 'a filemark fits behind early warning' t weof 1
check 'READ POSITION' sg_raw --request=20 --outfile=position "$drive1_sg" 34 00 00 00 00 00 00 00 00 00
equal 'READ POSITION: near the end' $((0x$(od -An -tx1 -N1 position | tr -d ' ') & 0x40)) $((0x40))
check 'rewind the full tape' t rewind
equal 'what was written is there' "$(dd if="$drive1" bs=65536 status=none | cksum)" "$(head -c $written full | cksum)"
check 'erase the full tape' t rewind
check 'it is empty' t erase
