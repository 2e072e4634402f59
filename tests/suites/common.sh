# SPDX-License-Identifier: LGPL-2.1-or-later
# What the suites share: somebody else's tests, once without and once with memtrace.
# The build is $MEMTRACE_BUILD.
set -euo pipefail
memtrace=${MEMTRACE_BUILD:?the build directory}/cmd/memtrace
scratch=$(mktemp -d -t memtrace-suite-XXXXXX)
trap 'rm -rf "$scratch"' EXIT
status=0
: >"$scratch/said"

# recorded COMMAND...: under memtrace; what it says goes to $scratch/said.
recorded() {
	local code=0
	rm -f "$scratch/log.mtlog"
	"$memtrace" run -q --no-symbols -o "$scratch/log.mtlog" -- "$@" || code=$?
	return $code
}

# complete: fails if the last recording lost something. Processes that were left behind have their time.
complete() {
	for ((i = 0; i < 300; i++)); do
		"$memtrace" summary "$scratch/log.mtlog" 2>&1 >/dev/null | grep 'still being recorded' >/dev/null || break
		sleep 0.1
	done
	"$memtrace" summary --json "$scratch/log.mtlog" 2>"$scratch/said" | grep '"complete":[[:space:]]*true' >/dev/null
}

# verdict NAME TRUE-OR-FALSE WHAT
verdict() {
	if $2; then
		echo "same    $1: $3"
	else
		echo "DIFFERS $1: $3"
		status=1
	fi
}

# same NAME COMMAND...: output and status must be equal.
same() {
	local name=$1 bare=0 traced=0
	shift
	"$@" >"$scratch/bare" 2>&1 </dev/null || bare=$?
	recorded "$@" >"$scratch/traced" 2>&1 </dev/null || traced=$?
	if ((bare == traced)) && cmp -s "$scratch/bare" "$scratch/traced" && complete; then
		verdict "$name" true "status $bare, $(wc -l <"$scratch/bare") lines"
	else
		verdict "$name" false "status $bare and $traced; $(cat "$scratch/said")"
		diff "$scratch/bare" "$scratch/traced" | cut -c1-200 | head -n 10 || true
	fi
}

# passes NAME COMMAND...: what varies from run to run; the status must be equal, and 0.
passes() {
	local name=$1 bare=0 traced=0
	shift
	"$@" >"$scratch/bare" 2>&1 </dev/null || bare=$?
	recorded "$@" >"$scratch/traced" 2>&1 </dev/null || traced=$?
	if ((bare == 0 && traced == 0)) && complete; then
		verdict "$name" true "status 0"
	else
		verdict "$name" false "status $bare and $traced; $(cat "$scratch/said")"
		tail -n 5 "$scratch/traced"
	fi
}
