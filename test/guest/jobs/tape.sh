#!/bin/sh
# The tape drive as the kernel's st driver and mt see it.
. ./lib.sh
attach

t() { mt -f "$tape" "$@"; }
# record SIZE NUMBER: contents that tell one record from another.
record() { head -c "$1" /dev/zero | tr '\0' "$2"; }
# Reads one record with a buffer of SIZE bytes.
next() { dd if="$tape" bs="$1" count=1 status=none; }
sum_of_next() { next 65536 | cksum; }
size_of_next() { next 65536 | wc -c; }
place() { t tell | sed 's/[^0-9]*//g'; }

check 'rewind' t rewind
check 'erase' t erase
check 'rewind after the erase' t rewind
check 'variable blocks' t setblk 0
says 'status at the beginning' '(^| )BOT( |$)' t status
equal 'the position is 0' "$(place)" 0

# Two files: records of 1,000, 5,000 and 60,000 bytes; one of 4,096. Each dd closes the device and so
# writes a filemark, which is why the first file goes through one descriptor.
first() { { record 1000 A | dd bs=1000 count=1 && record 5000 B | dd bs=5000 count=1 iflag=fullblock &&
  record 60000 C | dd bs=60000 count=1 iflag=fullblock; } >"$tape" 2>/dev/null; }
second() { record 4096 D | dd of="$tape" bs=4096 count=1 status=none; }
check 'three records are written' first
equal 'three records and a filemark are four objects' "$(place)" 4
check 'a fourth in a file of its own' second
equal 'six objects' "$(place)" 6
check 'two more filemarks' t weof 2

check 'rewind to read' t rewind
equal 'a record is read as long as it was written' "$(size_of_next)" 1000
check 'forward a record' t fsr 1
equal 'the third record' "$(sum_of_next)" "$(record 60000 C | cksum)"
equal 'a read at a filemark gives nothing' "$(size_of_next)" 0
equal 'then comes the next file' "$(sum_of_next)" "$(record 4096 D | cksum)"

check 'back over a filemark' t bsf 1
equal 'before the filemark' "$(place)" 3
check 'back a record' t bsr 1
equal 'the third record again' "$(sum_of_next)" "$(record 60000 C | cksum)"
check 'seek' t seek 1
equal 'the second record' "$(sum_of_next)" "$(record 5000 B | cksum)"
check 'to the second file' t asf 1
says 'status counts files' 'File number=1, block number=0' t status
equal 'its record' "$(sum_of_next)" "$(record 4096 D | cksum)"
check 'to the end of data' t eod
says 'status at the end of data' '(^| )EOD( |$)' t status
equal 'the end is after the last filemark' "$(place)" 8
refuses 'a read at the end of data fails' 'input/output error' next 65536
refuses 'a file that is not there' 'input/output error' t fsf 1

check 'rewind for a short read' t rewind
refuses 'a record longer than the buffer is an error' 'cannot allocate memory' next 500

check 'to the second file to erase it' t asf 1
check 'erase to the end' t erase
check 'to the second file again' t asf 1
# st makes of the end of data right after a filemark an empty read or an error, as it came there.
equal 'there is nothing left of it' "$(size_of_next 2>/dev/null)" 0
check 'rewind to the first' t rewind
equal 'the first file is still there' "$(size_of_next)" 1000

check 'fixed blocks' t setblk 512
says 'status tells the block size' 'block size 512 bytes' t status
check 'rewind for fixed blocks' t rewind
record 102400 E >fixed
write_fixed() { dd if=fixed of="$tape" bs=10240 status=none; }
check '200 blocks of 512 are written, 20 a command' write_fixed
equal 'each is an object' "$(place)" 201
check 'rewind to read them' t rewind
read_fixed() { dd if="$tape" bs=25600 count=4 status=none | cmp - fixed; }
check 'they are read, 50 a command' read_fixed
check 'variable blocks again' t setblk 0
check 'rewind, variable' t rewind
equal 'a block read alone is 512 bytes long' "$(size_of_next)" 512

check 'unload' t offline
says 'status of an unloaded drive' 'DR_OPEN' t status
check 'load' t load
check 'rewind a loaded drive' t rewind
says 'status of a loaded drive' '(^| )BOT ONLINE( |$)' t status
equal 'the tape is what it was' "$(size_of_next)" 512
check 'rewind at the end' t rewind
