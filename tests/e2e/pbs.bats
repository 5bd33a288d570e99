#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# What is PBS's own. Runs against a real OpenPBS if qsub --version finds one,
# else against one that is played (tests/pbs); what only a played one can do
# is skipped then.

load helper
setup() { common_setup; }
teardown() { common_teardown; }

played_only() {
    [ -n "$MLB_REPLAYED" ] || skip "a real PBS does not do that at will"
}

job_of() {
    mlbatch status "$1" --json | sed -n 's/^ *"job": "\(.*\)",*$/\1/p'
}

no_jobs_are_left() {
    [ -z "$(qselect -u "$(id -un)")" ]
}

substate() {
    qstat -x -f -w "$1" | sed -n 's/^    substate = //p'
}

has_substate() { [ "$(substate "$1")" = "$2" ]; }

@test "pbs$MLB_REPLAYED: doctor names the PBS that is here" {
    run mlbatch doctor
    [[ "$output" == *"pbs "*"OpenPBS "*"server "*"history"* ]]
    # And auto is it, where there is no Slurm.
    [ -n "${SLURM_CONF-}" ] || {
        run mlbatch plan --scheduler=auto -- true
        [[ "$output" == *"scheduler    pbs"* ]]
    }
}

@test "pbs$MLB_REPLAYED: the job has the name, the place and the options asked for" {
    cat > options.conf <<'C'
name = "ein großer Versuch, Nr. 7";
command = ["sh", "-c", "pwd; umask; echo $MINE; echo $PBS_JOBID"];
resources = { walltime = "10m"; };
pbs = { options = ["-p", "5"]; };
C
    umask 027
    MINE="it's \"mine\", \\ all" run --separate-stderr mlbatch submit --wait \
        --parsable options.conf
    echo "$stderr"
    [ "$status" -eq 0 ]
    local job
    job=$(job_of "$output")
    run mlbatch logs "$output"
    [ "${lines[0]}" = "$PWD" ]
    [ "${lines[1]}" = 0027 ]
    [ "${lines[2]}" = "it's \"mine\", \\ all" ]
    [ "${lines[3]}" = "$job" ]
    run qstat -x -f -w "$job"
    [[ "$output" == *"Job_Name = ein_gro_er_Vers"* ]]
    [[ "$output" == *"Priority = 5"* ]]
    [[ "$output" == *"Resource_List.walltime = 00:10:00"* ]]
    # What others can read has nothing of the environment.
    [[ "$output" != *mine* ]]
}

@test "pbs$MLB_REPLAYED: a refusal is told in PBS's words, and leaves no run" {
    run mlbatch submit --partition=nosuchq -- true
    [ "$status" -eq 4 ]
    [[ "$output" == *"PBS did not take the job: qsub: Unknown queue"* ]]
    run mlbatch list
    [[ "$output" != *true* ]]
    run mlbatch submit 'pbs.options[0]=-I' -- true
    echo "$output"
    [ "$status" -eq 3 ]
    [[ "$output" == *"a run is not interactive"* ]]
}

@test "pbs$MLB_REPLAYED: what can never run says so, and can be cancelled" {
    mlbatch submit --job-name=huge --cpus-per-task=60000 -- true
    until_true 30 has_reason huge.1 "Can Never Run"
    is_state huge.1 pending
    mlbatch cancel huge
    until_true 30 is_state huge.1 cancelled
}

has_reason() {
    [[ "$(mlbatch status "$1")" == *"$2"* ]]
}

@test "pbs$MLB_REPLAYED: who waits for a deleted run in vain is told so" {
    mlbatch submit --job-name=parent --cpus-per-task=60000 -- true
    mlbatch submit --job-name=child --after-any=parent -- true
    run mlbatch explain child
    echo "$output"
    [[ "$output" == *"waits for another job"* ]]
    mlbatch cancel parent
    until_true 30 is_state parent.1 cancelled
    run mlbatch explain child
    echo "$output"
    [[ "$output" == *"PBS lets it wait for ever"* ]]
    mlbatch cancel child
    until_true 30 is_state child.1 cancelled
}

@test "pbs$MLB_REPLAYED: cancel just after submit is a cancel" {
    # A played job stays that long in the state in which qdel goes wrong.
    [ -z "$MLB_REPLAYED" ] || pbsplay starting 1
    mlbatch submit --job-name=quick -- sleep 600
    mlbatch cancel quick
    until_true 60 is_state quick.1 cancelled
    until_true 60 no_jobs_are_left
}

