#!/bin/sh
# What the jobs with tape drives share; comes after lib.sh.

# take LUN: logs in unless we are, and gives the device as $found and $found_sg.
take() {
  iscsiadm -m session 2>/dev/null | grep -q " $IQN " || enter tapes "$IQN" "$PORTAL"
  if ! patiently find_unit "$IQN" tapes "$1"; then
    echo "not ok LUN $1 is there"
    exit 1
  fi
  # A new session meets a unit attention.
  sg_turs "$found_sg" >/dev/null 2>&1 || true
}

# take_drives: $drive0 $drive0_sg to $drive2 $drive2_sg. They are as new: a loaded cartridge at its beginning,
# variable blocks.
take_drives() {
  for lun in 0 1 2; do
    take $lun
    eval "drive$lun=$found drive${lun}_sg=$found_sg"
    mt -f "$found" load >/dev/null 2>&1 || true
    mt -f "$found" rewind
    mt -f "$found" setblk 0
  done
}

# take_library: its drives $lib0 and $lib1, its changer $changer.
take_library() {
  for lun in 3 4; do
    take $lun
    eval "lib$((lun - 3))=$found lib$((lun - 3))_sg=$found_sg"
  done
  take 5
  changer=$found changer_sg=$found_sg
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
