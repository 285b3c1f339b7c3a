#!/bin/sh
# What the target says about itself, as sg3-utils and sdparm read it: every page that is listed is decoded.
. ./lib.sh
attach

# What the tools say of a page that they cannot make sense of, or that is listed and not there.
complaint='unable|malformed|unexpected|truncated|too short|too long|only hex|in hex|bad field|illegal request|invalid opcode|not supported'
complaint="$complaint|unrecogni[sz]ed|unknown|error in|fetching"
# These are what a field says, not what a tool complains of.
fields='\[[a-z ]*not supported\]|\[unknown\]'
# plain NAME COMMAND...: it succeeds, says something, and complains of nothing.
plain() {
  name=$1
  shift
  if ! output=$("$@" 2>&1); then
    not_ok "$name" "status $? of: $* | $output"
  elif [ -z "$output" ]; then
    not_ok "$name" "says nothing: $*"
  elif moan=$(printf '%s\n' "$output" | sed -E "s/$fields//g" | grep -Ei -- "$complaint"); then
    not_ok "$name" "complains: $* | $moan"
  else
    echo "ok $name"
  fi
}

says 'INQUIRY of a disk tells of third-party copy' '3PC=1' sg_inq "$disk0_sg"
says 'INQUIRY of the tape tells of third-party copy' '3PC=1' sg_inq "$tape_sg"
says 'INQUIRY names its standards' 'SPC-5' sg_inq --descriptors "$disk0_sg"
plain 'REPORT LUNS' sg_luns --decode "$disk0_sg"
says 'REPORT LUNS of well-known units has its own' '^ *c101000000000000' sg_luns --select=1 "$disk0_sg"

# The codes that a list of pages has behind its header of 4 bytes, as two digits each.
codes() { od -An -v -tx1 | tr -s ' \n' ' ' | cut -d ' ' -f 6-; }
# pages NAME SG
pages() {
  what=$1 sg=$2
  plain "standard INQUIRY of $what" sg_inq "$sg"
  listed=$(sg_vpd --page=0 --raw "$sg" | codes)
  for page in $listed; do
    plain "VPD page ${page}h of $what" sg_vpd --page="0x$page" "$sg"
  done
  for page in 80 83 86; do
    plain "VPD page ${page}h of $what, by sg_inq" sg_inq --vpd --page="0x$page" "$sg"
  done
  plain "every VPD page of $what" sg_vpd --all "$sg"
  says "the NAA designator of $what" '^ *0x[0-9a-f]{16}' sg_vpd --page=0x83 "$sg"
  plain "REPORT SUPPORTED OPERATION CODES of $what" sg_opcodes --alpha "$sg"
  plain "the same of $what, with masks and time limits" sg_opcodes --mask --rctd --mlu "$sg"
  plain "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS of $what" sg_opcodes --tmf --repd "$sg"
  plain "the log pages of $what" sg_logs --list "$sg"
  plain "every log page of $what" sg_logs --all --all "$sg"
  # Each alone, by its code.
  for page in $(sg_logs --page=0 --raw "$sg" | codes); do
    plain "log page ${page}h of $what" sg_logs --page="0x$page" "$sg"
  done
  plain "MODE SENSE(10) of every page of $what" sg_modes --all --all "$sg"
  plain "MODE SENSE(6) of every page of $what" sg_modes --all --six "$sg"
  for control in changeable=1 default=2 saved=3; do
    plain "the ${control%=*} values of $what" sg_modes --all --all --control="${control#*=}" "$sg"
  done
  for page in $(sg_modes --all --dbout "$sg" | sed -n 's/^ 00     \([0-9a-f][0-9a-f]\) .*/\1/p'); do
    # Its first bit is PS: it can be saved.
    check "mode page $((0x$page & 0x3f)) of $what alone" sg_modes --page=$((0x$page & 0x3f)) "$sg"
  done
  plain "SUPPORTED DIAGNOSTIC PAGES of $what" sg_senddiag --list "$sg"
  plain "the self-test of $what" sg_senddiag --test "$sg"
  plain "REPORT TARGET PORT GROUPS of $what" sg_rtpg --decode "$sg"
  plain "REPORT TARGET PORT GROUPS of $what, extended" sg_rtpg --decode --extended "$sg"
  plain "REQUEST SENSE of $what" sg_requests "$sg"
  plain "REQUEST SENSE of $what, by descriptors" sg_requests --desc "$sg"
  check "TEST UNIT READY of $what" sg_turs "$sg"
}
pages 'a disk' "$disk0_sg"
pages 'the disk of long blocks' "$disk4k_sg"
pages 'the tape' "$tape_sg"

says 'page 8Fh names EXTENDED COPY' 'Extended copy' sg_vpd --page=tpc "$disk0_sg"
says 'READ CAPACITY(16)' "size: $DISK_BYTES bytes" sg_readcap --16 "$disk0_sg"
says 'READ CAPACITY(10)' "size: $DISK_BYTES bytes" sg_readcap "$disk0_sg"
says 'READ CAPACITY(16) of long blocks' 'block length=4096 bytes' sg_readcap --16 "$disk4k_sg"
says 'a disk lists EXTENDED COPY' 'Extended copy' sg_opcodes "$disk0_sg"
says 'the tape lists WRITE FILEMARKS' 'Write filemarks' sg_opcodes "$tape_sg"
says 'RECEIVE COPY OPERATING PARAMETERS of a disk' 'Maximum segment' sg_copy_results --params "$disk0_sg"
says 'sdparm reads the caching page' 'WCE +1 ' sdparm --page=ca "$disk0_sg"
says 'and the control page' 'D_SENSE +0 ' sdparm --page=co --long "$disk0_sg"
plain 'sdparm reads the designators' sdparm --inquiry --page=di "$disk0_sg"

# What sdparm changes is what others read; the drivers are told by a unit attention.
check 'the write cache is switched off' sdparm --clear=WCE "$disk0_sg"
says 'that is read' 'WCE +0 ' sdparm --page=ca "$disk0_sg"
check 'and on again' sdparm --set=WCE "$disk0_sg"
check 'descriptor sense is switched on' sdparm --set=D_SENSE "$disk0_sg"
refuses 'sense comes in descriptors' 'descriptor format' sg_raw --verbose "$disk0_sg" 28 00 ff ff ff ff 00 00 01 00
check 'and off again' sdparm --clear=D_SENSE "$disk0_sg"
refuses 'sense comes in its fixed format' 'fixed format' sg_raw --verbose "$disk0_sg" 28 00 ff ff ff ff 00 00 01 00
