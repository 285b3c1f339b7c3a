#!/bin/sh
# A cartridge of two partitions, as st and mt make and use them.
. ./lib.sh
. ./drive.sh
take_drives

t() { mt -f "$drive0" "$@"; }
put() { record "$1" x | dd of="$drive0" bs="$1" count=1 iflag=fullblock status=none; }
size_of_next() { dd if="$drive0" bs=65536 count=1 status=none | wc -c; }

check 'st may use partitions' t stsetoptions can-partitions scsi2logical
check 'mkpartition: 100 MB for the second one' t mkpartition 100
check 'rewind' t rewind
says 'status: partition 0' 'partition=0' t status
check 'a record for partition 0' put 1000
check 'setpartition 1' t setpartition 1
check 'a record for partition 1' put 2000
check 'one more' put 3000
says 'status: partition 1' 'partition=1' t status
says 'tapeinfo: partition 1' 'ActivePartition: 1' tapeinfo -f "$drive0_sg"
check 'partseek 0 0' t partseek 0 0
equal 'what partition 0 has' "$(size_of_next)" 1000
# Its manual page has the partition behind the block, mt-st 1.7 has it before.
check 'partseek 1 2' t partseek 1 2
equal 'what partition 1 has' "$(size_of_next)" 3000
check 'eod of partition 1' t eod
equal 'four objects' "$(place "$drive0")" 4
check 'setpartition 0' t setpartition 0
check 'rewind partition 0' t rewind
check 'erase partition 0' t erase
check 'setpartition 1 again' t setpartition 1
check 'rewind partition 1' t rewind
equal 'partition 1 is as it was' "$(size_of_next)" 2000
check 'unload' t offline
check 'load' t load
equal 'a load is at partition 0' "$(t status | sed -n 's/.*partition=\([0-9]*\).*/\1/p')" 0
refuses 'there is no partition 2' 'invalid argument' t partseek 2 0
check 'mkpartition 0: one again' t mkpartition 0
check 'rewind the one' t rewind
refuses 'there is no partition 1' 'invalid argument' t partseek 1 0
check 'a record for the only partition' put 500
check 'rewind to read it' t rewind
equal 'it is there' "$(size_of_next)" 500
check 'st uses no partitions' t stclearoptions can-partitions scsi2logical
check 'rewind at the end' t rewind
