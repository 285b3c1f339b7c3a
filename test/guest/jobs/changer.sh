#!/bin/sh
# The library as the kernel's ch driver and mtx see it.
. ./lib.sh
. ./drive.sh
mark changer
take_library

m() { mtx -f "$changer_sg" "$@"; }
# Barcodes are padded to 32 characters.
now() { m status | sed 's/ *$//'; }
now >/run/before
# holds_now NAME PATTERN: a line of the status.
holds_now() { says "$1" "^ *$2" m status; }
# raw_move SOURCE DESTINATION: MOVE MEDIUM by addresses, which are two bytes each.
raw_move() {
  # shellcheck disable=SC2086
  sg_raw "$changer_sg" a5 00 00 00 $1 $2 00 00 00 00
}

says 'ch attaches' 'Attached scsi changer ch0' dmesg
says 'ch knows the elements' 'type #2 \(st\): 0x400\+8' dmesg
says 'ch finds the drives by their identifiers' 'ID 0, LUN 4' dmesg
says 'ch initializes the element status' '\[ch0\] \.\.\. finished' dmesg
complaints() { dmesg | grep -E 'ch0|ch [0-9]' | grep -Ei 'error|fail|sense|unable|mark 0|unknown'; }
equal 'ch complains of nothing' "$(complaints)" ''
check 'its node is there' test -c "$changer"

equal 'status' "$(cat /run/before)" "  Storage Changer $changer_sg:2 Drives, 9 Slots ( 1 Import/Export )
Data Transfer Element 0:Empty
Data Transfer Element 1:Empty
$(for slot in 1 2 3 4 5 6; do printf '      Storage Element %d:Full :VolumeTag=SAN00%dL6\n' $slot $slot; done)
      Storage Element 7:Empty
      Storage Element 8:Empty
      Storage Element 9 IMPORT/EXPORT:Empty"
says 'inquiry' 'Product Type: Medium Changer' m inquiry
check 'inventory' m inventory
says 'nobarcode status' 'Storage Element 1:Full *$' m nobarcode status
says 'noattach status' 'Storage Element 1:Full :VolumeTag=SAN001L6' m noattach status
says 'altres status' 'Storage Element 1:Full :VolumeTag=SAN001L6' m altres status

# A cartridge and what is on it, from one drive to the other.
check 'load 1 0' m load 1 0
holds_now 'it is in the drive' 'Data Transfer Element 0:Full \(Storage Element 1 Loaded\):VolumeTag = SAN001L6'
holds_now 'its slot is empty' 'Storage Element 1:Empty'
says 'st sees it' '^ BOT ONLINE' mt -f "$lib0" status
head -c 3000000 /dev/urandom >source
check 'it is written' dd if=source of="$lib0" bs=65536 status=none
refuses 'load 2 0: the drive is full' 'Drive 0 Full' m load 2 0
refuses 'load 1 1: the slot is empty' 'is Empty' m load 1 1
check 'unload 1 0' m unload 1 0
says 'st sees that, too' 'DR_OPEN' mt -f "$lib0" status
check 'load 1 1' m load 1 1
holds_now 'it is in the other drive' 'Data Transfer Element 1:Full \(Storage Element 1 Loaded\):VolumeTag = SAN001L6'
refuses 'the drive tells everybody that it has a cartridge now' 'attention|not ready to ready' sg_turs --verbose "$lib1_sg"
check 'rewind' mt -f "$lib1" rewind
equal 'what was written is read in the other drive' "$(dd if="$lib1" bs=65536 status=none | cksum)" "$(cksum <source)"
check 'unload 8 1' m unload 8 1
holds_now 'it is in another slot' 'Storage Element 8:Full :VolumeTag=SAN001L6'

# Between slots.
check 'transfer 8 9' m transfer 8 9
holds_now 'it is in the import/export slot' 'Storage Element 9 IMPORT/EXPORT:Full :VolumeTag=SAN001L6'
check 'transfer 9 1' m transfer 9 1
check 'exchange 2 3' m exchange 2 3
holds_now 'the second is in the third slot' 'Storage Element 3:Full :VolumeTag=SAN002L6'
holds_now 'the third is in the second slot' 'Storage Element 2:Full :VolumeTag=SAN003L6'
check 'exchange 2 3 again' m exchange 2 3
check 'position 5' m position 5

# Through the magazine.
check 'first 0' m first 0
check 'next 0' m next 0
holds_now 'the second is in the drive' 'Data Transfer Element 0:Full \(Storage Element 2 Loaded\):VolumeTag = SAN002L6'
check 'previous 0' m previous 0
holds_now 'the first is in the drive' 'Data Transfer Element 0:Full \(Storage Element 1 Loaded\):VolumeTag = SAN001L6'
check 'transfer 6 8' m transfer 6 8
check 'last 0' m last 0
holds_now 'the last is in the drive' 'Data Transfer Element 0:Full \(Storage Element 8 Loaded\):VolumeTag = SAN006L6'

# A drive that keeps its cartridge in, and what cannot be.
sg_turs "$lib0_sg" >/dev/null 2>&1 || true
check 'the drive prevents removal' sg_prevent --prevent=1 "$lib0_sg"
refuses 'unload of a drive that prevents it' 'prevented|53' m unload 6 0
check 'the drive allows removal' sg_prevent --allow "$lib0_sg"
check 'unload 6 0' m unload 6 0
refuses 'MOVE MEDIUM from an empty slot' 'source element empty' raw_move '04 07' '01 00'
refuses 'MOVE MEDIUM to a full slot' 'destination element full' raw_move '04 00' '04 01'
refuses 'MOVE MEDIUM to an element that is not there' 'invalid element address' raw_move '04 00' '05 00'

# mtx's eepos are vendor-specific bits of CONTROL, which are let through.
check 'eepos' m eepos 1 transfer 1 9
check 'and back' m transfer 9 1
# To a changer the command of eject opens the door of an element, and names none; mtx takes a failure for success.
says 'eject' 'Sense Key=Illegal Request' m eject
check 'the changer prevents removal' sg_prevent --prevent=1 "$changer_sg"
check 'and allows it' sg_prevent --allow "$changer_sg"
equal 'all is where it was' "$(now)" "$(cat /run/before)"
equal 'ch still complains of nothing' "$(complaints)" ''
