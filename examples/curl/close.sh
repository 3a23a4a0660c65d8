#!/bin/sh
# Closes a session through Closeout with curl alone, and says what became of it.
#
#   close.sh 2f7bf00a-0fc2-4d6a-9b56-92238191433e [SECONDS]      waits so long; 30 when left out
#   close.sh --external-id customer-4711 [SECONDS]
#
# CLOSEOUT_SERVER and CLOSEOUT_TOKEN say where, and with which key.
# Ends with 0 closed or closed already, 2 refused, 6 still under way, 7 ghost, 8 failed or cancelled, 10 out of reach.
set -eu
: "${CLOSEOUT_TOKEN:?Set it to a key of the role submit or above.}"
server=${CLOSEOUT_SERVER:-http://127.0.0.1:8080}

case ${1:-} in
--external-id) named=${2:?an external id is missing} wait=${3:-30} body="{\"target\":{\"externalId\":\"$named\"}}" ;;
'' | -*) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
*) named=$1 wait=${2:-30} body="{\"conversationId\":\"$named\"}" ;;
esac
case $named in *[\"\\]*) echo "an id holds neither quotes nor backslashes" >&2 && exit 2 ;; esac

# The key is handed over where no list of processes shows it.
closeout() {
    printf 'header = "Authorization: Bearer %s"\n' "$CLOSEOUT_TOKEN" |
        curl --silent --show-error --config - "$@"
}

# A text of the answer. What Genesys answered has fields of the same names, and is left out.
field() {
    printf '%s\n' "$answer" | sed -E 's/"genesys":\{[^}]*\}//' |
        sed -nE "s/.*\"$1\":\"(([^\"\\\\]|\\\\.)*)\".*/\\1/p" | sed 's/\\\(["\\]\)/\1/g'
}

# The same key for every attempt, so that Closeout makes one closure of them. curl waits as long as Retry-After says.
answer=$(closeout --retry 3 --retry-connrefused --retry-max-time 60 --max-time $((wait + 10)) \
    --request POST "$server/v1/closures?wait=${wait}s" --data "$body" \
    --header 'Content-Type: application/json' --header "Idempotency-Key: close-$(date +%s)-$$" \
    --write-out '\n%{http_code}') || {
    echo "Closeout does not answer at $server. Asking again is harmless." >&2
    exit 10
}
status=${answer##*
}

case $status in
200 | 202) ;;
*)
    echo "$named: refused with $status, $(field code): $(field detail)" >&2
    echo "fix: $(field fix)" >&2
    printf '%s\n' "$answer" | sed -nE 's/.*"candidates":\[([^]]*)\].*/candidates: \1/p' >&2
    exit 2
    ;;
esac

state=$(field state)
echo "$named $state"
case $state in
closed | already_closed | resolved) exit 0 ;;
esac
# In plain words, with the commands that help. Needs the role read; the state alone does not.
closeout --header 'Accept: text/plain' "$server$(field explain)" >&2 || true
case $state in
ghost) exit 7 ;;
failed | cancelled) exit 8 ;;
*) exit 6 ;;
esac
