#!/bin/sh
# What sg_xcopy and sg_copy_results have in options, and a LID4 list in the background by sg_raw.
. ./lib.sh
attach

check 'the source is filled' fill "$disk0" /dev/urandom 2
check 'the destination is emptied' fill "$disk1" /dev/zero 4
blocks_of "$disk0" 0 4096 >source

copy() { sg_xcopy if="$disk0" of="$disk1" bs=512 "$@"; }
# copied NAME SEEK OPTION...: 64 blocks come to block SEEK.
copied() {
  what=$1 seek=$2
  shift 2
  check "$what" copy count=64 seek="$seek" "$@"
  check "$what: they are there" holds "$disk1" "$seek" 64 source
}
copied 'sent to the source' 0 --on_src
copied 'sent to the destination' 100 --on_dst
copied 'sent where a flag says' 200 iflag=xcopy
copied 'PAD of both ends' 300 iflag=pad oflag=pad
copied 'CAT' 400 cat=1
copied 'DC' 500 dc=1
copied 'the lowest priority' 600 prio=7
copied 'the highest priority' 700 prio=0
copied 'list identifier 200, results held' 800 list_id=200 id_usage=hold
copied 'results discarded' 900 list_id=201 id_usage=discard
copied 'no list identifier' 1000 list_id=0 id_usage=disable
copied 'nine blocks a command' 1100 bpt=9
copied 'FCO' 1200 fco=1
refuses 'beyond the end, by itself' 'exceeds device size' copy count=64 seek=99999999

results() { sg_copy_results "$@" "$disk1_sg"; }
says 'operating parameters' 'maximum segment descriptor count' results --params
says 'the copy with held results' 'completed without errors' results --status --list_id=200
refuses 'which are told once' 'illegal request|invalid' results --status --list_id=200
refuses 'nothing was held' 'illegal request|invalid' results --receive --list_id=7
refuses 'no copy failed with that identifier' 'illegal request|invalid' results --failed --list_id=7
check 'operating parameters in hex' results --params --hex
check 'with a length of its own' results --params --xfer_len=64
check 'read only' results --params --readonly

# A LID4 list with IMMED: header of 48 bytes, two E4h descriptors, one 02h segment of 4,000 blocks.
identification() { printf 'e40000000103000''8%s000000000000000000000000''00000200' "$1"; }
source_naa=$(naa_of "$disk0_sg")
destination_naa=$(naa_of "$disk1_sg")
equal 'a designator of eight bytes' "${#source_naa}" 16
background() {
  {
    printf '01010020''0000000000000000000000''01''ff000000''00000c0d'
    printf '%036d' 0
    printf '0040''001c''0000'
    identification "$source_naa"
    identification "$destination_naa"
    printf '02000018''00000001''0000''0fa0''0000000000000000''0000000000000000'
  } | sed 's/../\\x&/g' >hex
  /usr/bin/printf "$(cat hex)" >list.bin
  equal 'the list is 140 bytes long' "$(wc -c <list.bin)" 140
  sg_raw --timeout=60 --send=140 --infile=list.bin "$disk1_sg" 83 01 00 00 00 00 00 00 00 00 00 00 00 8c 00 00
}
check 'a copy in the background' background
# RECEIVE COPY STATUS(LID4): byte 5 is 01h when it is done.
status() {
  sg_raw --request=32 --outfile=status.bin "$disk1_sg" 84 05 00 00 0c 0d 00 00 00 00 00 00 00 20 00 00 &&
    state=$(od -An -v -tx1 -j5 -N1 status.bin) && echo "state$state"
}
finished() { status | grep -q 'state 01'; }
check 'it ends' eventually finished
says 'and is told of as done' 'state 01' status
check 'all of it is there' holds "$disk1" 0 4000 source
refuses 'it cannot be aborted any more' 'illegal request|invalid' \
  sg_raw "$disk1_sg" 83 1c 00 00 0c 0d 00 00 00 00 00 00 00 00 00 00
