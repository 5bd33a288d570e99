#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Functions that start, watch and stop the daemons of a private Slurm cluster.
#
# Sourced by the scripts beside it; needs bash. Every function that works on
# a cluster reads its directory from CL (an absolute path without links).
# shellcheck shell=bash

CL_NODES="node1 node2 node3 node4"
# shellcheck disable=SC2034 # for the scripts
CL_DAEMONS="munged mariadbd slurmdbd slurmctld $CL_NODES"
CL_WAIT=${MLB_CLUSTER_WAIT:-60}  # seconds a daemon may take to answer
PATH=$PATH:/usr/sbin:/sbin       # where daemons live, not in every PATH
umask 022                        # ordinary users must be able to read it

cl_say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
cl_die() { cl_say "$@"; exit 1; }

# Names what is missing together with the Debian package that has it.
cl_need_programs() {
	local prog pkg bad=0
	while read -r prog pkg; do
		command -v "$prog" >/dev/null && continue
		cl_say "$prog is missing (Debian package $pkg)"
		bad=1
	done <<-'LIST'
		munged munge
		mariadbd mariadb-server
		mariadb-install-db mariadb-server
		mariadb-admin mariadb-client
		slurmdbd slurmdbd
		slurmctld slurmctld
		slurmd slurmd
		sacctmgr slurm-client
		setsid util-linux
		setpriv util-linux
		hostname hostname
	LIST
	return "$bad"
}

# ---- which cluster -------------------------------------------------------

# The pointer to the latest cluster may lie in a directory that all can
# write, so it is trusted only as a plain file of our own, and replaced by
# renaming, which does not follow a link someone else put there.
cl_pointer() {
	printf '%s/mlbatch-cluster.%s\n' "${XDG_RUNTIME_DIR:-/tmp}" "$UID"
}

cl_remember() {
	local p tmp
	p=$(cl_pointer)
	if tmp=$(mktemp "$p.XXXXXX") && printf '%s\n' "$CL" >"$tmp" &&
	    mv -fT "$tmp" "$p"; then
		return 0
	fi
	[ -z "${tmp:-}" ] || rm -f "$tmp"
	cl_say "cannot write $p: give DIR to the other scripts"
}

cl_recall() {
	local p dir
	p=$(cl_pointer)
	[ ! -L "$p" ] && [ -f "$p" ] && [ -O "$p" ] || return 1
	read -r dir <"$p" && printf '%s\n' "$dir"
}

cl_forget() {
	[ "$(cl_recall)" != "$CL" ] || rm -f "$(cl_pointer)"
}

# Sets CL from an argument, or from the latest cluster where it is empty.
cl_find() {
	local dir=$1
	[ -n "$dir" ] || dir=$(cl_recall) || cl_die "no cluster is known"
	CL=$(realpath -m -- "$dir")
}

# The marker keeps 'down' from removing a directory 'up' did not fill.
cl_is_cluster() {
	[ -f "$CL/mlb-cluster" ] && [ -O "$CL/mlb-cluster" ]
}

# ---- processes -----------------------------------------------------------

# Prints "STATE STARTTIME" of a process. The name in brackets may hold
# blanks, so all up to the last bracket is cut off first.
cl_stat() {
	local s
	{ read -r s <"/proc/$1/stat"; } 2>/dev/null || return 1
	s=${s##*) }
	# shellcheck disable=SC2086 # the fields are to be split
	set -- $s
	printf '%s %s\n' "$1" "${20}"
}

# Prints the pid of a daemon if it is the very process we started: pids are
# reused, the pair of pid and start time is not. A zombie counts as ended,
# for not every container has an init that collects it.
cl_pid() {
	local pid start state now
	[ -f "$CL/run/$1" ] || return 1
	read -r pid start <"$CL/run/$1" || return 1
	read -r state now < <(cl_stat "$pid") || return 1
	[ "$now" = "$start" ] && [ "$state" != Z ] && [ "$state" != X ] &&
		printf '%s\n' "$pid"
}

# Runs "$@" again and again until it succeeds, at most $1 seconds long.
cl_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

cl_gone() { ! cl_pid "$1" >/dev/null; }

# A daemon that kept a descriptor of the caller would make a pipe or a
# build tool behind it wait for ever.
cl_close_fds() {
	local f
	for f in "/proc/$BASHPID/fd"/*; do
		f=${f##*/}
		[ "$f" -le 2 ] || eval "exec $f>&-" 2>/dev/null
	done
}

