#!/bin/sh
# What Bacula's btape asks of a drive before it is trusted: writing and reading back, adding, positioning.
. ./lib.sh
. ./drive.sh

# It writes 20,000 blocks and reads them back. st gathers small ones in its buffer, where it does not hand on
# what is in the program's; an emulated machine would be at work for minutes otherwise.
check 'st goes' rmmod st
check 'st comes back with a buffer' modprobe st try_direct_io=0 buffer_kbs=256
take_drives

mkdir -p /run/bacula
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
  Minimum Block Size = 1024
  Maximum Block Size = 1024
}
CONF
check 'erase' mt -f "$drive0" erase
check 'fixed blocks' mt -f "$drive0" setblk 1024
test_drive() { printf '%s\n' test quit | btape -c "$PWD/sd.conf" "$drive0" >said 2>&1; }
check 'btape runs' test_drive
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
check 'st goes at the end' rmmod st
check 'st comes back' modprobe st
