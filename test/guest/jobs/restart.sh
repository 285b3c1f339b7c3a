#!/bin/sh
# The target is killed while a file system writes, and started again on its files: the session outlives it.
. ./lib.sh
mark restart

enter_lasting() { enter last "$LASTING_IQN" "$LASTING_PORTAL" node.session.timeo.replacement_timeout=120; }
check 'login' enter_lasting
check 'the disk is there' eventually find_unit "$LASTING_IQN" last 0
eventually find_unit "$LASTING_IQN" last 0
disk=$found
eventually find_unit "$LASTING_IQN" last 1
raw=$found

check 'mkfs' mkfs.ext4 -q -F "$disk"
check 'mount' mount -t ext4 "$disk" /mnt
# One file by way of the page cache with an fsync every few blocks, the other disk past it.
fio --directory=/mnt --name=file --size=16M --bs=16k --rw=randwrite --fsync=8 --rate_iops=100 \
  --verify=crc32c --verify_fatal=1 --randseed=17 --output=/run/fio.file >/dev/null 2>&1 &
fio_file=$!
fio --name=raw --filename="$raw" --size=16M --direct=1 --ioengine=libaio --iodepth=8 --bs=16k --rw=randwrite \
  --fsync=32 --rate_iops=100 --verify=crc32c --verify_fatal=1 --randseed=18 --output=/run/fio.raw >/dev/null 2>&1 &
fio_raw=$!
working() { [ -d /proc/$fio_file ] && [ -d /proc/$fio_raw ]; }
state() { cat /sys/class/iscsi_session/session*/state | grep -qx "$1"; }
sleep 2
check 'fio is at work' working
check 'the target is killed' ask kill
check 'the session has failed' eventually state FAILED
sleep 1
check 'the target is started again' ask start
back() { ! state FAILED; }
check 'the session is back' patiently back
check 'fio goes on' working
done_well() { wait "$1"; }
if done_well $fio_file; then
  echo 'ok the file is what was written'
else
  not_ok 'the file is what was written' "$(cat /run/fio.file)"
fi
if done_well $fio_raw; then
  echo 'ok the disk is what was written'
else
  not_ok 'the disk is what was written' "$(cat /run/fio.raw)"
fi
check 'umount' umount /mnt
check 'fsck finds no fault' e2fsck -fn "$disk"
clean() { ! kernel_since restart | grep -E 'I/O error, dev sd|EXT4-fs error|JBD2: .*error'; }
check 'no error reached the file system' clean

# And once more when nothing is in flight: what was answered is there.
sums() { { sha256sum </mnt/file.0.0 && blocks_of "$raw" 0 32768; } | sha256sum; }
check 'mount again' mount -t ext4 "$disk" /mnt
sum=$(sums)
check 'umount once more' umount /mnt
check 'the target is killed once more' ask kill
check 'the target is started once more' ask start
check 'the session is back once more' patiently back
cold() { echo 3 >/proc/sys/vm/drop_caches && mount -t ext4 "$disk" /mnt; }
check 'mount with nothing in the page cache' patiently cold
equal 'what was answered is there' "$(sums)" "$sum"
check 'umount at the end' umount /mnt
check 'logout' leave last "$LASTING_IQN" "$LASTING_PORTAL"
