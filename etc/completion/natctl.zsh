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
	local word verb= skip= status_=1
	local -a verbs options rows row
	local -A arguments value argument_words

	rows=("${(@f)$(natctl help --porcelain 2>/dev/null)}")
	for word in $rows; do
		row=("${(@ps:\t:)word}")
		case $row[1] in
		verb) verbs+=("$row[2]:$row[4]"); arguments[$row[2]]=$row[3] ;;
		option)
			[[ $row[4] != - && $row[2] != - ]] && value[$row[2]]=$row[4]
			[[ $row[4] != - && $row[3] != - ]] && value[$row[3]]=$row[4] ;;
		words) argument_words[$row[2]]=$row[3] ;;
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
			row=("${(@ps:\t:)word}")
			[[ $row[1] == option && $row[2] != - ]] || continue
			[[ $row[5] == '*' || " $row[5] " == *" $verb "* ]] &&
				options+=("$row[2]:${row[6]//:/\\:}")
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
