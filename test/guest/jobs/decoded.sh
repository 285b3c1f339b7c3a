#!/bin/sh
# Every page that a unit lists, as sg3-utils decode it; comes after lib.sh.

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