# Starts a command as daemon NAME, in its own session and with an
# environment of its own: what the caller has set must not reach the
# daemons, from which jobs would inherit it.
cl_spawn() {
	local name=$1 pid state start
	shift
	(
		cl_close_fds
		exec env -i PATH="$PATH" HOME=/ LC_ALL=C.UTF-8 \
			${TZ:+TZ="$TZ"} SLURM_CONF="$CL/etc/slurm.conf" \
			MYSQL_UNIX_PORT="$CL/db/s" setsid "$@" \
			</dev/null >>"$CL/log/$name.out" 2>&1
	) &
	pid=$!
	read -r state start < <(cl_stat "$pid") || return 1
	[ -n "$state" ] && printf '%s %s\n' "$pid" "$start" >"$CL/run/$name"
}

# ---- daemons -------------------------------------------------------------

cl_port() {  # ports follow one another: slurmctld slurmdbd node1 ... node4
	local base
	read -r base <"$CL/port"
	case $1 in
	slurmctld) echo "$base" ;;
	slurmdbd) echo $((base + 1)) ;;
	node*) echo $((base + 1 + ${1#node})) ;;
	esac
}

# Reads the kernel's table (state 0A: listening), as a connection without a
# message would leave an error in the log of the daemon.
cl_listens() {
	local hex
	printf -v hex ':%04X [0-9A-F]*:0000 0A ' "$1"
	cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q "$hex"
}

# Runs a Slurm client against this cluster, bounded; its complaints are of
# interest only when waiting was in vain.
cl_client() {
	SLURM_CONF=$CL/etc/slurm.conf timeout 20 "$@" 2>"$CL/log/client.out"
}

# '*' marks a node that does not respond; drained is a test's own wish.
cl_node_ok() {
	case $(cl_client sinfo -h -N -n "$1" -o %T | head -n 1) in
	'' | *'*' | down | unknown | inval | future) return 1 ;;
	esac
}

cl_answers() {
	case $1 in
	munged) munge -n -S "$CL/m/s" -o /dev/null 2>/dev/null ;;
	mariadbd)
		mariadb-admin --no-defaults -S "$CL/db/s" ping \
			>/dev/null 2>&1
		;;
	slurmdbd)
		cl_listens "$(cl_port slurmdbd)" &&
			cl_client sacctmgr -n show cluster >/dev/null
		;;
	slurmctld)
		cl_listens "$(cl_port slurmctld)" &&
			cl_client scontrol ping | grep -q 'is UP'
		;;
	node*)  # without a controller the open port is all one can ask
		cl_listens "$(cl_port "$1")" &&
			{ cl_gone slurmctld || cl_node_ok "$1"; }
		;;
	esac
}

cl_launch() {
	local conf=$CL/etc/slurm.conf
	case $1 in
	munged)  # --force: take over the socket of a killed one
		cl_spawn "$1" munged --foreground --force --num-threads=2 \
			--key-file="$CL/m/key" --socket="$CL/m/s" \
			--pid-file="$CL/m/pid" --seed-file="$CL/m/seed" \
			--log-file="$CL/log/munged.log"
		;;
	mariadbd)
		cl_spawn "$1" mariadbd --no-defaults --user=root \
			--datadir="$CL/db/d" --socket="$CL/db/s" \
			--pid-file="$CL/db/pid" --skip-networking \
			--innodb-buffer-pool-size=64M \
			--innodb-log-file-size=16M \
			--innodb-lock-wait-timeout=900 \
			--innodb-flush-log-at-trx-commit=2 \
			--performance-schema=OFF
		;;
	slurmdbd) cl_spawn "$1" slurmdbd -D ;;
	slurmctld) cl_spawn "$1" slurmctld -D -f "$conf" ;;
	node*) cl_spawn "$1" slurmd -D -N "$1" -f "$conf" ;;
	esac
}

