#!/bin/sh
# What the target says about itself, as sg3-utils and sdparm read it: every page that is listed is decoded.
. ./lib.sh
. ./decoded.sh
attach

says 'INQUIRY of a disk tells of third-party copy' '3PC=1' sg_inq "$disk0_sg"
says 'INQUIRY of the tape tells of third-party copy' '3PC=1' sg_inq "$tape_sg"
says 'INQUIRY names its standards' 'SPC-5' sg_inq --descriptors "$disk0_sg"
plain 'REPORT LUNS' sg_luns --decode "$disk0_sg"
says 'REPORT LUNS of well-known units has its own' '^ *c101000000000000' sg_luns --select=1 "$disk0_sg"

pages 'a disk' "$disk0_sg"
pages 'the disk of long blocks' "$disk4k_sg"
pages 'the tape' "$tape_sg"

says 'page 8Fh names EXTENDED COPY' 'Extended copy' sg_vpd --page=tpc "$disk0_sg"
says 'READ CAPACITY(16)' "size: $DISK_BYTES bytes" sg_readcap --16 "$disk0_sg"
says 'READ CAPACITY(10)' "size: $DISK_BYTES bytes" sg_readcap "$disk0_sg"
says 'READ CAPACITY(16) of long blocks' 'block length=4096 bytes' sg_readcap --16 "$disk4k_sg"
says 'a disk lists EXTENDED COPY' 'Extended copy' sg_opcodes "$disk0_sg"
says 'the tape lists WRITE FILEMARKS' 'Write filemarks' sg_opcodes "$tape_sg"
says 'RECEIVE COPY OPERATING PARAMETERS of a disk' 'Maximum segment' sg_copy_results --params "$disk0_sg"
says 'sdparm reads the caching page' 'WCE +1 ' sdparm --page=ca "$disk0_sg"
says 'and the control page' 'D_SENSE +0 ' sdparm --page=co --long "$disk0_sg"
plain 'sdparm reads the designators' sdparm --inquiry --page=di "$disk0_sg"

# What sdparm changes is what others read; the drivers are told by a unit attention.
check 'the write cache is switched off' sdparm --clear=WCE "$disk0_sg"
says 'that is read' 'WCE +0 ' sdparm --page=ca "$disk0_sg"
check 'and on again' sdparm --set=WCE "$disk0_sg"
check 'descriptor sense is switched on' sdparm --set=D_SENSE "$disk0_sg"
refuses 'sense comes in descriptors' 'descriptor format' sg_raw --verbose "$disk0_sg" 28 00 ff ff ff ff 00 00 01 00
check 'and off again' sdparm --clear=D_SENSE "$disk0_sg"
refuses 'sense comes in its fixed format' 'fixed format' sg_raw --verbose "$disk0_sg" 28 00 ff ff ff ff 00 00 01 00
