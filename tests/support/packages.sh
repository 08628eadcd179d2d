# SPDX-License-Identifier: MIT
# Sourced by the scripts: installs what is missing on a Debian machine.

# Whether the compiler finds these headers.
has_headers() {
  local header
  for header in "$@"; do echo "#include <$header>"; done | g++ -E -x c++ - >/dev/null 2>&1
}

has_commands() {
  local name
  for name in "$@"; do command -v "$name" >/dev/null 2>&1 || return 1; done
}

# install PACKAGE...: if it cannot, fails and says what to do by hand.
install() {
  local as_root=
  if ! has_commands apt-get; then
    echo "This machine has no apt-get. Install the equivalents of these Debian packages, then run this again: $*" >&2
    return 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! has_commands sudo; then
      echo "Run this as root, or install these packages first: apt-get install $*" >&2
      return 1
    fi
    as_root=sudo
  fi
  echo "Installing $*"
  mkdir -p build
  { $as_root apt-get update &&
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } >build/apt.log 2>&1 ||
    { tail -n 20 build/apt.log >&2; echo "apt-get could not install $*; the whole log is build/apt.log" >&2; return 1; }
}