@test "pbs$MLB_REPLAYED: the end of the walltime is a timeout" {
    mlbatch submit --job-name=late resources.walltime=3s -- sleep 600
    local job
    job=$(job_of late.1)
    until_true 60 is_state late.1 timeout
    until_true 60 has_substate "$job" 93
    qstat -x -f -w "$job" | grep -q 'Exit_status = -29'
    is_state late.1 timeout
}

@test "pbs$MLB_REPLAYED: PBS's clock says when the walltime is over" {
    played_only
    mlbatch submit --job-name=jump resources.walltime=10m -- sleep 600
    until_true 30 is_state jump.1 running
    pbsplay clock 700
    # The agent's clock knows of no limit: only PBS can tell why it was ended.
    until_true 30 is_state jump.1 timeout
}

@test "pbs$MLB_REPLAYED: ranks run on two nodes, in the submitter's environment" {
    needs_nodes 2
    cat > two.conf <<'C'
name = "two";
command = "echo $RANK/$WORLD_SIZE $LOCAL_RANK $NODE_RANK $MINE $PBS_NODENUM";
launch = "torch";
resources = { nodes = 2; tasks_per_node = 2; };
C
    MINE='a "b" c' run mlbatch submit --wait two.conf
    echo "$output"
    [ "$status" -eq 0 ]
    local rank
    for rank in 0 1 2 3; do
        run mlbatch logs two --rank=$rank
        [ "$output" = "$rank/4 $((rank % 2)) $((rank / 2)) a \"b\" c $((rank / 2))" ]
    done
    is_state two.1 completed
    ! compgen -G "$MLBATCH_STORE/runs/two.1/environment-*"
}

@test "pbs$MLB_REPLAYED: a rank that fails on one node ends those of the other" {
    needs_nodes 2
    cat > two.conf <<'C'
name = "two";
command = "if [ $RANK = 3 ]; then exit 5; fi; exec sleep 600";
launch = "torch";
resources = { nodes = 2; tasks_per_node = 2; };
C
    run mlbatch submit --wait two.conf
    echo "$output"
    [ "$status" -ne 0 ]
    run mlbatch status two
    [[ "$output" == *"rank 3"*"exited with 5"* ]]
    until_true 60 no_jobs_are_left
}

@test "pbs$MLB_REPLAYED: mpirun starts the ranks of a job" {
    run mlbatch submit --wait launch=mpi resources.tasks_per_node=2 \
        --job-name=m -- sh -c 'echo "$RANK of $WORLD_SIZE"'
    echo "$output"
    [ "$status" -eq 0 ]
    run mlbatch logs m --rank=1
    [ "$output" = "1 of 2" ]
}

