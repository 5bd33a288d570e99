# SPDX-License-Identifier: BSD-3-Clause
# Completion of mlbatch for bash. Names of runs and data sets are read from
# the store's directories, without starting mlbatch. Nothing is ever
# evaluated: a name may hold any byte.

# Options of a command, "=" where one takes a value.
# shellcheck disable=SC2086 # one word an option
_mlbatch_options()
{
    local common='--site= --store= --scheduler='
    local request='--job-name= --nodes= --ntasks= --ntasks-per-node=
        --cpus-per-task= --gpus-per-task= --mem= --time= --partition=
        --account= --constraint= --after= --after-any= --after-notok='

    case $1 in
        plan) printf '%s\n' --fit --json $request $common ;;
        submit) printf '%s\n' --dry-run --fit --hold --wait --parsable --json --again= \
                    --failed-of= --patience= $request $common ;;
        list) printf '%s\n' --open --last= --json $common ;;
        status | doctor) printf '%s\n' --json $common ;;
        explain) printf '%s\n' --attempt= --json $common ;;
        logs) printf '%s\n' --follow --rank= --batch $common ;;
        top) printf '%s\n' --once --json --sort= --filter= --site= --store= ;;
        wait) printf '%s\n' --quiet $common ;;
        report) printf '%s\n' --json --csv --html --prometheus= --site= \
                    --store= ;;
        cancel) printf '%s\n' $common ;;
        interrupt) printf '%s\n' --as= --json $common ;;
        hold | release) printf '%s\n' --json $common ;;
        'dataset import') printf '%s\n' --format= --label= --shape= --dtype= \
                              --length= --separator= --whole-files --field= \
                              --split= --seed= --shard-size= --site= \
                              --store= ;;
        'dataset tag') printf '%s\n' --delete --json --site= --store= ;;
        'dataset export') printf '%s\n' --to= --format= --split= --field= \
                              --force --json --site= --store= ;;
        'dataset rm') printf '%s\n' --yes --all --force --json --site= \
                          --store= ;;
        'checkpoint export') printf '%s\n' --to= --format= --tensor= \
                                 --force --json --site= --store= ;;
        'checkpoint prune') printf '%s\n' --keep= --keep-every= --best= \
                                --metric= --higher --dry-run --yes --json \
                                --site= --store= ;;
        'dataset '* | 'checkpoint '*)
            printf '%s\n' --json --site= --store= ;;
    esac
    [ "$1" = help ] || printf '%s\n' --help
}

_mlbatch_commands='init plan submit list status explain logs top wait cancel
    hold release interrupt dataset checkpoint report doctor help'

# An array: "[0]" must not be taken for a pattern.
_mlbatch_keys=(name= command= launch= resources.nodes=
    resources.tasks_per_node= resources.cpus_per_task=
    resources.gpus_per_task= resources.memory_per_node= resources.walltime=
    resources.partition= resources.account= resources.constraint=
    'datasets[0].name=' 'datasets[0].version=' 'datasets[0].as='
    checkpoint.every= checkpoint.keep= checkpoint.keep_every=
    checkpoint.best= checkpoint.keep_best= checkpoint.layout=
    checkpoint.warn= counters.enabled= counters.every= counters.hardware=
    counters.mpi= environment.
    sweep.random= sweep.seed= sweep.at_once= 'after.ok[0]=' 'after.any[0]=' 'after.notok[0]='
    'modules[0]=' 'slurm.options[0]=' 'files[0]=')

# Offer a word, quoted, if it begins with what was typed. The part up to the
# last "=" or ":" is readline's already where those break words.
_mlbatch_offer()
{
    local word=$1 end=$2 quoted skip=

    printf -v quoted %q "$word"
    # What is safe without quotes although %q is careful with it.
    [[ $word == *[^]a-zA-Z0-9_.,:=@+/[-]* ]] || quoted=$word
    [[ $word == "$cur"* || $quoted == "$cur"* ]] || return 0
    [[ $COMP_WORDBREAKS != *:* || $cur != *:* ]] || skip=${cur%:*}:
    [[ $COMP_WORDBREAKS != *=* || $cur != *=* ]] || skip=${cur%=*}=
    COMPREPLY+=("${quoted#"$skip"}$end")
}

