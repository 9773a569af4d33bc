# Completion of natctl for bash.  Verbs and options are asked of natctl itself, so they
# are those of the version that is installed.

_natctl_words()
{
	# Fields of "help --porcelain": verb NAME ... | option NAME LETTER ARGUMENT VERBS ...
	natctl help --porcelain 2>/dev/null | awk -F'\t' -v want="$1" -v verb="${2-}" '
		want == "verbs" && $1 == "verb" { print $2 }
		want == "options" && $1 == "option" && $2 != "-" &&
			($5 == "*" || index(" " $5 " ", " " verb " ")) { print $2 }
		want == "valued" && $1 == "option" && $4 != "-" { print $2; print $3 }'
}

_natctl_verb()
{
	local word skip= valued
	valued=" $(_natctl_words valued | tr '\n' ' ') "
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

_natctl()
{
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
	local verb words=
	verb=$(_natctl_verb)
	case $previous in
	-i | --interface) words=$(cd /sys/class/net 2>/dev/null && echo *) ;;
	--json) words='pretty short off' ;;
	--color) words='auto always never' ;;
	--transport) words='udp tcp tls dtls' ;;
	--method) words='pcp nat_pmp igd2 igd1 igd_pinhole direct' ;;
	-H | --socket | --port-file | --write)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return ;;
	*)
		if [[ $current == -* ]]; then
			words=$(_natctl_words options "$verb")
		elif [[ ! $verb ]]; then
			words=$(_natctl_words verbs)
		else
			case $verb in
			help) words=$(_natctl_words verbs) ;;
			show | unmap | renew | wait | verify)
				words=$(natctl list --porcelain 2>/dev/null | cut -f1) ;;
			esac
			case $verb in
			map | unmap | list) words+=' tcp udp tcp+udp' ;;
			esac
		fi ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _natctl natctl
