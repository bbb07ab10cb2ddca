#!/usr/bin/env bash
# Pauses, waits for the drain, runs a command, waits for the backend, and resumes. Needs only curl.
#
#   example/deploy.sh systemctl restart shop
#
# ANTRACT        the admin endpoints        (http://127.0.0.1:8082/_antract)
# BACKEND        a URL of the backend       (http://127.0.0.1:8083/)
# DRAIN          how long a drain may take  (30s)
# ANTRACT_TOKEN  the admin token            (none)
set -euo pipefail

: "${ANTRACT:=http://127.0.0.1:8082/_antract}" "${BACKEND:=http://127.0.0.1:8083/}" "${DRAIN:=30s}"
[ $# -gt 0 ] || { echo "usage: $0 COMMAND [ARGUMENT...]" >&2; exit 2; }

admin() { # passes the token on standard input, because arguments show in ps
  curl --silent --show-error --config - --request POST "$@" \
    <<< "${ANTRACT_TOKEN:+header = \"Authorization: Bearer $ANTRACT_TOKEN\"}"
}

# Resume the app when this script ends, for any reason.
trap 'admin --fail "$ANTRACT/disable"' EXIT

answer=$(admin --write-out '\n%{http_code}' "$ANTRACT/enable?if_pause=none&wait=$DRAIN&reason=deploy")
echo "${answer%$'\n'*}"
case ${answer##*$'\n'} in
  200) ;;
  409) trap - EXIT # another operator paused or stopped the app: leave it so
       echo "the app is paused or stopped already; the command was not run" >&2; exit 1 ;;
  202) echo "not drained within $DRAIN; the command was not run" >&2; exit 3 ;;
  *) echo "could not pause; the command was not run" >&2; exit 1 ;;
esac

"$@"

for _ in $(seq 120); do
  if curl --silent --fail --max-time 2 --output /dev/null "$BACKEND"; then exit 0; fi
  sleep 0.5
done
echo "$BACKEND does not answer" >&2
exit 4
