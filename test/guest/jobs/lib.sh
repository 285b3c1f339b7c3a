#!/bin/sh
# What the jobs share. A job runs as `sh -eu`, in a directory of the guest's memory, and prints one line
# an assertion: `ok NAME` or `not ok NAME # DETAIL`. Everything else that it prints is commentary.
#
# A fork takes the emulated processor 50 ms: loops here use what the shell itself can do.

not_ok() {
  printf 'not ok %s # %s\n' "$1" "$(printf '%s' "$2" | tr '\n\r' '|' | cut -c 1-1000)"
}

# check NAME COMMAND...: the command succeeds.
check() {
  name=$1
  shift
  if output=$("$@" 2>&1); then
    echo "ok $name"
  else
    not_ok "$name" "status $? of: $* | $output"
  fi
}

# refuses NAME PATTERN COMMAND...: the command fails, and says something like PATTERN.
refuses() {
  name=$1 pattern=$2
  shift 2
  if output=$("$@" 2>&1); then
    not_ok "$name" "succeeded: $* | $output"
  elif printf '%s\n' "$output" | grep -Eqi -- "$pattern"; then
    echo "ok $name"
  else
    not_ok "$name" "does not say '$pattern': $* | $output"
  fi
}

# says NAME PATTERN COMMAND...: the command succeeds, and its output has a line like PATTERN.
says() {
  name=$1 pattern=$2
  shift 2
  if ! output=$("$@" 2>&1); then
    not_ok "$name" "status $? of: $* | $output"
  elif printf '%s\n' "$output" | grep -Eqi -- "$pattern"; then
    echo "ok $name"
  else
    not_ok "$name" "does not say '$pattern': $* | $output"
  fi
}

# equal NAME ACTUAL EXPECTED
equal() {
  if [ "$2" = "$3" ]; then
    echo "ok $1"
  else
    not_ok "$1" "got '$2', expected '$3'"
  fi
}

# ask WORDS...: the test does something on its side; prints its answer, fails with it when it cannot. The
# console is named because a command whose output is caught may ask, too.
ask() {
  echo "@@ ask $*" >/dev/ttyS0
  read -r verdict answer </dev/ttyS0
  echo "$answer"
  [ "$verdict" = ok ]
}

# eventually COMMAND...: it succeeds within half a minute.
eventually() {
  tries=0
  until "$@"; do
    tries=$((tries + 1))
    [ $tries -lt 120 ] || return 1
    sleep 0.2
  done
}

# The same for iscsid to log in again, which takes its time on a loaded machine; says how far it came.
patiently() {
  eventually "$@" || eventually "$@" || eventually "$@" || {
    cat /sys/class/iscsi_session/session*/state /run/iscsid.log | tail -n 12
    return 1
  }
}

# mark NAME: kernel_since NAME prints what the kernel says from here on.
mark() { echo "sanlet: $1" >/dev/kmsg; }
kernel_since() { dmesg | sed "1,/sanlet: $1\$/d"; }

# The devices of our session in the order of their LUNs, as $disk0 $disk0_sg $disk1 $disk1_sg, of 512-byte
# blocks, $disk4k $disk4k_sg, $tape $tape_sg. The kind counts and not the number: a LUN 0 may be something else.
find_devices() {
  disk0='' disk1='' disk4k='' tape='' disk0_sg='' disk1_sg='' disk4k_sg='' tape_sg=''
  for session in /sys/class/iscsi_session/session*; do
    read -r name <"$session/targetname" || continue
    [ "$name" = "$IQN" ] || continue
    for device in "$session"/device/target*/*:*:*:*; do
      read -r type <"$device/type" || continue
      set -- "$device"/scsi_generic/*
      sg=/dev/${1##*/}
      [ -c "$sg" ] || continue
      if [ "$type" = 0 ]; then
        set -- "$device"/block/*
        [ -b "/dev/${1##*/}" ] || continue
        # sg_xcopy looks for block devices here, where udev would have put them.
        read -r numbers <"$1/dev"
        ln -sf "/dev/${1##*/}" "/dev/block/$numbers"
        read -r length <"$1/queue/logical_block_size"
        if [ "$length" = 4096 ]; then
          disk4k=/dev/${1##*/} disk4k_sg=$sg
        elif [ -z "$disk0" ]; then
          disk0=/dev/${1##*/} disk0_sg=$sg
        else
          disk1=/dev/${1##*/} disk1_sg=$sg
        fi
      elif [ "$type" = 1 ]; then
        # The plain non-rewinding node: nst0, not nst0a, nst0l, nst0m.
        set -- "$device"/scsi_tape/nst*[0-9]
        [ -c "/dev/${1##*/}" ] || continue
        tape=/dev/${1##*/} tape_sg=$sg
      fi
    done
  done
  [ -n "$disk1" ] && [ -n "$disk4k" ] && [ -n "$tape" ]
}

# find_unit IQN IFACE LUN: the device of that session, as $found and $found_sg; /dev/sd, /dev/nst or /dev/sch.
find_unit() {
  found='' found_sg=''
  for session in /sys/class/iscsi_session/session*; do
    read -r name <"$session/targetname" && read -r iface <"$session/ifacename" || continue
    [ "$name $iface" = "$1 $2" ] || continue
    for device in "$session"/device/target*/*:*:*:"$3"; do
      set -- "$1" "$2" "$3" "$device"/scsi_generic/sg* "$device"/block/sd* "$device"/scsi_tape/nst*[0-9] \
        "$device"/scsi_changer/sch*
      [ -c "/dev/${4##*/}" ] && found_sg=/dev/${4##*/}
      for node in "/dev/${5##*/}" "/dev/${6##*/}" "/dev/${7##*/}"; do
        if [ -b "$node" ] || [ -c "$node" ]; then found=$node; fi
      done
    done
  done
  [ -n "$found" ] && [ -n "$found_sg" ]
}

# enter IFACE IQN PORTAL [NAME=VALUE...]: a session of its own by an interface of that name, whose initiator has
# the name that iface.initiatorname gives.
enter() {
  iface=$1 iqn=$2 portal=$3
  shift 3
  iscsiadm -m iface -I "$iface" >/dev/null 2>&1 || {
    iscsiadm -m iface -o new -I "$iface" >/dev/null
    iscsiadm -m iface -o update -I "$iface" -n iface.transport_name -v tcp >/dev/null
  }
  for setting in "$@"; do
    case $setting in
    iface.*) iscsiadm -m iface -o update -I "$iface" -n "${setting%%=*}" -v "${setting#*=}" >/dev/null ;;
    esac
  done
  iscsiadm -m node -T "$iqn" -p "$portal" -I "$iface" -o new >/dev/null
  for setting in "$@"; do
    case $setting in
    node.*)
      iscsiadm -m node -T "$iqn" -p "$portal" -I "$iface" -o update -n "${setting%%=*}" -v "${setting#*=}"
      ;;
    esac
  done
  iscsiadm -m node -T "$iqn" -p "$portal" -I "$iface" --login
}

