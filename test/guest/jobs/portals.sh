#!/bin/sh
# One disk by way of two portals: one after the other is pulled and put back while fio writes and verifies.
. ./lib.sh

# What multipathd would do: fail early, tell the paths that they are back. A cable that is pulled breaks its
# connection: pings need not be in a hurry, and on a loaded machine none comes back within 2 s.
enter_by() {
  enter "$1" "$IQN" "$2" node.session.timeo.replacement_timeout=1 \
    node.conn[0].timeo.noop_out_interval=1 node.conn[0].timeo.noop_out_timeout=30
}
check 'a session by way of portal A' enter_by a "$CABLE_A"
check 'a session by way of portal B' enter_by b "$CABLE_B"
find_both() {
  find_unit "$IQN" a 0 && disk_a=$found && find_unit "$IQN" b 0 && disk_b=$found &&
    read -r dev_a <"/sys/block/${disk_a#/dev/}/dev" && read -r dev_b <"/sys/block/${disk_b#/dev/}/dev"
}
check 'both have the disk' patiently find_both
eventually find_both

export DM_DISABLE_UDEV=1
pair=/dev/mapper/portals
table="0 $(blockdev --getsz "$disk_a") multipath 0 0 1 1 service-time 0 2 1 $dev_a 1 $dev_b 1"
check 'a multipath device of both' dmsetup create portals --table "$table"

# Status of a path: A for active, F for failed.
path_is() { dmsetup status portals | grep -q " $1 $2 "; }
mend() {
  read -r state <"/sys/dev/block/$1/device/state" && [ "$state" = running ] &&
    dmsetup message portals 0 "reinstate_path $1" && path_is "$1" A
}
# Round after round of random writes that are read back, until it is told to stop.
rm -f /run/stop
load() {
  until [ -e /run/stop ]; do
    fio --name=portals --filename="$pair" --size=16M --direct=1 --ioengine=libaio --iodepth=8 --bs=32k \
      --rw=randwrite --verify=crc32c --verify_fatal=1 --verify_backlog=64 --rate_iops=150,150 --randseed=4711 || return 1
  done
}
load >/run/fio.portals 2>&1 &
fio=$!
working() { [ -d /proc/$fio ]; }
sleep 2
check 'fio is at work' working
check 'portal B is pulled' ask pull B
check 'its path fails' patiently path_is "$dev_b" F
sleep 1
check 'fio goes on without B' working
check 'portal B is put back' ask put-back B
check 'its path is back' patiently mend "$dev_b"
check 'portal A is pulled' ask pull A
check 'its path fails, too' patiently path_is "$dev_a" F
sleep 1
check 'fio goes on without A' working
check 'portal A is put back' ask put-back A
check 'its path is back, too' patiently mend "$dev_a"
touch /run/stop
if wait $fio; then
  echo 'ok fio met no error and read back what it wrote'
else
  not_ok 'fio met no error and read back what it wrote' "$(cat /run/fio.portals)"
fi
says 'fio wrote all of it' 'write: .*\(16\.0MiB/' cat /run/fio.portals

# Once more, from the beginning to the end and past the page cache.
check 'all of it is right' fio --name=portals --filename="$pair" --size=16M --direct=1 --bs=32k \
  --rw=randwrite --verify=crc32c --verify_fatal=1 --verify_only --randseed=4711
check 'the device is removed' dmsetup remove portals
check 'the session by way of A ends' leave a "$IQN" "$CABLE_A"
check 'the session by way of B ends' leave b "$IQN" "$CABLE_B"
