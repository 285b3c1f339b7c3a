#!/bin/sh
# A file system: made, filled, checked, mounted again, compared, trimmed.
. ./lib.sh
attach

check 'mkfs.ext4' mkfs.ext4 -q -F "$disk0"
check 'mount' mount -t ext4 "$disk0" /mnt

populate() {
  cp -a /usr/bin /usr/sbin /mnt/ &&
    dd if=/dev/urandom of=/mnt/random bs=1M count=16 status=none &&
    ln -s random /mnt/link && mkdir /mnt/empty
}
checksum() { (cd /mnt && sha256sum random >/run/sums); }
check 'files are written' populate
check 'a checksum is taken' checksum
check 'umount' umount /mnt
check 'fsck finds no fault' e2fsck -fn "$disk0"

again() { blockdev --flushbufs "$disk0" && echo 3 >/proc/sys/vm/drop_caches && mount -t ext4 "$disk0" /mnt; }
verify() { (cd /mnt && sha256sum --quiet -c /run/sums); }
check 'mount again, with nothing in the page cache' again
check 'the checksum is right' verify
check 'the programs are what they were' diff -r --no-dereference /usr/bin /mnt/bin

check 'files are deleted' rm -r /mnt/random /mnt/bin
says 'fstrim gives blocks back' '[1-9][0-9]* bytes' fstrim -v /mnt
check 'the programs that were left are what they were' diff -r --no-dereference /usr/sbin /mnt/sbin
check 'umount after the trim' umount /mnt
check 'fsck finds no fault after the trim' e2fsck -fn "$disk0"
