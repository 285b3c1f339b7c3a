#!/bin/sh
# EXTENDED COPY from disk to tape and back. No tool of Debian's writes these parameter lists, so this one
# does: a 16-byte header, two identification descriptors (E4h) of 32 bytes, one segment of 24.
. ./lib.sh
attach

t() { mt -f "$tape" "$@"; }

# identification KIND NAA BLOCK: an E4h descriptor; KIND is the peripheral device type, BLOCK its last
# four bytes. Binary designator, of the logical unit, type NAA.
identification() {
  printf 'e4%s0000' "$1"
  printf '010300%02x%s' $((${#2} / 2)) "$2"
  printf "%0$((40 - ${#2}))d%s" 0 "$3"
}
# copy_list TYPE SOURCE DESTINATION BLOCKS LBA: the whole list, with records of 64 KiB. The disk is
# descriptor 0, the tape descriptor 1; list identifier 1, results may be discarded.
copy_list() {
  {
    printf '011100400000000000000018''00000000'
    identification 00 "$disk_naa" 00000200
    identification 01 "$tape_naa" 00000000
    printf '%s000014%04x%04x00010000''0000%04x%016x' "$1" "$2" "$3" "$4" "$5"
  } | sed 's/../\\x&/g' >hex
  /usr/bin/printf "$(cat hex)" >list.bin
}
# xcopy SG: the list is sent to that device.
xcopy() { sg_raw --timeout=60 --send=104 --infile=list.bin "$1" 83 00 00 00 00 00 00 00 00 00 00 00 00 68 00 00; }

disk_naa=$(naa_of "$disk0_sg")
tape_naa=$(naa_of "$tape_sg")
echo "disk $disk_naa, tape $tape_naa"

check 'the disk is filled' fill "$disk0" /dev/urandom 16
blocks_of "$disk0" 8 32000 >source
check 'the other disk is emptied' fill "$disk1" /dev/zero 20
check 'variable blocks' t setblk 0
check 'rewind' t rewind
check 'erase' t erase
check 'rewind after the erase' t rewind

# 32,000 blocks from LBA 8 are 250 records.
check 'the list to tape is made' copy_list 00 0 1 32000 8
equal 'it is 104 bytes long' "$(wc -c <list.bin)" 104
inside 'disk to tape, sent to the tape' xcopy "$tape_sg"
# The copy moved the tape behind st's back: rewind makes st look again.
check 'rewind to read' t rewind
read_back() { dd if="$tape" bs=65536 count=250 status=none | cmp - source; }
check 'the tape holds the disk, in records of 64 KiB' read_back
refuses 'and nothing more' 'input/output error' dd if="$tape" of=more bs=65536 count=1 status=none
check 'to the end of data' t eod
check 'a filemark is written there' t weof 1

disk_naa=$(naa_of "$disk1_sg")
check 'the list to the other disk is made' copy_list 01 1 0 32000 2048
check 'rewind to copy' t rewind
inside 'tape to disk, sent to the disk' xcopy "$disk1_sg"
check 'the other disk holds what the first one had' holds "$disk1" 2048 32000 source
check 'the block before is untouched' holds "$disk1" 2047 1 /dev/zero
check 'the block after is untouched' holds "$disk1" 34048 1 /dev/zero

# One record more than there is before the filemark.
check 'a list that asks for too much is made' copy_list 01 1 0 32128 2048
check 'rewind to copy too much' t rewind
refuses 'the filemark ends the copy' 'copy aborted' xcopy "$disk1_sg"
check 'rewind at the end' t rewind