@test "pbs$MLB_REPLAYED: mpirun that does not know PBS is led to both nodes" {
    played_only
    # It is not the real one: that would want to reach hosts of such names.
    mkdir bin
    printf '#!/bin/sh\necho mca:plm:rsh:version\n' > bin/ompi_info
    cat > bin/mpirun <<'S'
#!/bin/sh
echo "$*" | tr '\n' ' ' > told
echo "$OMPI_MCA_plm_rsh_agent" > starter
cp "$2" hosts
"$OMPI_MCA_plm_rsh_agent" pbs2 'echo "$PBS_NODENUM a b"; exit 3' > there
echo $? >> there
S
    chmod +x bin/*
    PATH=$PWD/bin:$PATH run mlbatch submit --wait launch=mpi \
        resources.nodes=2 resources.tasks_per_node=3 --job-name=m -- true
    [ "$(cat hosts)" = "$(printf 'pbs1 slots=3\npbs2 slots=3')" ]
    [ "$(cat there)" = "$(printf '1 a b\n3')" ]
    [[ "$(cat told)" == "--hostfile "*" -x PATH "*" -n 6 "*" task "* ]]
}

@test "pbs$MLB_REPLAYED: an answer that is lost does not submit twice" {
    played_only
    pbsplay lose 1
    run mlbatch submit --parsable --job-name=once -- true
    echo "$output"
    [ "$status" -eq 0 ]
    mlbatch wait once
    [ "$(qselect -x -N once -u "$(id -un)" | wc -l)" = 1 ]
}

@test "pbs$MLB_REPLAYED: a server that is down keeps nobody from waiting" {
    played_only
    mkfifo gate
    mlbatch submit --job-name=before -- sh -c "cat '$PWD/gate'"
    until_true 30 is_state before.1 running
    pbsplay down 3
    run mlbatch status before
    echo "$output"
    [ "$status" -eq 0 ]
    [[ "$output" == *"started at"*"cannot connect to server"* ]]
    run mlbatch submit --wait --job-name=after -- true
    [ "$status" -eq 0 ]
    [[ "$output" == *"cannot connect to server"*"trying again"* ]]
    echo > gate
    mlbatch wait before
}

@test "pbs$MLB_REPLAYED: without history the run's own log tells how it ended" {
    played_only
    pbsplay history off
    run mlbatch doctor
    [[ "$output" == *"no history of jobs"* ]]
    run mlbatch submit --wait --job-name=h -- sh -c 'exit 4'
    [ "$status" -eq 4 ]
    until_true 30 no_jobs_are_left
    is_state h.1 failed
    run mlbatch submit --wait --job-name=h -- true
    is_state h.2 completed
    mlbatch submit --job-name=h -- sleep 600
    until_true 30 is_state h.3 running
    mlbatch cancel h.3
    until_true 30 is_state h.3 cancelled
    # Of one whose agent could not say a word nobody can tell.
    mlbatch submit --job-name=h -- sleep 600
    until_true 30 is_state h.4 running
    pbsplay kill "$(job_of h.4)"
    until_true 30 no_jobs_are_left
    run mlbatch status h.4
    echo "$output"
    [[ "$output" == *unknown*"PBS keeps no history of jobs here"* ]]
}

@test "pbs$MLB_REPLAYED: an id that another job has now is not taken for ours" {
    played_only
    mlbatch submit --job-name=first -- sleep 600
    until_true 30 is_state first.1 running
    local job
    job=$(job_of first.1)
    pbsplay kill "$job"
    # As after a server lost its data: the next job has the same id.
    pbsplay forget $((${job%%.*} - 1))
    mlbatch submit --job-name=second -- sleep 600
    until_true 30 is_state second.1 running
    [ "$(job_of second.1)" = "$job" ]
    ! is_state first.1 running
    mlbatch cancel second
    until_true 30 is_state second.1 cancelled
}

@test "pbs$MLB_REPLAYED: a job whose node is lost runs again, as one run" {
    played_only
    mlbatch submit --job-name=n -- \
        sh -c '[ ! -e begun ] || exit 0; touch begun; exec sleep 600'
    until_true 30 test -e begun
    local job
    job=$(job_of n.1)
    pbsplay lose_node "$job"
    mlbatch wait n
    is_state n.1 completed
    [ "$(job_of n.1)" = "$job" ]
    run mlbatch status n
    [[ "$output" == *"attempts"*2* ]]
}

@test "torque$MLB_REPLAYED: runs are submitted, told of and cancelled" {
    played_only
    pbsplay stop
    until_true 10 server_is_gone
    rm -r "$BATS_TEST_TMPDIR/pbs"
    "$MLB_TOP/tests/pbs/up" "$BATS_TEST_TMPDIR/pbs" torque
    run mlbatch doctor
    [[ "$output" == *"Torque 6.1.3"* ]]
    run mlbatch submit --wait launch=torch resources.nodes=2 \
        resources.tasks_per_node=2 resources.cpus_per_task=2 \
        resources.memory_per_node=1G --job-name=t -- \
        sh -c 'echo $RANK of $WORLD_SIZE, node $NODE_RANK'
    echo "$output"
    [ "$status" -eq 0 ]
    run mlbatch logs t --rank=3
    [ "$output" = "3 of 4, node 1" ]
    run mlbatch submit --wait --job-name=t -- sh -c 'exit 3'
    [ "$status" -eq 3 ]
    grep -q 'exited with 3' "$MLBATCH_STORE/runs/t.2/out/batch.log"
    mlbatch submit --job-name=c -- sleep 600
    until_true 30 is_state c.1 running
    mlbatch cancel c
    until_true 30 is_state c.1 cancelled
    mlbatch submit --hold --job-name=held -- true
    is_state held.1 pending
    mlbatch release held
    mlbatch wait held
}

server_is_gone() { ! pbsplay clock 0; }