# Offer the words of a list (ours, not a user's).
_mlbatch_offer_list()
{
    local word

    for word in $1; do
        if [[ $word == *= ]]; then
            _mlbatch_offer "$word"
            compopt -o nospace 2> /dev/null
        else
            _mlbatch_offer "$word" ' '
        fi
    done
}

_mlbatch_store()
{
    local i

    REPLY=${MLBATCH_STORE:-$HOME/mlbatch}
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        case ${words[i]} in
            --store=*) REPLY=${words[i]#*=} ;;
            --store) REPLY=${words[i + 1]} ;;
        esac
    done
    # shellcheck disable=SC2088 # readline leaves it to us
    [[ $REPLY != '~/'* ]] || REPLY=$HOME/${REPLY#'~/'}
}

# The directories in a part of the store: "names" cuts the number of runs
# off and gives each name once.
_mlbatch_offer_store()
{
    local part=$1 what=$2 path name last=

    _mlbatch_store
    for path in "$REPLY/$part"/*/; do
        name=${path%/}
        name=${name##*/}
        [ -d "$path" ] || continue
        if [ "$part" = runs ]; then
            [[ $name =~ ^.+\.[1-9][0-9]*$ ]] || continue
            [ "$what" != names ] || name=${name%.*}
        fi
        [ "$name" != "$last" ] || continue
        last=$name
        _mlbatch_offer "$name" ' '
    done
}

# Data sets, and behind a ':' the versions and tags of one.
_mlbatch_offer_dataset()
{
    local name=${cur%%:*} path

    if [[ $cur != *:* ]]; then
        _mlbatch_offer_store datasets
        return
    fi
    _mlbatch_store
    for path in "$REPLY/datasets/$name"/[0-9a-f]* \
        "$REPLY/datasets/$name/tags"/*; do
        [ ! -e "$path" ] || _mlbatch_offer "$name:${path##*/}" ' '
    done
}

# Runs, behind a ':' the steps of one; or the paths of checkpoints.
_mlbatch_offer_checkpoint()
{
    local run=${cur%:*} path step

    if [[ $cur == */* ]]; then
        _mlbatch_offer_files "$cur" .h5
        return
    elif [[ $cur != *:* ]]; then
        _mlbatch_offer_store runs
        return
    fi
    _mlbatch_store
    for path in "$REPLY/runs/$run"/checkpoints/step-*; do
        step=${path##*/step-}
        step=${step%%.*}
        [[ $step == *[^0-9]* ]] || _mlbatch_offer "$run:$((10#$step))" ' '
    done
}

# Files whose names end in one of $2..., and directories, that begin with $1.
_mlbatch_offer_files()
{
    local file suffix start=$1

    shift
    compopt -o filenames +o nospace 2> /dev/null
    while IFS= read -r file; do
        # Hidden ones only if asked for.
        [[ ${file##*/} != .* || ${start##*/} == .* ]] || continue
        if [ -d "$file" ] || [ $# = 0 ]; then
            COMPREPLY+=("$file")
            continue
        fi
        for suffix; do
            [[ $file != *"$suffix" ]] || COMPREPLY+=("$file")
        done
    done < <(compgen -f -- "$start")
}

# The value of option $1, of which $2 is there. 1: nothing is known of it.
_mlbatch_value()
{
    local cur=$2

    case $1 in
        --site) _mlbatch_offer_files "$cur" .conf ;;
        --store)
            compopt -o filenames +o nospace 2> /dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
        --scheduler) _mlbatch_offer_list 'auto slurm pbs local' ;;
        --again | --failed-of | --after | --after-any | --after-notok)
            _mlbatch_offer_store runs ;;
        --label) _mlbatch_offer_list 'first last' ;;
        --dtype) _mlbatch_offer_list 'u16 u32' ;;
        --sort) _mlbatch_offer_list 'run rank node cpu rss read write step
            samples loss gpu state' ;;
        --to) _mlbatch_offer_files "$cur" ;;
        --format)
            case $command in
                'dataset import') _mlbatch_offer_list 'csv npy npz idx
                    webdataset folder text tokens hdf5' ;;
                dataset*) _mlbatch_offer_list 'npz csv files' ;;
                *) _mlbatch_offer_list 'safetensors npz' ;;
            esac ;;
        *) return 1 ;;
    esac
}

