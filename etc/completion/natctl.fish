# Completion of natctl for fish.  Verbs, options and the words of their arguments are asked of
# natctl itself, so they are those of the version that is installed.

# Fields of "help --porcelain": verb NAME ARGUMENTS HELP | option NAME LETTER ARGUMENT VERBS
# HELP | words ARGUMENT WORDS.
function __natctl_rows
    natctl help --porcelain 2>/dev/null | string match -r "^$argv[1]\t.*"
end

function __natctl_verbs
    __natctl_rows verb | while read -d \t -l kind name arguments help
        printf '%s\t%s\n' $name $help
    end
end

# The verb of the command line so far, if there is one.
function __natctl_verb
    set -l valued (__natctl_rows option | string split -f 2,3,4 \t | while read -l name
        read -l letter; read -l argument
        test $argument != -; and printf '%s\n' $name $letter
    end)
    set -l skip
    for word in (commandline -opc)[2..]
        if test -n "$skip"
            set skip
        else if string match -q -- '-*' $word
            contains -- $word $valued; and set skip 1
        else
            echo $word
            return
        end
    end
    return 1
end

function __natctl_verb_is
    set -l verb (__natctl_verb); and contains -- $verb $argv
end

# What may stand for an argument of this name.
function __natctl_argument
    switch $argv[1]
        case ID
            natctl list --porcelain 2>/dev/null |
                while read -d \t -l id protocol state method address port rest
                    printf '%s\t%s %s:%s (%s)\n' $id $protocol $address $port $state
                end
        case IF
            string replace -r '.*/' '' /sys/class/net/*
        case VERB
            __natctl_verbs
        case '*'
            __natctl_rows words | while read -d \t -l kind name words
                test $name = $argv[1]; and string split ' ' $words
            end
    end
end

# What may follow the verb that is there.
function __natctl_arguments
    set -l verb (__natctl_verb); or return
    __natctl_rows verb | while read -d \t -l kind name arguments help
        test $name = $verb; or continue
        for argument in (string match -ra '[A-Z]+' $arguments)
            __natctl_argument $argument
        end
    end
end

complete -c natctl -e
complete -c natctl -f
complete -c natctl -n 'not __natctl_verb' -a '(__natctl_verbs)'
complete -c natctl -n __natctl_verb -a '(__natctl_arguments)'
__natctl_rows option | while read -d \t -l kind name letter argument verbs help
    set -l row -d $help
    test $name != -; and set -a row -l (string sub -s 3 -- $name)
    test $letter != -; and set -a row -s (string sub -s 2 -- $letter)
    test $verbs != '*'; and set -a row -n "__natctl_verb_is $verbs"
    switch $argument
        case -
        case FILE 'PATH*'
            set -a row -r -F
        case '*'
            set -a row -x -a "(__natctl_argument '$argument')"
    end
    complete -c natctl $row
end
