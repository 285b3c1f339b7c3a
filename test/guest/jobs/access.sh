#!/bin/sh
# Who sees what: three initiators at one target.
. ./lib.sh

initiator=iqn.2026-01.io.sanlet
enter_as() { enter "$1" "$MASKED_IQN" "$FIRST_PORTAL" "iface.initiatorname=$initiator:$1"; }
unit_of() { find_unit "$MASKED_IQN" "$1" "$2"; }
serial() { sg_vpd --page=0x80 "$1" | sed -n 's/.*number: //p'; }

check 'X logs in' enter_as x
check 'Y logs in' enter_as y
refuses 'Z may not' 'authorization failure' enter_as z
check 'X sees a disk at LUN 0' eventually unit_of x 0
check 'Y sees a disk at LUN 0' eventually unit_of y 0
eventually unit_of x 0
x=$found x_sg=$found_sg
eventually unit_of y 0
y=$found y_sg=$found_sg
check 'Y sees another one at LUN 5' eventually unit_of y 5
eventually unit_of y 5
y5=$found y5_sg=$found_sg
for sg in "$x_sg" "$y_sg" "$y5_sg"; do sg_turs "$sg" >/dev/null 2>&1 || true; done
refuses 'X sees nothing at LUN 5' '.*' unit_of x 5
equal 'REPORT LUNS tells X of one' "$(sg_luns --quiet "$x_sg" | wc -l)" 1
equal 'REPORT LUNS tells Y of two' "$(sg_luns --quiet "$y_sg" | wc -l)" 2
different() { [ "$(serial "$x_sg")" != "$(serial "$y_sg")" ]; }
check 'at LUN 0 they see different disks' different
equal "Y's LUN 5 is X's LUN 0" "$(serial "$y5_sg")" "$(serial "$x_sg")"
equal 'Y may not write it' "$(blockdev --getro "$y5")" 1
equal 'X may' "$(blockdev --getro "$x")" 0
check 'X writes it' fill "$x" /dev/urandom 2
blocks_of "$x" 0 4096 >written
check 'Y reads what X wrote' holds "$y5" 0 4096 written
check "Y's own is untouched" holds "$y" 0 4096 /dev/zero
refuses 'a write of Y is refused' 'data protect|write protect' sg_raw --verbose --send=512 --infile=/dev/zero "$y5_sg" \
  2a 00 00 00 00 00 00 00 01 00
check 'X logs out' leave x "$MASKED_IQN" "$FIRST_PORTAL"
check 'Y logs out' leave y "$MASKED_IQN" "$FIRST_PORTAL"
