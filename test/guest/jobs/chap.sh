#!/bin/sh
# CHAP, one way and mutual, at a target of its own.
. ./lib.sh

node() { iscsiadm -m node -T "$CHAP_IQN" -p "$PORTAL" "$@"; }
auth() { node -o update -n "node.session.auth.$1" -v "$2"; }

check 'a record by hand' node -o new
refuses 'no login without a name' 'authorization failure' node --login

auth authmethod CHAP
auth username "$CHAP_USER"
auth password 'not-the-secret'
refuses 'no login with a wrong secret' 'authorization failure' node --login
auth password "$CHAP_SECRET"
check 'login with the right one' node --login
says 'the session is there' "$CHAP_IQN" iscsiadm -m session
check 'logout' node --logout

# The initiator offers one digest only, so that a login is a login by it.
for digest in MD5 SHA1 SHA256 SHA3-256; do
  auth chap_algs "$digest"
  check "login by $digest" node --login
  check "logout after $digest" node --logout
done
auth password 'not-the-secret'
refuses 'no login by SHA3-256 with a wrong secret' 'authorization failure' node --login
auth password "$CHAP_SECRET"

auth username_in "$CHAP_MUTUAL_USER"
auth password_in "$CHAP_MUTUAL_SECRET"
check 'login when the target proves itself too' node --login
check 'logout after that' node --logout
auth password_in 'not-the-secret'
# Here it is the initiator that breaks off, and it has other words for it.
refuses 'no login when the target fails to' 'non-retryable iSCSI login failure' node --login
