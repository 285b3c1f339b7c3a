#!/bin/sh
# Every verb of mt-st.
. ./lib.sh
. ./drive.sh
take_drives

t() { mt -f "$drive0" "$@"; }
# Reads one record and tells what it is.
size_of_next() { dd if="$drive0" bs=65536 count=1 status=none | wc -c; }
at() { equal "$1" "$(place "$drive0")" "$2"; }
put() { record "$1" x | dd of="$drive0" bs="$1" count=1 iflag=fullblock status=none; }

# Three files; each dd closes the device, which writes a filemark:
#   0 1 2 records, 3 filemark, 4 record, 5 filemark, 6 7 records, 8 filemark, 9 end of data
first() { { record 1000 A && record 1000 B && record 1000 C; } | dd of="$drive0" bs=1000 status=none; }
third() { record 1400 E | dd of="$drive0" bs=700 status=none; }
check 'erase' t erase 0
check 'a file of three records' first
check 'a file of one record' put 4096
check 'a file of two records' third
at 'tell: nine objects' 9
says 'status at the end' 'File number=3, block number=0, partition=0' t status

check 'rewind' t rewind
at 'at the beginning' 0
says 'status: BOT' '^ BOT ONLINE' t status
check 'fsf' t fsf
at 'the second file' 4
check 'fsf 1' t fsf 1
at 'the third file' 6
check 'bsf 2' t bsf 2
at 'before the filemark of the first file' 3
check 'fsf from there' t fsf 1
check 'bsfm' t bsfm 1
at 'behind the filemark of the first file' 4
check 'rewind for fsfm' t rewind
check 'fsfm 2' t fsfm 2
at 'before the filemark of the second file' 5
check 'asf 2' t asf 2
at 'at the third file' 6
check 'asf 0' t asf 0
at 'at the first file' 0
check 'fsr 2' t fsr 2
at 'two records on' 2
says 'status counts records' 'File number=0, block number=2' t status
check 'bsr' t bsr
at 'one record back' 1
refuses 'fsr does not pass a filemark' 'input/output error' t fsr 3
check 'eod' t eod
at 'at the end of data' 9
says 'status: EOD' '^( EOF)? EOD ONLINE' t status
check 'seek' t seek 7
at 'where it was told to go' 7
equal 'the record there' "$(size_of_next)" 700
check 'seod' t seod
at 'at the end of data again' 9
refuses 'bsf beyond the beginning' 'input/output error' t bsf 4
at 'that ends at the beginning' 0

# Filemarks: three names, and how many.
check 'weof 2 at the end' t eod
check 'weof' t weof 2
check 'eof' t eof
at 'three filemarks more' 12
check 'asf to the last of them' t asf 5
at 'behind the second of them' 11
# Setmarks are no more (SSC-3).
refuses 'fss is refused' 'input/output error' t fss 1
refuses 'bss is refused' 'input/output error' t bss 1
refuses 'wset is refused' 'input/output error' t wset 1
at 'and moves nothing' 11

# A new end of data.
check 'asf 2 to erase' t asf 2
check 'erase' t erase
check 'eod of what is left' t eod
at 'six objects are left' 6
check 'retension' t retension
at 'retension ends at the beginning' 0
equal 'the first record is there' "$(size_of_next)" 1000

# Out, in, and kept in.
for verb in offline rewoffl eject; do
  check "$verb" t $verb
  says "status after $verb" 'DR_OPEN' t status
  check "load after $verb" t load
  at "the position after load" 0
done
check 'lock' t lock
refuses 'a locked drive does not unload for another' 'removal prevented' sg_raw "$drive0_sg" 1b 00 00 00 00 00
says 'the cartridge is still in' '^ BOT ONLINE' t status
check 'unlock' t unlock
check 'an unlocked drive unloads' sg_raw "$drive0_sg" 1b 00 00 00 00 00
check 'load at the end' t load

# The drive's settings.
check 'setblk 1024' t setblk 1024
says 'status tells the block size' 'Tape block size 1024 bytes' t status
check 'setblk 0' t setblk 0
says 'status tells variable blocks' 'Tape block size 0 bytes' t status
says 'densities' '0x5a +LTO-6' t densities
density=$(t status | sed -n 's/.*Density code \(0x[0-9a-f]*\).*/\1/p')
check 'setdensity to what it is' t setdensity "$density"
says 'that is what status tells' "Density code $density" t status
refuses 'setdensity to 9-track' 'input/output error' t setdensity 0x01
says 'which changes nothing' "Density code $density" t status
check 'drvbuffer 0' t drvbuffer 0
says 'that is what the drive tells' 'specific param=0x00' sg_modes "$drive0_sg"
check 'drvbuffer 1' t drvbuffer 1
says 'tapeinfo: buffered' 'BufferedMode: yes' tapeinfo -f "$drive0_sg"

# The driver's settings.
check 'stoptions' t stoptions buffer-writes async-writes read-ahead can-bsr
says 'stshowoptions' 'buffer-writes async-writes read-ahead can-bsr' t stshowoptions
check 'stsetoptions' t stsetoptions scsi2logical sili
says 'stshowoptions tells of them' 'scsi2logical' t stshowoptions
check 'stclearoptions' t stclearoptions sili
check 'rewind by logical addresses' t rewind
check 'seek by a logical address' t seek 4
at 'tell of a logical address' 4
equal 'the record at a logical address' "$(size_of_next)" 4096
check 'two filemarks at a close' t stsetoptions two-fms
check 'to the end of data for them' t eod
check 'a record and its two filemarks' put 100
check 'to their end' t eod
at 'three objects more' 9
check 'no two filemarks' t stclearoptions two-fms
check 'fast-eod' t stsetoptions fast-eod
check 'rewind for a fast eod' t rewind
check 'eod by SPACE of its own' t eod
at 'the same end' 9
check 'no fast-eod' t stclearoptions fast-eod
check 'no-wait' t stsetoptions no-wait
check 'rewind without waiting' t rewind
at 'it was there in time' 0
check 'wait again' t stclearoptions no-wait
check 'auto-lock' t stsetoptions auto-lock
equal 'a read locks the drive for as long as it lasts' "$(size_of_next)" 1000
check 'then it unloads' sg_raw "$drive0_sg" 1b 00 00 00 00 00
check 'it loads' t load
check 'no auto-lock' t stclearoptions auto-lock
check 'stwrthreshold' t stwrthreshold 16
check 'sttimeout' t sttimeout 900
check 'stlongtimeout' t stlongtimeout 14000
check 'defblksize' t defblksize 512
check 'defdensity' t defdensity "$density"
check 'defdrvbuffer' t defdrvbuffer 1
check 'unload for the defaults to count' t offline
check 'load for the defaults to count' t load
says 'the default block size is in force' 'Tape block size 512 bytes' t status
check 'no defblksize' t defblksize -1
check 'no defdensity' t defdensity -1
check 'no defdrvbuffer' t defdrvbuffer -1
check 'variable blocks at the end' t setblk 0
check 'rewind at the end' t rewind
