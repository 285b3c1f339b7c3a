#!/bin/sh
# Persistent reservations: two initiators at one disk, X and Y, by sg_persist.
. ./lib.sh

name_x=iqn.2026-01.io.sanlet:x name_y=iqn.2026-01.io.sanlet:y
check 'X logs in' enter x "$LASTING_IQN" "$LASTING_PORTAL" "iface.initiatorname=$name_x"
check 'Y logs in' enter y "$LASTING_IQN" "$LASTING_PORTAL" "iface.initiatorname=$name_y"
eventually find_unit "$LASTING_IQN" x 0
x=$found x_sg=$found_sg
eventually find_unit "$LASTING_IQN" y 0
y=$found y_sg=$found_sg
calm() { for sg in "$x_sg" "$y_sg"; do sg_turs "$sg" >/dev/null 2>&1 || true; done; }
calm

in_x() { sg_persist -n --in "$@" "$x_sg"; }
out_x() { sg_persist -n --out "$@" "$x_sg"; }
out_y() { sg_persist -n --out "$@" "$y_sg"; }
reads() { dd if="$1" of=/dev/null bs=4096 count=1 iflag=direct status=none; }
writes() { dd if=/dev/zero of="$1" bs=4096 count=1 oflag=direct status=none; }
# may WHO READ WRITE: Y's read and write do what is said, yes or no.
may() {
  for verb in reads:$2 writes:$3; do
    if [ "${verb#*:}" = yes ]; then
      check "$title: $1 ${verb%:*}" "${verb%:*}" "$y"
    else
      refuses "$title: $1 ${verb%:*} and meets a conflict" 'invalid exchange' "${verb%:*}" "$y"
    fi
  done
}
told() { refuses "$1" "$2" sg_turs -v "$y_sg"; }

says 'what the disk can is told' 'Persist Through Power Loss Capable\(PTPL_C\): 1' in_x --report-capabilities
says 'no key is registered' 'no registered reservation keys' in_x --read-keys
check 'X registers' out_x --register --param-sark=0xa
says 'its key is read' '^ *0xa$' in_x --read-keys
refuses 'a wrong key is refused' 'conflict' out_x --register --param-rk=0xb --param-sark=0xc
refuses 'Y has no key to reserve with' 'conflict' out_y --reserve --param-rk=0xb --prout-type=1

# TYPE NAME READ WRITE of one who has no key, READ WRITE of one who has.
while read -r type name unknown_reads unknown_writes known_reads known_writes; do
  title=$(echo "$name" | tr _ ' ')
  check "$title: X reserves" out_x --reserve --param-rk=0xa --prout-type="$type"
  says "$title: that is read" "type: $title" in_x --read-reservation
  check "$title: X writes" writes "$x"
  may 'Y, unregistered,' "$unknown_reads" "$unknown_writes"
  refuses "$title: Y cannot reserve" 'conflict' out_y --reserve --param-rk=0 --prout-type="$type"
  check "$title: Y registers" out_y --register --param-sark=0xb
  may 'Y, registered,' "$known_reads" "$known_writes"
  check "$title: X releases" out_x --release --param-rk=0xa --prout-type="$type"
  case $type in 5 | 6 | 7 | 8) told "$title: Y is told of it" 'reservations released' ;; esac
  check "$title: Y writes after that" writes "$y"
  check "$title: Y takes its key back" out_y --register --param-rk=0xb
done <<'LIST'
1 Write_Exclusive yes no yes no
3 Exclusive_Access no no no no
5 Write_Exclusive,_registrants_only yes no yes yes
6 Exclusive_Access,_registrants_only no no yes yes
7 Write_Exclusive,_all_registrants yes no yes yes
8 Exclusive_Access,_all_registrants no no yes yes
LIST

