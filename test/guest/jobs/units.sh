#!/bin/sh
# Units that change while a session is attached: larger, write protected, added, removed; a LUN above 255.
. ./lib.sh
mark units

check 'login' enter units "$PLAIN_IQN" "$FIRST_PORTAL"
unit() { find_unit "$PLAIN_IQN" units "$1"; }
check 'the disk is there' eventually unit 0
eventually unit 0
disk=$found disk_sg=$found_sg
eventually unit 1
other=$found other_sg=$found_sg
calm() { sg_turs "$disk_sg" >/dev/null 2>&1 || sg_turs "$disk_sg" >/dev/null 2>&1 || true; }
rescan() { iscsiadm -m node -T "$PLAIN_IQN" -p "$FIRST_PORTAL" -I units --rescan; }
size_is() { [ "$(blockdev --getsize64 "$1")" -eq $(($2 << 20)) ]; }
room() { df --output=size --block-size=1M /mnt | tail -n 1; }
# The kernel says so once it has sent a command.
heard() { dd if="$disk" of=/dev/null bs=4096 count=1 iflag=direct status=none && kernel_since units | grep -q "$1"; }

grow() {
  what=$1 type=$2 node=$3 lun=$4 before=$5 after=$6
  shift 6
  check "$what: the disk has its size" size_is "$node" "$before"
  check "$what: mkfs" "mkfs.$type" -q "$node"
  check "$what: mount" mount -t "$type" "$node" /mnt
  check "$what: a file is written" dd if=/dev/urandom of=/mnt/file bs=1M count=16 status=none conv=fsync
  sum=$(sha256sum </mnt/file)
  small=$(room)
  check "$what: the disk grows" ask resize "$lun" "${after}M"
  check "$what: the session is scanned again" rescan
  check "$what: the kernel sees the new size" eventually size_is "$node" "$after"
  check "$what: the file system grows while it is mounted" "$@"
  if [ "$(room)" -ge $((small + (after - before) * 9 / 10)) ]; then
    echo "ok $what: there is room"
  else
    not_ok "$what: there is room" "$(room) MiB after $small"
  fi
  check "$what: what is new is filled" dd if=/dev/zero of=/mnt/more bs=1M count=$((small - 20 + (after - before) / 2)) \
    status=none conv=fsync
  check "$what: umount" umount /mnt
  echo 3 >/proc/sys/vm/drop_caches
  check "$what: mount again" mount -t "$type" "$node" /mnt
  equal "$what: the file is what it was" "$(sha256sum </mnt/file)" "$sum"
  check "$what: umount again" umount /mnt
}
grow 'ext4' ext4 "$disk" 0 64 96 resize2fs "$disk"
check 'fsck finds no fault' e2fsck -fn "$disk"
grow 'xfs' xfs "$other" 1 320 352 xfs_growfs /mnt
check 'xfs_repair finds no fault' xfs_repair -n "$other"
check 'a disk may be looked at again by itself' ask resize 0 80M
refuses 'the initiator is told' 'capacity data has changed' sg_turs -v "$disk_sg"
again() { echo 1 >"/sys/block/${disk#/dev/}/device/rescan" && size_is "$disk" 80; }
check 'the smaller size is seen' eventually again

check 'the disk is write protected' ask protect 0 yes
calm
refuses 'a write is refused' 'data protect|write protect' sg_raw --verbose --send=512 --infile=/dev/zero "$disk_sg" \
  2a 00 00 00 00 00 00 00 01 00
check 'a read is not' dd if="$disk" of=/dev/null bs=4096 count=1 iflag=direct status=none
is_ro() { echo 1 >"/sys/block/${disk#/dev/}/device/rescan" && [ "$(blockdev --getro "$disk")" = "$1" ]; }
check 'the kernel sees it read-only' eventually is_ro 1
check 'it may be written again' ask protect 0 no
calm
check 'the kernel sees it writable' eventually is_ro 0
check 'a write is done' dd if=/dev/zero of="$disk" bs=4096 count=1 oflag=direct status=none

refuses 'LUN 7 is not there' '.*' unit 7
check 'a disk is added at LUN 7' ask add 7 late 48M
check 'the kernel is told that LUNs have changed' eventually heard 'LUN assignments on this target have changed'
check 'the session is scanned for it' rescan
check 'LUN 7 is there' eventually unit 7
eventually unit 7
late=$found late_sg=$found_sg
check 'it has its size' size_is "$late" 48
says 'REPORT LUNS has it' '^ *0007000000000000' sg_luns "$disk_sg"
check 'it is written' fill "$late" /dev/urandom 4
check 'it is taken away' ask remove 7
calm
refuses 'it cannot be read' 'input/output error|no such device|remote I/O' \
  dd if="$late" of=/dev/null bs=4096 count=1 iflag=direct status=none
refuses 'a command finds no unit' 'logical unit not supported' sg_raw --verbose "$late_sg" 28 00 00 00 00 00 00 00 01 00
lists() { sg_luns "$disk_sg" | grep -q '^ *0007000000000000'; }
refuses 'REPORT LUNS has it no more' '.*' lists
echo 1 >"/sys/block/${late#/dev/}/device/delete"
check 'the session is scanned when it is gone' rescan
refuses 'LUN 7 is not there again' '.*' unit 7

# Flat space addressing: the kernel's own number for LUN 300 is 412Ch.
says 'REPORT LUNS has LUN 300' '^ *412c000000000000' sg_luns "$disk_sg"
says 'by flat addressing' 'flat space addressing: lun=300' sg_luns --decode "$disk_sg"
check 'the kernel has LUN 300' unit 16684
unit 16684
far=$found
check 'LUN 300 has its size' size_is "$far" 24
check 'LUN 300 is written' fill "$far" /dev/urandom 4
blocks_of "$far" 0 8192 >written
echo 3 >/proc/sys/vm/drop_caches
check 'LUN 300 is read' holds "$far" 0 8192 written
refuses 'its low byte is no LUN' '.*' unit 44
complaints() { ! kernel_since units | grep -E 'EXT4-fs error|XFS.*(corrupt|error)|BUG:|WARNING:|Oops'; }
check 'the kernel logged no fault' complaints
check 'logout' leave units "$PLAIN_IQN" "$FIRST_PORTAL"
