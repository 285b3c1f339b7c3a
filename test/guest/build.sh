#!/usr/bin/env bash
# Builds the guest of the live test: a Debian kernel and an initramfs of unpacked Debian packages.
# Prints the directory that holds `vmlinux` and `initramfs`; when they are there already, that is all.
#
# It needs apt's package lists but neither root nor a chroot: apt resolves and fetches, dpkg-deb unpacks,
# nothing of it is installed. There is no udev, no systemd and no package script in the guest, so that it
# is up in a few seconds under plain emulation.
set -Eeuo pipefail
export LC_ALL=C
trap 'echo "build.sh: line $LINENO failed: $BASH_COMMAND" >&2' ERR

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# The cloud kernel is a third of the size of the generic one and still has iSCSI, sd, sg, st and ch.
packages=(
  linux-image-cloud-amd64
  coreutils dash diffutils e2fsprogs fio grep iproute2 kmod mawk mount sed tar util-linux xfsprogs
  ddpt dmsetup lsscsi mt-st mtx open-iscsi sdparm sg3-utils
  bacula-console bacula-director bacula-director-sqlite3 bacula-fd bacula-sd sqlite3
)

# What apt is told is installed already: packages that only serve an installation, and there is none; and
# those without which Bacula does here.
stand_ins=(
  adduser debconf dpkg init-system-helpers initramfs-tools linux-base passwd perl-base python3 systemd udev
  bsd-mailx dbconfig-no-thanks file perl sysvinit-utils ucf
)

# Modules that the guest loads; what they depend on comes along. What is built in is skipped.
modules=(
  qemu_fw_cfg virtio_pci virtio_net
  iscsi_tcp sd_mod sg st ch
  ext4 xfs dm-multipath dm-service-time
)

fail() {
  echo "build.sh: $*" >&2
  exit 2
}

[ "$(uname -sm)" = 'Linux x86_64' ] || fail "the guest is built on x86-64 Linux only"
while read -r command package; do
  command -v "$command" >/dev/null || fail "$command is missing: install the Debian package $package"
done <<'LIST'
apt-get apt
dpkg-deb dpkg
cpio cpio
lz4 lz4
LIST

cache=${SANLET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sanlet}
mkdir -p "$cache"
# One build at a time: whoever waited finds what the other one has made.
exec 9>"$cache/building.lock"
flock 9
guest=$cache/guest-$(cat "$here/build.sh" "$here/init.sh" | sha256sum | cut -c1-12)
if [ -d "$guest" ]; then
  touch "$guest"
  echo "$guest"
  exit 0
fi

# Everything is made in a directory beside the final one and renamed as a whole: a build that was
# interrupted leaves nothing that looks like a guest.
work=$(mktemp -d "$cache/.building-XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$work/archives/partial" "$work/guest"

# Which packages: apt's own resolver, on a machine that has nothing but the stand-ins.
printf 'Package: %s\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: allowed\nVersion: 9999\nMaintainer: none\nDescription: stand-in\n\n' \
  "${stand_ins[@]}" >"$work/status"
apt-get install --yes --quiet --no-install-recommends --download-only \
  -o "Dir::State::status=$work/status" -o "Dir::Cache=$work" -o Debug::NoLocking=true \
  -o "APT::Sandbox::User=$(id -un)" "${packages[@]}" >"$work/apt.log" 2>&1 ||
  fail "apt cannot fetch the guest's packages (has apt-get update run?): $(tail -n 3 "$work/apt.log" | tr '\n' ' ')"

# The tree: one /usr, as every Debian machine has it, without documentation.
mkdir -p "$root"/{dev,etc,mnt,proc,run,sys,tmp,usr/{bin,sbin,lib,lib64},var/lib}
for directory in bin sbin lib lib64; do
  ln -s "usr/$directory" "$root/$directory"
done
ln -s /run "$root/var/run"
ln -s /run/lock "$root/var/lock"
for archive in "$work"/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$archive" |
    tar --extract --directory "$root" --keep-directory-symlink --no-same-owner \
      --exclude './usr/share/*' --exclude '*/gconv/*'
done
# The one thing below /usr/share that somebody needs: the tables of Bacula's catalog.
dpkg-deb --fsys-tarfile "$work"/archives/bacula-director-sqlite3_*.deb |
  tar --extract --to-stdout ./usr/share/dbconfig-common/data/bacula-director-sqlite3/install/sqlite3 >"$root/etc/bacula/catalog.sql"
cp "$here/init.sh" "$root/init"
chmod 755 "$root/init"
ln -sf dash "$root/usr/bin/sh"
ln -sf mt-st "$root/usr/bin/mt"
ln -sf mawk "$root/usr/bin/awk"
echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
echo 'InitiatorName=iqn.2026-01.io.sanlet:guest' >"$root/etc/iscsi/initiatorname.iscsi"
# 128 MiB of receive buffer, of which little is ever used. While a busy socket works off what has come in
# meanwhile, this kernel counts all of that as occupied; emulation is slow enough that it then closes the
# window of 64 KiB, and it does not open it again: reads would stall for the 5 s until the next probe.
echo 'node.conn[0].tcp.window_size = 134217728' >>"$root/etc/iscsi/iscsid.conf"

# The kernel as the ELF file inside the bzImage: QEMU enters it directly (PVH), where it would emulate a
# BIOS and a decompressor first. The setup header tells where the compressed payload is;
# its last four bytes are the size of what comes out of it.
bzimage=$(echo "$root"/boot/vmlinuz-*)
number() { od -An "-tu$3" -j "$1" -N "$2" "$bzimage" | tr -d ' '; }
start=$((($(number 497 1 1) + 1) * 512 + $(number 584 4 4)))
dd "if=$bzimage" "skip=$start" "count=$(($(number 588 4 4) - 4))" iflag=skip_bytes,count_bytes bs=1M status=none |
  lz4 -dc >"$work/guest/vmlinux"

# Of the modules only those that we load, found by the guest's own kmod, and without their signatures:
# checking those takes the emulated processor seconds. A signature ends in 4 bytes of length, big
# endian, and a 28-byte mark, and begins with a 12-byte header that has that length at its end.
version=${bzimage##*/vmlinuz-}
libraries=$root/usr/lib/x86_64-linux-gnu
guest_kmod() { "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" --argv0 "$1" "$root/usr/bin/kmod" "${@:2}"; }
guest_kmod depmod -b "$root" "$version"
for module in "${modules[@]}"; do
  guest_kmod modprobe --dirname "$root" --set-version "$version" --show-depends "$module"
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u >"$work/wanted"
find "$root/lib/modules" -name '*.ko' | sort | comm -23 - "$work/wanted" | xargs -r rm
while read -r module; do
  if [ "$(tail -c 28 "$module")" = '~Module signature appended~' ]; then
    truncate -s "-$((40 + $(tail -c 32 "$module" | od -An -tu4 --endian=big -N 4)))" "$module"
  fi
done <"$work/wanted"
rm -r "${root:?}/boot"
echo "${modules[@]}" >"$root/etc/modules"

(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) >"$work/guest/initramfs"
mv -T "$work/guest" "$guest"
# Guests of other versions of these scripts that nobody has used for a week.
find "$cache" -mindepth 1 -maxdepth 1 -name 'guest-*' -mtime +7 -exec rm -r {} +
echo "$guest"
