#compdef natctl
# Completion of natctl for zsh.  Verbs, options and the words of their arguments are asked of
# natctl itself, so they are those of the version that is installed.

# What may stand for an argument of this name.
_natctl_argument()
{
	local -a found
	local id protocol state method address port rest

	case $1 in
	ID)
		natctl list --porcelain 2>/dev/null |
			while IFS=$'\t' read -r id protocol state method address port rest; do
				found+=("$id:$protocol ${address//:/\\:}\\:$port ($state)")
			done
		_describe -t mappings mapping found ;;
	IF) _net_interfaces ;;
	VERB) found=("${(@)verbs}"); _describe -t verbs verb found ;;
	FILE | PATH*) _files ;;
	COMMAND) _command_names -e ;;
	*)
		found=(${=argument_words[$1]})
		(( $#found )) && _describe -t words ${(L)1} found ;;
	esac
}

_natctl()
{
	# Fields of "help --porcelain": verb NAME ARGUMENTS HELP | option NAME LETTER ARGUMENT
	# VERBS HELP | words ARGUMENT WORDS.
	local kind a b c d help word verb= skip= status_=1
	local -a verbs options rows
	local -A arguments value argument_words

	rows=("${(@f)$(natctl help --porcelain 2>/dev/null)}")
	for word in $rows; do
		IFS=$'\t' read -r kind a b c d help <<<$word
		case $kind in
		verb) verbs+=("$a:$c${d:+ $d}"); arguments[$a]=$b ;;
		option)
			[[ $c != - && $a != - ]] && value[$a]=$c
			[[ $c != - && $b != - ]] && value[$b]=$c ;;
		words) argument_words[$a]=$b ;;
		esac
	done
	for word in "${(@)words[2,CURRENT-1]}"; do
		if [[ -n $skip ]]; then
			skip=
		elif [[ $word == -* ]]; then
			skip=${value[$word]-}
		else
			verb=$word
			break
		fi
	done

	if [[ -n ${value[$words[CURRENT-1]]-} ]]; then
		_natctl_argument ${value[$words[CURRENT-1]]}
		return
	fi
	if [[ -n ${value[${words[CURRENT]%%=*}]-} && $words[CURRENT] == *=* ]]; then
		word=${words[CURRENT]%%=*}
		compset -P '*='
		_natctl_argument ${value[$word]}
		return
	fi
	if [[ $words[CURRENT] == -* ]]; then
		for word in $rows; do
			IFS=$'\t' read -r kind a b c d help <<<$word
			[[ $kind == option && $a != - ]] || continue
			[[ $d == '*' || " $d " == *" $verb "* ]] && options+=("$a:${help//:/\\:}")
		done
		_describe -t options option options
		return
	fi
	if [[ -z $verb ]]; then
		_natctl_argument VERB
		return
	fi
	for word in ${(us: :)${arguments[$verb]//[^A-Z]/ }}; do
		[[ $word != COMMAND ]] && _natctl_argument $word && status_=0
	done
	return status_
}

_natctl "$@"
