#!/bin/sh
# A backup of a tree by Bacula, with an autochanger, over two cartridges, and what it restores.
. ./lib.sh
. ./drive.sh
take_library

home=/run/bacula
mkdir -p $home
cat >$home/dir.conf <<CONF
Director {
  Name = dir
  DirAddress = 127.0.0.1
  DirPort = 9101
  QueryFile = /etc/bacula/scripts/query.sql
  WorkingDirectory = $home
  Pid Directory = $home
  Password = none
  Messages = all
}
Catalog { Name = catalog; dbname = bacula; dbuser = ""; dbpassword = "" }
Messages { Name = all; console = all; catalog = all; append = $home/log = all }
Client { Name = fd; Address = 127.0.0.1; FDPort = 9102; Catalog = catalog; Password = none }
Storage {
  Name = library
  Address = 127.0.0.1
  SDPort = 9103
  Password = none
  Device = library
  Media Type = cartridge
  Autochanger = yes
}
Pool { Name = Default; Pool Type = Backup; Recycle = no; AutoPrune = no }
Pool { Name = Scratch; Pool Type = Backup }
FileSet { Name = tree; Include { Options { signature = SHA1 }; File = $PWD/tree } }
JobDefs { Name = defaults; Client = fd; FileSet = tree; Storage = library; Pool = Default; Messages = all }
Job { Name = backup; JobDefs = defaults; Type = Backup; Level = Full }
Job { Name = restore; JobDefs = defaults; Type = Restore; Where = $PWD/restored }
CONF
cat >$home/sd.conf <<CONF
Storage { Name = sd; SDAddress = 127.0.0.1; SDPort = 9103; WorkingDirectory = $home; Pid Directory = $home }
Director { Name = dir; Password = none }
Messages { Name = all; director = dir = all }
Autochanger {
  Name = library
  Device = drive0, drive1
  Changer Device = $changer_sg
  Changer Command = "/etc/bacula/scripts/mtx-changer %c %o %S %a %d"
}
Device {
  Name = drive0
  Drive Index = 0
  Archive Device = $lib0
  Media Type = cartridge
  Autochanger = yes
  AutomaticMount = yes
  AlwaysOpen = yes
  RemovableMedia = yes
  RandomAccess = no
}
Device {
  Name = drive1
  Drive Index = 1
  Archive Device = $lib1
  Media Type = cartridge
  Autochanger = yes
  AutomaticMount = yes
  AlwaysOpen = yes
  RemovableMedia = yes
  RandomAccess = no
}
CONF
cat >$home/fd.conf <<CONF
FileDaemon { Name = fd; FDAddress = 127.0.0.1; FDPort = 9102; WorkingDirectory = $home; Pid Directory = $home }
Director { Name = dir; Password = none }
Messages { Name = all; director = dir = all }
CONF
cat >$home/bconsole.conf <<CONF
Director { Name = dir; Address = 127.0.0.1; DirPort = 9101; Password = none }
CONF
mkdir -p /var/lib/bacula
check 'the catalog is made' sqlite3 $home/bacula.db '.read /etc/bacula/catalog.sql'
bacula-sd -f -c $home/sd.conf >$home/sd.out 2>&1 &
sd=$!
bacula-fd -f -c $home/fd.conf >$home/fd.out 2>&1 &
fd=$!
bacula-dir -f -c $home/dir.conf >$home/dir.out 2>&1 &
dir=$!
# console COMMAND...
console() { printf '%s\n' "$@" quit | timeout 200 bconsole -n -c $home/bconsole.conf 2>&1; }
answers() { console 'status dir' | grep -q 'Daemon started'; }
check 'the director answers' patiently answers

mkdir -p tree/small
incompressible 10 >tree/one
incompressible 9 >tree/two
cp -r /etc/bacula tree/small
ln -s ../one tree/small/link
files=$(du -a tree | wc -l)

console 'label storage=library pool=Default barcodes slots=4-5 drive=0' yes >said
says 'it labels a cartridge' '3000 OK label.*Volume="SAN004L6"' cat said
says 'it labels another one' '3000 OK label.*Volume="SAN005L6"' cat said

console 'run job=backup yes' wait messages >said
says 'the backup ends well' '^ *Termination: +Backup OK' cat said
says 'a cartridge was filled' 'End of medium on Volume "SAN00[45]L6"' cat said
says 'the robot brought another one' '3305 Autochanger "load Volume SAN00[45]L6, Slot [45], Drive 0", status is OK' cat said
says 'it is on both' 'Volume name\(s\): +SAN00[45]L6\|SAN00[45]L6$' cat said
says 'it has everything' "SD Files Written: +$files$" cat said

check 'a file changes' sh -c 'date >tree/small/later'
console 'run job=backup level=Incremental yes' wait messages >said
says 'the backup of what has changed ends well' '^ *Termination: +Backup OK' cat said
says 'it is added to the last cartridge' 'Volume name\(s\): +SAN00[45]L6$' cat said

console "restore client=fd fileset=tree where=$PWD/restored select current all done yes" wait messages >said
says 'the restore ends well' '^ *Termination: +Restore OK' cat said
says 'it wanted one cartridge' 'Ready to read from volume "SAN004L6"' cat said
says 'it wanted the other one' 'Ready to read from volume "SAN005L6"' cat said
says 'it restored everything' "Files Restored: +$((files + 1))$" cat said
check 'what was restored is what there was' diff -r --no-dereference tree "restored$PWD/tree"
kill $dir $fd $sd
wait
# What is in a drive goes back to a slot.
for slot in 4 5; do
  for drive in 0 1; do
    mtx -f "$changer_sg" unload $slot $drive >/dev/null 2>&1 || true
  done
done
rm -rf tree restored