# leave IFACE IQN PORTAL
leave() {
  iscsiadm -m node -T "$2" -p "$3" -I "$1" --logout
}

# Logs in unless we are, and waits for the disks and the tape: the login is over before the kernel
# has scanned. Without a discovery before it the record is made by hand.
attach() {
  mkdir -p /dev/block
  if ! iscsiadm -m session 2>/dev/null | grep -q " $IQN "; then
    iscsiadm -m node -T "$IQN" -p "$PORTAL" >/dev/null 2>&1 ||
      iscsiadm -m node -o new -T "$IQN" -p "$PORTAL" >/dev/null
    iscsiadm -m node -T "$IQN" -p "$PORTAL" --login
  fi
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    find_devices && break
    sleep 0.5
  done
  # A new session meets a unit attention on every LUN. The drivers take it in their stride, the sg_ tools
  # report it as a failure.
  for sg in $disk0_sg $disk1_sg $disk4k_sg $tape_sg; do
    sg_turs "$sg" >/dev/null 2>&1 || true
  done
  find_devices || {
    echo "not ok three disks and a tape are there # found '$disk0' '$disk1' '$disk4k' '$tape'"
    exit 1
  }
}

# The bytes that our session has moved so far, both ways.
carried() {
  # shellcheck disable=SC2046
  set -- $(iscsiadm -m session --stats | sed -n 's/.*xdata_octets: *//p')
  echo $(($1 + $2))
}

# inside NAME COMMAND...: the command succeeds, and the target does its work: what passes the initiator is
# questions and answers.
inside() {
  carried_before=$(carried)
  check "$@"
  passed=$(($(carried) - carried_before))
  if [ $passed -lt 16384 ]; then
    echo "ok $1: inside the target"
  else
    not_ok "$1: inside the target" "$passed bytes passed the initiator"
  fi
}

# mapped SG: the bytes of a disk that are mapped, as GET LBA STATUS tells; fails when it tells not all.
mapped() {
  size=$(sg_readcap --brief --16 "$1")
  sg_get_lba_status --brief --maxlen=65536 "$1" | {
    bytes=0 end=0
    while read -r lba blocks status _; do
      case $lba in 0x*) ;; *) continue ;; esac
      [ $((lba)) -eq $((end)) ] || exit 1
      end=$((lba + blocks))
      if [ $((status)) -eq 0 ]; then bytes=$((bytes + blocks * ${size##* })); fi
    done
    echo $bytes
    [ $((end)) -eq $((${size%% *})) ]
  }
}

# Disks without the page cache between: what counts is what the target has. All in blocks of 512 bytes,
# moved by the MiB.

# blocks_of DEVICE LBA COUNT: to stdout.
blocks_of() {
  dd if="$1" bs=1M skip=$(($2 * 512)) count=$(($3 * 512)) iflag=direct,skip_bytes,count_bytes status=none
}

# holds DEVICE LBA COUNT FILE: these blocks are the file's first ones; /dev/zero is a file too.
holds() {
  blocks_of "$1" "$2" "$3" | cmp -n $(($3 * 512)) - "$4"
}

# fill DEVICE FILE MIB: the first MiB of the device are the file's, /dev/urandom's or /dev/zero's.
fill() {
  dd if="$2" of="$1" bs=1M count="$3" oflag=direct iflag=fullblock status=none
}

# The logical unit's own NAA designator of a device, in hex, out of VPD page 83h. Its bytes are the
# arguments: code set, association and type, reserved, length, designator.
naa_of() {
  # shellcheck disable=SC2046
  set -- $(sg_vpd --page=0x83 --raw "$1" | od -An -v -tx1)
  shift 4
  while [ $# -ge 4 ]; do
    kind=$((0x$2 & 0x3f)) length=$((0x$4)) designator=''
    shift 4
    while [ $length -gt 0 ] && [ $# -gt 0 ]; do
      designator=$designator$1 length=$((length - 1))
      shift
    done
    if [ $kind -eq 3 ]; then
      echo "$designator"
      return
    fi
  done
  return 1
}
