#!/bin/sh
# Two sessions: two paths to one disk, of which one is cut.
. ./lib.sh
attach

session() { iscsiadm -m node -T "$IQN" -p "$PORTAL" -I "$@"; }
check 'a second interface' iscsiadm -m iface -o new -I second
check 'its transport' iscsiadm -m iface -o update -I second -n iface.transport_name -v tcp
check 'a record for it' session second -o new
check 'a second session' session second --login

# The devices that have the first disk's name, as major:minor.
read -r wwid <"/sys/block/${disk0#/dev/}/device/wwid"
find_paths() {
  paths='' count=0
  for disk in /sys/block/sd*; do
    read -r other <"$disk/device/wwid" || continue
    [ "$other" = "$wwid" ] || continue
    read -r numbers <"$disk/dev"
    paths="$paths $numbers 1" count=$((count + 1))
  done
  [ $count -eq 2 ]
}
for _ in 1 2 3 4 5 6 7 8 9 10; do
  find_paths && break
  sleep 0.5
done
equal 'two devices have one name' "$count" 2

# Nobody else here makes its node.
export DM_DISABLE_UDEV=1
pair=/dev/mapper/pair
table="0 $(blockdev --getsz "$disk0") multipath 0 0 1 1 service-time 0 2 1$paths"
check 'a multipath device of them' dmsetup create pair --table "$table"
check 'it is written' fill "$pair" /dev/urandom 8
blocks_of "$pair" 0 16384 >before
check 'one path holds it' holds "$disk0" 0 16384 before
check 'one path is cut' session second --logout
check 'the other one reads' holds "$pair" 0 16384 before
check 'the other one writes' fill "$pair" /dev/zero 8
check 'what was written is there' holds "$pair" 0 16384 /dev/zero
check 'the device is removed' dmsetup remove pair
check 'logout' session default --logout