# Positional arguments of a command; $2 is how many are there already.
_mlbatch_argument()
{
    case $1 in
        init) _mlbatch_offer_files "$cur" .conf ;;
        plan | submit)
            if [ "$2" = 0 ]; then
                _mlbatch_offer_files "$cur" .conf
            elif [[ $cur != *=* ]]; then
                local key
                compopt -o nospace 2> /dev/null
                for key in "${_mlbatch_keys[@]}"; do
                    _mlbatch_offer "$key"
                done
            fi ;;
        list) [ "$2" != 0 ] || _mlbatch_offer_store runs names ;;
        status | explain | logs | wait) [ "$2" != 0 ] || _mlbatch_offer_store runs ;;
        cancel | hold | interrupt | release | report | top) _mlbatch_offer_store runs ;;
        help)
            [ "$2" != 0 ] ||
                _mlbatch_offer_list "$_mlbatch_commands job site" ;;
        'dataset import')
            if [ "$2" = 0 ]; then
                _mlbatch_offer_store datasets
            else
                compopt -o filenames +o nospace 2> /dev/null
                mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            fi ;;
        'dataset list') [ "$2" != 0 ] || _mlbatch_offer_store datasets ;;
        'dataset tag') [ "$2" != 0 ] || _mlbatch_offer_dataset ;;
        'dataset show' | 'dataset export' | 'dataset rm')
            [ "$2" != 0 ] || _mlbatch_offer_dataset ;;
        'dataset verify') _mlbatch_offer_dataset ;;
        'dataset diff') [ "$2" -gt 1 ] || _mlbatch_offer_dataset ;;
        'checkpoint list' | 'checkpoint prune')
            if [ "$2" != 0 ]; then
                return
            elif [[ $cur == */* ]]; then
                _mlbatch_offer_files "$cur" /
            else
                _mlbatch_offer_store runs
            fi ;;
        'checkpoint show' | 'checkpoint export')
            [ "$2" != 0 ] || _mlbatch_offer_checkpoint ;;
        'checkpoint verify') _mlbatch_offer_checkpoint ;;
        'checkpoint diff') [ "$2" -gt 1 ] || _mlbatch_offer_checkpoint ;;
    esac
}

# words: the line up to the cursor, with what readline broke at "=" and ":"
# joined again; cur is the last of them.
_mlbatch_words()
{
    local i word join=

    words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $i -gt 1 && ( -n $join || $word == [=:]* ) ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
        join=
        [[ $word != [=:] && $word != *[^=:][=:] ]] || join=yes
    done
    cur=${words[${#words[@]} - 1]}
}

_mlbatch()
{
    local cur command='' seen=0 i word words=() value_of=''

    COMPREPLY=()
    _mlbatch_words
    # Options are offered with "=" and no space, all else with its own.
    compopt -o nospace 2> /dev/null
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        word=${words[i]}
        value_of=
        case $word in
            --) _mlbatch_offer_files "$cur"; return ;;
            --*=*) ;;
            -[JNnctpACra]) value_of=$word; i=$((i + 1)) ;;
            -*) [[ $(_mlbatch_options "$command") != *"$word="* ]] ||
                    { value_of=$word; i=$((i + 1)); } ;;
            *)
                if [ -z "$command" ]; then
                    command=$word
                elif [[ $command == dataset || $command == checkpoint ]]; then
                    command+=" $word"
                else
                    seen=$((seen + 1))
                fi ;;
        esac
    done
    # An option whose value is yet to come is the last of the words.
    if [ -n "$value_of" ] && ((i == ${#words[@]})); then
        _mlbatch_value "$value_of" "$cur"
        return
    fi
    case $command,$cur in
        ,-*) _mlbatch_offer_list '--version --help' ;;
        ,*) _mlbatch_offer_list "$_mlbatch_commands" ;;
        *,--*=*) _mlbatch_value "${cur%%=*}" "${cur#*=}" ;;
        *,-*) _mlbatch_offer_list "$(_mlbatch_options "$command")" ;;
        dataset,*) _mlbatch_offer_list 'import list show verify diff tag export
            rm' ;;
        checkpoint,*) _mlbatch_offer_list 'list show verify diff export prune' ;;
        *) _mlbatch_argument "$command" "$seen" ;;
    esac
}

complete -F _mlbatch mlbatch
