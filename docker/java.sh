#!/bin/sh
# Finds a Java runtime that Spark 4 can use, or installs one. POSIX sh: dash, bash and busybox run it alike.
#
#   JAVA_HOME=$(sh docker/java.sh [VENV])
#
# Prints the JAVA_HOME to use as its only line on stdout; all else goes to stderr. Looks, in this order, at
#   1. $JAVA_HOME
#   2. java on the PATH
#   3. VENV/java, where an earlier call may have put one
#   4. /usr/lib/jvm, where Linux distributions put theirs
# and where none of them will do, installs
#   5. Debian's or Ubuntu's openjdk-17-jre-headless (21 where 17 is gone), as root or with passwordless sudo
#   6. a runtime of its own under VENV/java, with the PyPI package install-jdk, which downloads it
# or says what is needed and exits with 1.
set -eu

readonly LEAST_JAVA=17
readonly INSTALL_JDK='install-jdk==1.1.0'
venv=${1:-}

say() { printf 'java.sh: %s\n' "$*" >&2; }

# The feature version in the output of `java -version`: 17 for "17.0.15", 21 for "21" and "21-ea", 8 for "1.8.0_402".
feature_version() {
    sed -n '/ version "/{
        s/^.* version "\([^"]*\)".*$/\1/
        s/^1\.\([0-9]\)/\1/
        s/[^0-9].*$//
        p
        q
    }'
}

# usable JAVA_COMMAND: prints its home and succeeds where it is new enough and has the module that Spark starts with.
usable() {
    # Asking Java itself for its home also sees through links and through shims such as those of macOS and jenv.
    settings=$("$1" -XshowSettings:properties -version 2>&1) || { say "$1 does not run"; return 1; }
    version=$(printf '%s\n' "$settings" | feature_version)
    home=$(printf '%s\n' "$settings" | sed -n 's/^ *java\.home = //p' | head -n 1)
    if [ -z "$version" ] || [ -z "$home" ]; then
        say "$1 does not say which Java it is"
        return 1
    fi
    if [ "$version" -lt "$LEAST_JAVA" ]; then
        say "$1 is Java $version: Spark needs $LEAST_JAVA or later"
        return 1
    fi
    if ! "$home/bin/java" --add-modules=jdk.incubator.vector -version >/dev/null 2>&1; then
        say "$1 is a reduced Java without jdk.incubator.vector, which Spark needs"
        return 1
    fi
    printf '%s\n' "$home"
}

find_java() {
    if [ -n "${JAVA_HOME:-}" ] && usable "$JAVA_HOME/bin/java"; then return 0; fi
    if on_path=$(command -v java) && usable "$on_path"; then return 0; fi
    # The second pattern is the layout of macOS.
    for java in "$venv"/java/*/bin/java "$venv"/java/*/Contents/Home/bin/java; do
        if [ -n "$venv" ] && [ -x "$java" ] && usable "$java"; then return 0; fi
    done
    for java in /usr/lib/jvm/*/bin/java; do
        if [ -x "$java" ] && usable "$java"; then return 0; fi
    done
    return 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

apt_install() {
    command -v apt-get >/dev/null 2>&1 || return 1
    if [ "$(id -u)" -ne 0 ] && ! { command -v sudo && sudo -n true; } >/dev/null 2>&1; then
        say 'apt-get is here, but neither root nor sudo without a password'
        return 1
    fi
    say 'installing a Java runtime with apt-get'
    as_root apt-get update -q >&2 || say 'apt-get update failed: trying with the package lists at hand'
    # Slim images have no manual pages, and the package links one.
    as_root mkdir -p /usr/share/man/man1
    for package in openjdk-17-jre-headless openjdk-21-jre-headless; do
        if as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends "$package" >&2; then return 0; fi
    done
    say 'apt-get could not install a Java runtime'
    return 1
}

pip_install() {
    [ -n "$venv" ] && [ -x "$venv/bin/python" ] || return 1
    "$venv/bin/python" -m pip install -q --disable-pip-version-check "$INSTALL_JDK" >&2 || return 1
    # The smaller JRE first; the whole JDK where the JRE turns out to lack what Spark needs.
    for kind in jre jdk; do
        say "installing a Java runtime ($kind) under $venv/java with install-jdk"
        "$venv/bin/python" -c "$UNPACK" "$LEAST_JAVA" "$kind" "$venv/java" >&2 || return 1
        if find_java >/dev/null; then return 0; fi
    done
    return 1
}

UNPACK='
import sys

import jdk

version, kind, folder = sys.argv[1:]
try:
    print("java.sh: unpacked", jdk.install(version, jre=kind == "jre", path=folder))
except Exception as error:  # whatever the reason, the caller says what to do
    sys.exit(f"java.sh: install-jdk could not: {type(error).__name__}: {error}")
'

if find_java; then exit 0; fi
say "found no Java $LEAST_JAVA or later"
if apt_install && find_java; then exit 0; fi
if pip_install && find_java; then exit 0; fi
say "Spark needs a Java runtime, version $LEAST_JAVA or later (17 and 21 are usual). Install one, for example
    Debian, Ubuntu:  sudo apt-get install openjdk-17-jre-headless
    Fedora, RHEL:    sudo dnf install java-21-openjdk-headless
    macOS:           brew install --cask temurin@17
or set JAVA_HOME to one that you have, and run the same command again."
exit 1