# True when the daemon answers or has died: in both cases waiting ends.
cl_settled() { cl_gone "$1" || cl_answers "$1"; }

cl_await() {
	cl_until "$CL_WAIT" cl_settled "$1" && ! cl_gone "$1" && return 0
	cl_tail "$1"
	return 1
}

cl_start() {
	cl_gone "$1" || { cl_say "$1 runs already"; return 0; }
	cl_launch "$1" && cl_await "$1"
}

# Ends a daemon with SIGTERM, with SIGKILL if that does not help in time.
cl_stop() {
	local pid
	if pid=$(cl_pid "$1"); then
		kill -TERM "$pid" 2>/dev/null
		cl_until "${2:-15}" cl_gone "$1" || cl_kill "$1"
	fi
	rm -f "$CL/run/$1"
}

cl_kill() {
	local pid
	pid=$(cl_pid "$1") || return 0
	kill -KILL "$pid" 2>/dev/null
	cl_until 10 cl_gone "$1"
}

cl_tail() {
	local f
	cl_say "$1 does not answer; the end of its log:"
	for f in "$CL/log/$1.log" "$CL/log/$1.out"; do
		[ -s "$f" ] || continue
		tail -n 15 "$f" >&2
		break
	done
	f=$CL/log/client.out
	[ ! -s "$f" ] || { echo "and the last client's:"; cat "$f"; } >&2
}

# ---- jobs ----------------------------------------------------------------

# Prints the pids of what runs jobs, on one node or on all. Step daemons
# leave slurmd's process tree and rename themselves: their open log file
# tells whose they are. Tasks carry the node's name and SLURM_CONF; a mere
# client, such as a shell with our 'env', has no SLURMD_NODENAME.
cl_job_pids() {
	local node=${1:-} p f name
	for p in /proc/[0-9]*; do
		{ read -r name <"$p/comm"; } 2>/dev/null || continue
		[ "$name" = slurmstepd ] || continue
		for f in "$p"/fd/*; do
			[[ $(readlink "$f") == "$CL"/*/"${node:-node}"* ]] ||
				continue
			echo "${p#/proc/}"
			break
		done
	done
	grep -lzxF "SLURM_CONF=$CL/etc/slurm.conf" /proc/[0-9]*/environ \
	    2>/dev/null | while read -r f; do
		grep -qz "^SLURMD_NODENAME=$node" "$f" 2>/dev/null || continue
		p=${f#/proc/}
		echo "${p%/environ}"
	done
}

# Kills them, again until none is left: a step may just have been forking.
cl_kill_jobs() {
	local pids
	pids=$(cl_job_pids "${1:-}")
	[ -n "$pids" ] || return 0
	# shellcheck disable=SC2086 # a list
	kill -KILL $pids 2>/dev/null
	return 1
}

cl_queue_empty() { [ -z "$(cl_client squeue -h -o %A)" ]; }

# Cancels the jobs first, so that waiting srun and salloc clients end too.
cl_cancel_jobs() {
	cl_gone slurmctld || cl_queue_empty && return 0
	cl_client squeue -h -o %A |
		SLURM_CONF=$CL/etc/slurm.conf timeout 10 xargs -r scancel -Q
	cl_until 8 cl_queue_empty
}

cl_stop_all() {
	local n pids=()
	cl_cancel_jobs 2>/dev/null
	for n in $CL_NODES; do
		cl_stop "$n" 5 &
		pids+=($!)
	done
	wait "${pids[@]}"  # not all children: the daemons are some
	cl_until 10 cl_kill_jobs
	for n in slurmctld slurmdbd mariadbd munged; do
		cl_stop "$n"
	done
}
