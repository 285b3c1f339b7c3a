#!/bin/sh
# What the target says about itself, as sg3-utils read it.
. ./lib.sh
attach

says 'INQUIRY of a disk tells of third-party copy' '3PC=1' sg_inq "$disk0_sg"
says 'INQUIRY of the tape tells of third-party copy' '3PC=1' sg_inq "$tape_sg"
check 'REPORT LUNS' sg_luns "$disk0_sg"

for page in 00 80 83 8f b0 b1 b2; do
  check "VPD page ${page}h of a disk" sg_vpd --page="0x$page" "$disk0_sg"
done
for page in 00 80 83 8f; do
  check "VPD page ${page}h of the tape" sg_vpd --page="0x$page" "$tape_sg"
done
for device in "$disk0_sg" "$disk1_sg" "$tape_sg"; do
  says "the NAA designator of $device" '^ *0x[0-9a-f]{16}' sg_vpd --page=0x83 "$device"
done
says 'page 8Fh names EXTENDED COPY' 'Extended copy' sg_vpd --page=tpc "$disk0_sg"

says 'READ CAPACITY(16)' "size: $DISK_BYTES bytes" sg_readcap --16 "$disk0_sg"
says 'READ CAPACITY(10)' "size: $DISK_BYTES bytes" sg_readcap "$disk0_sg"
says 'REPORT SUPPORTED OPERATION CODES of a disk' 'Extended copy' sg_opcodes "$disk0_sg"
says 'REPORT SUPPORTED OPERATION CODES of the tape' 'Write filemarks' sg_opcodes "$tape_sg"
check 'MODE SENSE of every page of a disk' sg_modes --all "$disk0_sg"
check 'MODE SENSE of every page of the tape' sg_modes --all "$tape_sg"
check 'REQUEST SENSE' sg_requests "$disk0_sg"
says 'RECEIVE COPY OPERATING PARAMETERS of a disk' 'Maximum segment' sg_copy_results --params "$disk0_sg"

says 'no persistent reservation key' 'no registered reservation keys' sg_persist --in --read-keys "$disk0_sg"
check 'a key is registered' sg_persist --out --register --param-sark=0x5a4e "$disk0_sg"
says 'and read' '0x5a4e' sg_persist --in --read-keys "$disk0_sg"
check 'reserve' sg_persist --out --reserve --param-rk=0x5a4e --prout-type=1 "$disk0_sg"
says 'the reservation is read' 'type: Write Exclusive' sg_persist --in --read-reservation "$disk0_sg"
check 'release' sg_persist --out --release --param-rk=0x5a4e --prout-type=1 "$disk0_sg"
check 'the key is taken back' sg_persist --out --register --param-rk=0x5a4e "$disk0_sg"
