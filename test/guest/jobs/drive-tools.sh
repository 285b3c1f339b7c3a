#!/bin/sh
# What the tools for tape drives find out of one beside its pages.
. ./lib.sh
. ./drive.sh
take_drives

t() { mt -f "$drive0" "$@"; }
sg=$drive0_sg
check 'erase' t erase
record 50000 A | dd of="$drive0" bs=10000 iflag=fullblock status=none

tapeinfo -f "$sg" >info
has() { says "tapeinfo: $1" "^$1" cat info; }
has "Vendor ID: 'SANLET"
has 'Product Type: Tape Drive'
has 'SerialNumber: .[0-9A-F]+'
has 'MinBlock: 1'
has 'MaxBlock: [0-9]{5,}'
has 'Ready: yes'
has 'DataCompCapable: yes'
has 'Block Position: 6'
has 'ActivePartition: 0'
# The page that it takes this from counts MiB.
has 'Partition 0 Remaining Kbytes: 10[0-9][0-9]'
has 'Partition 0 Size in Kbytes: 10[0-9][0-9]'
equal 'tapeinfo: no alert' "$(grep -c TapeAlert info)" 0
says 'READ BLOCK LIMITS' 'Minimum block size: 1 byte' sg_read_block_limits "$sg"
check 'compression on' t compression 1
says 'tapeinfo: compression on' 'DataCompEnabled: yes' tapeinfo -f "$sg"
check 'compression off' t compression 0
says 'tapeinfo: compression off' 'DataCompEnabled: no' tapeinfo -f "$sg"
says 'lsscsi knows it for a tape' "tape +SANLET .* $sg" lsscsi --generic

# What the cartridge remembers.
sg_read_attr "$sg" >attributes
for attribute in 'Remaining capacity in partition \[MiB\]: [0-9]+' 'Load count: [1-9]' 'Medium manufacturer: *[A-Z]' \
  'Medium width \[0.1 mm\]: 127'; do
  says "READ ATTRIBUTE: ${attribute%%:*}" "$attribute" cat attributes
done
check 'READ ATTRIBUTE of the ones that it knows' sg_read_attr --sa=5 "$sg"
