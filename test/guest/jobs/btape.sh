#!/bin/sh
# What Bacula's btape asks of a drive before it is trusted: writing and reading back, adding, positioning, the end.
. ./lib.sh
. ./drive.sh

# It writes 20,000 blocks and reads them back. st gathers small ones in its buffer, where it does not hand on
# what is in the program's; an emulated machine would be at work for minutes otherwise.
check 'st goes' rmmod st
check 'st comes back with a buffer' modprobe st try_direct_io=0 buffer_kbs=256
take_drives

mkdir -p /run/bacula
# configure LINES: sd.conf, with these for the device.
configure() {
  cat >sd.conf <<CONF
Storage {
  Name = sd
  WorkingDirectory = /run/bacula
  Pid Directory = /run/bacula
  SDAddress = 127.0.0.1
}
Director { Name = dir; Password = none }
Messages { Name = Standard; director = dir = all }
Device {
  Name = drive
  Media Type = cartridge
  Archive Device = $drive0
  AutomaticMount = yes
  AlwaysOpen = yes
  RemovableMedia = yes
  RandomAccess = no
  $1
}
CONF
}
configure 'Minimum Block Size = 1024; Maximum Block Size = 1024'
check 'erase' mt -f "$drive0" erase
check 'fixed blocks' mt -f "$drive0" setblk 1024
# tell COMMAND...
tell() { printf '%s\n' "$@" quit | btape -c "$PWD/sd.conf" "$drive0" >said 2>&1; }
check 'btape tests the drive' tell test
# count NAME COUNT PATTERN: it said that so often.
count() { equal "$1" "$(grep -Ec -- "$3" said)" "$2"; }
count 'it wrote two files of 10,000 blocks and read them back' 2 '^10000 blocks re-read correctly'
count 'it found six blocks by their position' 6 '^Block [0-9]* re-read correctly'
count 'writing, reading and positioning are right' 2 '^=== Test Succeeded'
count 'what it appended is where it belongs' 1 '^Total files=4, blocks=7, bytes = 6,720'
count 'it went back over a filemark and a record' 1 '^Block re-read correct. Test succeeded!'
count 'it is in the file where it wants to be, every time' 6 'This is correct!'
count 'it came to the end of its tests' 1 '^=== End Forward space files test'
count 'it complains of nothing' 0 'ERR|Error|error:|failed|NOT correct|incorrect|not correct'

# It stops at the end of the medium only when it has counted 1,000 blocks, or else writes on; then it reads 10,000
# records of 32 KiB, and when the cartridge has fewer it wants the next one. So its smallest cartridge has 320 MB: a
# third of this one, in blocks as long as the buffer.
configure 'Maximum Block Size = 262144'
check 'variable blocks' mt -f "$drive0" setblk 0
# capacity VALUE: CAPACITY PROPORTION VALUE, in hexadecimal digits.
capacity() { mt -f "$drive0" rewind && sg_raw "$drive0_sg" 0b 00 00 "$1" "$2" 00; }
check 'a third of the cartridge' capacity 55 55
check 'btape fills it' tell fill s ''
count 'it came to the end of the medium' 1 'End of Volume "TestVolume1" at 1:1[23][0-9]{2} on device .* Write of 262144 bytes got -1'
count 'it went back over the filemarks to the last block' 1 'Re-read of last block succeeded'
count 'it did not write on' 1 'End of tape '
count 'it read all but the last blocks' 1 '^10000 records read now at 1:12[0-9]{2}'
count 'the last block is where it was, and what it was' 1 '^The last block on the tape matches. Test succeeded'
count 'it complains of nothing at the end either' 0 'ERR|Error|error:|failed|differ|Cannot'
check 'all of the cartridge' capacity ff ff
check 'st goes at the end' rmmod st
check 'st comes back' modprobe st
