#!/bin/sh
# What the jobs with tape drives share; comes after lib.sh.

# take_drives: logs in unless we are, and finds drives and changer by their LUNs, as $drive0 $drive0_sg and so on. The
# drives are as new: variable blocks, a loaded cartridge at its beginning, and the options that st has by itself.
take_drives() {
  iscsiadm -m session 2>/dev/null | grep -q " $IQN " || enter tapes "$IQN" "$PORTAL"
  if ! patiently find_unit "$IQN" tapes 2; then
    echo 'not ok the drives are there'
    exit 1
  fi
  for lun in 0 1 2; do
    find_unit "$IQN" tapes $lun
    eval "drive$lun=$found drive${lun}_sg=$found_sg"
    # A new session meets a unit attention.
    sg_turs "$found_sg" >/dev/null 2>&1 || true
    mt -f "$found" load >/dev/null 2>&1 || true
    mt -f "$found" rewind
    mt -f "$found" setblk 0
  done
}

# record SIZE LETTER: contents that tell one record from another.
record() { head -c "$1" /dev/zero | tr '\0' "$2"; }
# incompressible MIB: that much to stdout. A MiB of random bytes over and over: random ones take the emulated processor
# long, and no drive finds that a record is like that of a MiB before.
incompressible() {
  [ -s /run/random ] || head -c 1048576 /dev/urandom >/run/random
  for _ in $(seq "$1"); do
    cat /run/random
  done
}
# place DRIVE: the number of the object that comes next.
place() { mt -f "$1" tell | tr -cd 0-9; }
