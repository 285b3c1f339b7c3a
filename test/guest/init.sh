#!/bin/sh
# PID 1 of the guest: brings up what the jobs need, runs them one after the other and switches off.
#
# QEMU hands over the jobs and their settings as firmware configuration files, which the kernel shows
# in /sys: `env` with the settings and one file a job. The answer is what appears on the console; the
# lines that begin with @@ are this script's own.
export PATH=/usr/sbin:/usr/bin HOME=/tmp

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /run/lock /run/jobs
# One modprobe for all of them; the names are words on purpose.
# shellcheck disable=SC2046
modprobe -a $(cat /etc/modules)

for file in /sys/firmware/qemu_fw_cfg/by_name/opt/sanlet/*; do
  cat "$file/raw" >"/run/jobs/${file##*/}"
done
set -a
# shellcheck source=/dev/null
. /run/jobs/env
set +a

# Lets iscsid have the receive buffer that its configuration asks for.
echo 268435456 >/proc/sys/net/core/rmem_max
ip link set lo up
ip address add 10.0.2.15/24 dev eth0
ip link set eth0 up
# Why a login failed is told here and nowhere else.
iscsid --foreground >/run/iscsid.log 2>&1 &

# What the test answers a job that asks comes in here, and need not go out again.
stty -F /dev/ttyS0 -echo

cd /run/jobs || exit
echo "@@ up"
for job in $JOBS; do
  echo "@@ begin $job"
  timeout --kill-after=5 "$JOB_SECONDS" sh -eu "$job.sh"
  echo "@@ end $job $?"
  # What a job that broke off has left would be in the way of the others.
  dmsetup remove_all --force
  mountpoint -q /mnt && umount -l /mnt
done
echo "@@ what iscsid said"
tail -n 20 /run/iscsid.log
echo "@@ what the kernel said"
dmesg | tail -n 20
echo o >/proc/sysrq-trigger
sleep 10