# Preempting, with X as the one that loses.
title='preempted'
check 'Y registers and ignores what there was' out_y --register-ignore --param-sark=0xb
check 'X reserves to be preempted' out_x --reserve --param-rk=0xa --prout-type=1
check 'Y preempts' out_y --preempt --param-rk=0xb --param-sark=0xa --prout-type=3
refuses 'X is told' 'registrations preempted' sg_turs -v "$x_sg"
says 'Y has the reservation' 'key=0xb$|key: *0xb$' in_x --read-reservation
says 'of the type that it wanted' 'type: Exclusive Access$' in_x --read-reservation
refuses 'X has no key left' 'conflict' out_x --release --param-rk=0xa --prout-type=3
refuses 'X cannot read' 'invalid exchange' reads "$x"
check 'X registers again' out_x --register --param-sark=0xa
check 'X preempts and aborts' out_x --preempt-abort --param-rk=0xa --param-sark=0xb --prout-type=1
told 'Y is told' 'registrations preempted|commands cleared'
calm
may 'Y' yes no
check 'Y registers once more' out_y --register --param-sark=0xb
check 'X clears' out_x --clear --param-rk=0xa
told 'Y is told that its key is gone' 'reservations preempted'
says 'no key is left' 'no registered reservation keys' in_x --read-keys
says 'no reservation is left' 'there is no reservation held|no reservation' in_x --read-reservation

# REGISTER AND MOVE and SPEC_I_PT name Y by its TransportID, which the full status tells.
check 'Y registers to be seen' out_y --register --param-sark=0xb
y_id=$(in_x --read-full-status | sed -n "s/.*\\($name_y,i,0x[0-9a-f]*\\).*/\\1/p")
says 'the full status names Y' "^$name_y,i,0x[0-9a-f]{12}$" echo "$y_id"
check 'Y takes its key back' out_y --register --param-rk=0xb
check 'X registers Y with itself' out_x --register --param-sark=0xc --transport-id="$y_id"
equal 'both have the key' "$(in_x --read-keys | grep -c '^ *0xc$')" 2
check 'X reserves to move it' out_x --reserve --param-rk=0xc --prout-type=1
title='before the move'
may 'Y' yes no
check 'X moves it to Y' out_x --register-move --param-rk=0xc --param-sark=0xd --relative-target-port=1 \
  --transport-id="$y_id"
says 'Y holds it' '0xd$' in_x --read-reservation
title='after the move'
may 'Y' yes yes
refuses 'X writes no more' 'invalid exchange' writes "$x"
check 'Y clears' out_y --clear --param-rk=0xd
calm
check 'X registers at all ports' out_x --register --param-sark=0xe --param-alltgpt
says 'the full status names the port' 'relative port address: 0x1$' in_x --read-full-status
check 'X clears that' out_x --clear --param-rk=0xe
calm

# What has APTPL is there when the target was killed; what has not, is not.
title='after the restart'
restart() {
  ask kill && ask start && eventually running
}
running() {
  [ "$(cat "/sys/block/${x#/dev/}/device/state" "/sys/block/${y#/dev/}/device/state" | sort -u)" = running ] &&
    sg_turs "$x_sg" && sg_turs "$y_sg"
}
check 'X registers for good' out_x --register --param-sark=0xa --param-aptpl
check 'Y registers for good' out_y --register --param-sark=0xb --param-aptpl
check 'X reserves for good' out_x --reserve --param-rk=0xa --prout-type=1
says 'that is told' 'Persist Through Power Loss Active\(PTPL_A\): 1' in_x --report-capabilities
check 'the target is killed and started again' restart
calm
equal 'both keys are there' "$(in_x --read-keys | grep -Ec '^ *0x[ab]$')" 2
says 'the reservation is there' 'type: Write Exclusive$' in_x --read-reservation
may 'Y' yes no
check 'X writes' writes "$x"
check 'X registers for this time only' out_x --register --param-rk=0xa --param-sark=0xa
check 'the target is killed and started once more' restart
calm
says 'no key is there' 'no registered reservation keys' in_x --read-keys
check 'Y writes' writes "$y"
check 'X logs out' leave x "$LASTING_IQN" "$LASTING_PORTAL"
check 'Y logs out' leave y "$LASTING_IQN" "$LASTING_PORTAL"
