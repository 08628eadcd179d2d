# SPDX-License-Identifier: MIT
# Completion of cibmtr-token for bash: source this, or install it as bash-completion/completions/cibmtr-token.

_cibmtr_token() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  # bash makes three words of --option=value.
  if [[ $word == = ]]; then
    word=
  elif [[ $before == = ]]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  local options='--environment
--token-url
--credentials
--scope
--ca
--client-certificate
--client-key
--proxy
--timeout
--cache
--renew
--forget
--no-cache
--header
--json
--check
--help
--version'
  COMPREPLY=()
  case $before in
    --environment) mapfile -t COMPREPLY < <(compgen -W $'test\nexternal-test\nproduction' -- "$word") ;;
    --proxy) mapfile -t COMPREPLY < <(compgen -W none -- "$word") ;;
    --credentials | --ca | --client-certificate | --client-key)
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      compopt -o filenames 2>/dev/null
      ;;
    --cache)
      mapfile -t COMPREPLY < <(compgen -d -- "$word")
      compopt -o filenames 2>/dev/null
      ;;
    --token-url | --scope | --timeout) ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word") ;;
  esac
}
complete -F _cibmtr_token cibmtr-token
