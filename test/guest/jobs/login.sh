#!/bin/sh
# Discovery, login, the LUN scan.
. ./lib.sh

discover() { iscsiadm -m discovery -t sendtargets -p "$PORTAL"; }

says 'discovery finds the target at the advertised portal' "^$PORTAL,1 $IQN\$" discover
check 'login' iscsiadm -m node -T "$IQN" -p "$PORTAL" --login
attach
echo 'ok three disks and a tape are there'
lsscsi -g || true
says 'the session is logged in' 'iSCSI Session State: LOGGED_IN' iscsiadm -m session -P 1
says 'discovery works beside a session' "$IQN" discover
equal 'disk 0 has its size' "$(blockdev --getsize64 "$disk0")" "$DISK_BYTES"
equal 'disk 1 has its size' "$(blockdev --getsize64 "$disk1")" "$DISK_BYTES"
equal 'the disk of long blocks has its size' "$(blockdev --getsize64 "$disk4k")" "$DISK_BYTES"
check 'the LUNs are scanned again' iscsiadm -m session --rescan
check 'the disk is still there' blockdev --getsize64 "$disk0"
