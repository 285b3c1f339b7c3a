#!/bin/sh
# What drives and changer say about themselves, as sg3-utils and mtx's tools read it.
. ./lib.sh
. ./drive.sh
. ./decoded.sh
take_library
mtx -f "$changer_sg" load 1 0
sg_turs "$lib0_sg" >/dev/null 2>&1 || true

# A drive of a make; guest.test.ts asks one of no make for each page alone.
plain 'every VPD page of an LTO-6 drive' sg_vpd --all "$lib0_sg"
plain 'every log page of an LTO-6 drive' sg_logs --all --all "$lib0_sg"
plain 'every mode page of an LTO-6 drive' sg_modes --all --all "$lib0_sg"
plain 'REPORT SUPPORTED OPERATION CODES of an LTO-6 drive' sg_opcodes --alpha "$lib0_sg"
# sg_logs decodes TapeAlert of tapes only.
fields="$fields|unable to decode page = 0x2e|\[truncated after [^]]*\]|Unable to decode page = 0x2e"
pages 'the changer' "$changer_sg"
says 'the drive is one that LTFS knows' 'Product identification: ULT3580-TD6' sg_inq "$lib0_sg"
says 'the changer is one' 'PDT=8' sg_inq "$changer_sg"
says 'lsscsi knows it for one' "mediumx .* $changer +$changer_sg" lsscsi --generic
says 'the element address assignment page' 'Element address assignment' sg_modes --page=0x1d "$changer_sg"
says 'the transport geometry page' 'Transport geometry' sg_modes --page=0x1e "$changer_sg"
says 'the device capabilities page' 'Device capabilities' sg_modes --page=0x1f "$changer_sg"
loaderinfo -f "$changer_sg" >info
for line in 'Product Type: Medium Changer' 'Bar Code Reader: Yes' 'Number of Medium Transport Elements: 1' \
  'Number of Storage Elements: 8' 'Number of Import/Export Elements: 1' 'Number of Data Transfer Elements: 2'; do
  says "loaderinfo: $line" "^$line" cat info
done
mtx -f "$changer_sg" unload 1 0
