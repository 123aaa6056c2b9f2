#!/usr/bin/env bash
# Seeds a server with a scripted conversation and shows how to join it. The
# server stays in the foreground until Ctrl-C; everything is in a folder of its
# own that goes when it ends.
set -euo pipefail
dir=$(mktemp -d)
server=
end() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	[ -z "$server" ] || wait "$server" 2>/dev/null || true
	rm -rf "$dir"
}
trap end EXIT
trap 'exit 0' INT TERM
export BYRE_PASSPHRASE='demo passphrase'

byred serve --data "$dir/data" --listen "${LISTEN:-127.0.0.1:0}" --web off 2>"$dir/log" &
server=$!
url=
for _ in $(seq 100); do
	url=$(sed -n 's/^ready \(https:[^ ]*\) .*/\1/p' "$dir/log")
	[ -n "$url" ] && break
	kill -0 "$server" 2>/dev/null || { cat "$dir/log" >&2; exit 1; }
	sleep 0.1
done
[ -n "$url" ] || { echo "demo: byred did not start" >&2; cat "$dir/log" >&2; exit 1; }

as() { local who=$1; shift; byre "$@" --home "$dir/$who"; }
for who in alice bob 하나; do as "$who" register "$url" "$who" --ca "$dir/data/ca.pem"; done

say() { printf '%s → %s: %s  (' "$1" "$2" "$3"; as "$1" send "$2" "$3" | tr -d '\n'; echo ')'; }
say alice bob "Did you read that the server can't read this?"
say alice bob "It can't even keep it for more than 72 hours."
as bob sync
say bob alice "So what does it hold about me?"
as bob held
say 하나 alice "안녕하세요! 서버가 꺼져도 이 메시지는 안전하게 기다려요. 🐄"
as alice sync
say alice 하나 "반가워요. 비밀은 우리 기기에만 있네요."
as 하나 sync
byred status --data "$dir/data"

cat <<END

The server runs at $url until you press Ctrl-C. Join from another terminal:

  export BYRE_PASSPHRASE='choose one' BYRE_HOME=\$(mktemp -d)
  $(command -v byre) register $url carol --ca $dir/data/ca.pem
  $(command -v byre) send alice "Hello, I am new here."
  $(command -v byre) listen

and read as alice:

  BYRE_PASSPHRASE='$BYRE_PASSPHRASE' $(command -v byre) listen --home $dir/alice
END
[ -n "${DEMO_ONCE:-}" ] || wait "$server"
