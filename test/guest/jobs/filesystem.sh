#!/bin/sh
# File systems on disks of both block lengths: made, filled, checked, mounted again, compared, trimmed.
. ./lib.sh
attach

populate() {
  cp -a /usr/sbin /mnt/ &&
    dd if=/dev/urandom of=/mnt/kept bs=1M count=8 status=none &&
    dd if=/dev/urandom of=/mnt/random bs=1M count=24 status=none &&
    ln -s kept /mnt/link && mkdir /mnt/empty
}
checksum() { (cd /mnt && sha256sum kept random >/run/sums); }
again() { blockdev --flushbufs "$2" && echo 3 >/proc/sys/vm/drop_caches && mount -t "$1" "$2" /mnt; }
verify() { (cd /mnt && sha256sum --quiet -c /run/sums); }
fsck() {
  case $1 in
  ext4) e2fsck -fn "$2" ;;
  xfs) xfs_repair -n "$2" ;;
  esac
}

# round NAME TYPE DISK SG MKFS...
round() {
  what=$1 type=$2 disk=$3 sg=$4
  shift 4
  check "$what: mkfs" "$@" "$disk"
  check "$what: mount" mount -t "$type" "$disk" /mnt
  check "$what: files are written" populate
  check "$what: checksums are taken" checksum
  check "$what: umount" umount /mnt
  check "$what: the check finds no fault" fsck "$type" "$disk"
  check "$what: mount again, with nothing in the page cache" again "$type" "$disk"
  check "$what: the checksums are right" verify
  check "$what: the programs are what they were" diff -r --no-dereference /usr/sbin /mnt/sbin

  sync
  full=$(mapped "$sg")
  check "$what: a file is deleted" rm /mnt/random
  sync
  says "$what: fstrim gives blocks back" '[1-9][0-9]* bytes' fstrim -v /mnt
  sync
  # 24 MiB went; what the journal or the log got meanwhile is less than one.
  given=$((full - $(mapped "$sg")))
  if [ $given -gt $((23 << 20)) ]; then
    echo "ok $what: the disk has given them back"
  else
    not_ok "$what: the disk has given them back" "$given bytes of $full"
  fi
  check "$what: umount after the trim" umount /mnt
  check "$what: the check finds no fault after the trim" fsck "$type" "$disk"
  sed -i /random/d /run/sums
  check "$what: mount what was trimmed" again "$type" "$disk"
  check "$what: what was kept is right" verify
  check "$what: the programs that were kept are right" diff -r --no-dereference /usr/sbin /mnt/sbin
  check "$what: umount at the end" umount /mnt
}

equal 'the first disk has blocks of 512 bytes' "$(blockdev --getss "$disk0")" 512
equal 'of which 8 are a physical one' "$(blockdev --getpbsz "$disk0")" 4096
equal 'the third disk has blocks of 4,096 bytes' "$(blockdev --getss "$disk4k")" 4096
round 'ext4, 512e' ext4 "$disk0" "$disk0_sg" mkfs.ext4 -q -F
round 'xfs, 512e' xfs "$disk1" "$disk1_sg" mkfs.xfs -q -f
round 'ext4, 4Kn' ext4 "$disk4k" "$disk4k_sg" mkfs.ext4 -q -F
round 'xfs, 4Kn' xfs "$disk4k" "$disk4k_sg" mkfs.xfs -q -f -s size=4096
