#!/bin/sh
# The session ends, the devices go, and the kernel has nothing to complain about.
. ./lib.sh
attach

check 'logout' iscsiadm -m node -T "$IQN" -p "$PORTAL" --logout
gone() { [ ! -e "$disk0" ] && [ ! -e "$disk1" ] && [ ! -e "$tape" ]; }
for _ in 1 2 3 4 5 6 7 8 9 10; do
  gone && break
  sleep 0.5
done
check 'the devices are gone' gone
refuses 'no session is left' 'no active sessions' iscsiadm -m session
check 'login once more' iscsiadm -m node -T "$IQN" -p "$PORTAL" --login
attach
check 'the disk reads' dd if="$disk0" of=/dev/null bs=1M count=1 status=none
check 'logout once more' iscsiadm -m node -T "$IQN" -p "$PORTAL" --logout

complaints() {
  ! dmesg | grep -E 'I/O error, dev sd|EXT4-fs error|BUG:|WARNING:|Oops|detected conn error|reset (succeeded|failed)'
}
check 'the kernel logged no fault' complaints
