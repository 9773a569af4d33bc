# Completion of natctl for bash.  Verbs, options and the words of their arguments are asked
# of natctl itself, so they are those of the version that is installed.

# Fields of "help --porcelain": verb NAME ARGUMENTS HELP | option NAME LETTER ARGUMENT VERBS
# HELP | words ARGUMENT WORDS.
_natctl_rows()
{
	natctl help --porcelain 2>/dev/null | awk -F'\t' -v want="$1" -v of="${2-}" '
		want == "verbs" && $1 == "verb" { print $2 }
		want == "options" && $1 == "option" && $2 != "-" &&
			($5 == "*" || index(" " $5 " ", " " of " ")) { print $2 }
		want == "valued" && $1 == "option" && $4 != "-" { print $2; print $3 }
		want == "arguments" && $1 == "verb" && $2 == of { print $3 }
		want == "value" && $1 == "option" && of != "-" && ($2 == of || $3 == of) { print $4 }
		want == "words" && $1 == "words" && $2 == of { print $3 }'
}

_natctl_verb()
{
	local word skip= valued
	valued=" $(_natctl_rows valued | tr '\n' ' ') "
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		if [[ $skip ]]; then
			skip=
		elif [[ $word == -* ]]; then
			[[ $valued == *" $word "* ]] && skip=1
		else
			printf '%s' "$word"
			return
		fi
	done
}

# What may stand for an argument of this name.
_natctl_argument()
{
	case $1 in
	ID) natctl list --porcelain 2>/dev/null | cut -f1 ;;
	IF) (cd /sys/class/net 2>/dev/null && printf '%s\n' *) ;;
	VERB) _natctl_rows verbs ;;
	FILE | PATH*) compgen -f -- "$2" ;;
	*) _natctl_rows words "$1" ;;
	esac
}

_natctl()
{
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
	local verb name words=
	verb=$(_natctl_verb)
	# bash takes "--json=short" for three words.
	[[ $current == = ]] && current=
	[[ $previous == = && COMP_CWORD -ge 3 ]] && previous=${COMP_WORDS[COMP_CWORD-2]}
	name=$(_natctl_rows value "$previous")
	if [[ $name && $name != - ]]; then
		words=$(_natctl_argument "$name" "$current")
	elif [[ $current == -* ]]; then
		words=$(_natctl_rows options "$verb")
	elif [[ ! $verb ]]; then
		words=$(_natctl_rows verbs)
	else
		for name in $(_natctl_rows arguments "$verb" | tr -cs 'A-Z' ' '); do
			words+=" $(_natctl_argument "$name" "$current")"
		done
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current" | awk '!seen[$0]++')
}

complete -F _natctl natctl
