#!/bin/sh
# Two portal groups, which are two target ports of one target; and logins that are sent from one to the other.
. ./lib.sh

discover() { iscsiadm -m discovery -t sendtargets -p "$FIRST_PORTAL"; }
says 'discovery finds the first portal' "^$FIRST_PORTAL,1 $PLAIN_IQN\$" discover
says 'discovery finds the second portal' "^$SECOND_PORTAL,2 $PLAIN_IQN\$" discover
# What discovery left is in the way of the records by hand.
iscsiadm -m discoverydb -t sendtargets -p "$FIRST_PORTAL" -o delete
initiator=iqn.2026-01.io.sanlet:ports
check 'login by the first port' enter one "$PLAIN_IQN" "$FIRST_PORTAL" "iface.initiatorname=$initiator"
check 'login by the second port' enter two "$PLAIN_IQN" "$SECOND_PORTAL" "iface.initiatorname=$initiator"
eventually find_unit "$PLAIN_IQN" one 0
one=$found one_sg=$found_sg
eventually find_unit "$PLAIN_IQN" two 0
two=$found two_sg=$found_sg
calm() { for sg in "$one_sg" "$two_sg"; do sg_turs "$sg" >/dev/null 2>&1 || true; done; }
calm

says 'page 83h names the first port' 'relative target port: 0x1' sg_vpd --page=0x83 "$one_sg"
says 'page 83h names the second port' 'relative target port: 0x2' sg_vpd --page=0x83 "$two_sg"
says 'and its group' 'target port group: 0x2' sg_vpd --page=0x83 "$two_sg"
says 'REPORT TARGET PORT GROUPS has the first' 'target port group id : 0x1' sg_rtpg --decode "$two_sg"
says 'REPORT TARGET PORT GROUPS has the second' 'target port group id : 0x2' sg_rtpg --decode "$one_sg"
check 'what one port writes' fill "$one" /dev/urandom 2
blocks_of "$one" 0 4096 >written
check 'the other one reads' holds "$two" 0 4096 written

check 'the second group is put on standby' sg_stpg --standby --tp=2 "$one_sg"
says 'that is told' 'standby' sg_rtpg --decode "$one_sg"
refuses 'the initiator is told' 'asymmetric access state changed' sg_turs --verbose "$two_sg"
refuses 'the second port serves no blocks' 'standby' sg_raw --verbose --request=512 "$two_sg" 28 00 00 00 00 00 00 00 01 00
check 'the first one does' holds "$one" 0 4096 written
check 'the second group is active again' sg_stpg --active --tp=2 "$one_sg"
calm
check 'the second port serves blocks' holds "$two" 0 4096 written
check 'and is optimized again' sg_stpg --optimized --tp=2 "$one_sg"
calm

# A registration at all target ports holds at the port that it did not come in by, for the same initiator port.
out() { sg_persist -n --out "$@"; }
status() { sg_persist -n --in --read-full-status "$two_sg"; }
check 'the initiator registers at all ports' out --register --param-sark=0xabc --param-alltgpt "$one_sg"
calm
says 'its key is there' 'key=0xabc' status
says 'at all ports' 'all target ports bit set' status
check 'it clears' out --clear --param-rk=0xabc "$one_sg"
calm
check 'logout of the first' leave one "$PLAIN_IQN" "$FIRST_PORTAL"
check 'logout of the second' leave two "$PLAIN_IQN" "$SECOND_PORTAL"

# open-iscsi keeps the portal that it knows and tells where it really is.
where() { iscsiadm -m session -P 1 | sed -n "/Target: $1 /,/Iface Name/p"; }
for target in "for now:$MOVED_IQN" "for good:$GONE_IQN"; do
  how=${target%%:*} iqn=${target#*:}
  check "moved $how: login" enter moved "$iqn" "$FIRST_PORTAL"
  says "moved $how: it ended at the second portal" "current portal: $SECOND_PORTAL,2" where "$iqn"
  says "moved $how: it began at the first" "persistent portal: $FIRST_PORTAL" where "$iqn"
  check "moved $how: the disk is there" eventually find_unit "$iqn" moved 0
  eventually find_unit "$iqn" moved 0
  check "moved $how: it is written" fill "$found" /dev/urandom 1
  check "moved $how: logout" leave moved "$iqn" "$FIRST_PORTAL"
done
