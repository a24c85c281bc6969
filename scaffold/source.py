"""Where Groundwork is: what a fork notes of it in ``pyproject.toml``, and its commits, once they are fetched.

All its branches and releases are fetched into the fork's repository, below ``refs/groundwork/``: there no branch, no
tag and no push of the fork meets them.
"""

import json
import os
import re
import signal
import subprocess
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from scaffold.checkout import GIT, Refused, git

OURS = "groundwork"
REFS = f"refs/{OURS}"
RELEASE = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
_NOTE = re.compile(
    r"\n*(?:^# The commit of .*\n)?^\[tool\.groundwork\].*\n((?:.*\n|.+\Z)*?)(?=\n*(?:^#.*\n)*^\[|\Z)", re.MULTILINE
)


@dataclass(frozen=True)
class Note:
    """What a fork notes of Groundwork; empty texts if it notes nothing."""

    source: str = ""
    """The URL or path that Groundwork is fetched from."""
    commit: str = ""
    """The commit that the fork stands on."""

    @classmethod
    def of(cls, pyproject: str) -> "Note":
        """Read it."""
        table = tomllib.loads(pyproject).get("tool", {}).get("groundwork", {})
        return cls(table.get("source", ""), table.get("commit", ""))

    def within(self, pyproject: str, before: str = "") -> str:
        """Return the text with this note in place of any other; other keys that the table had ``before`` stay."""
        noted = _NOTE.search(before)
        own = re.sub(r"^(?:source|commit)\s*=.*\n?", "", noted[1], flags=re.MULTILINE) if noted else ""
        source, commit = json.dumps(self.source, ensure_ascii=False), json.dumps(self.commit)
        table = f"[tool.groundwork]\nsource = {source}\ncommit = {commit}\n{own}"
        return f"{without_note(pyproject)}\n# The commit of Groundwork that this fork stands on: make update\n{table}"


def without_note(pyproject: str) -> str:
    """Return the text without its note."""
    return f"{_NOTE.sub(lambda found: found[0][:1], pyproject).rstrip()}\n"


def source_of(tree: Path) -> str:
    """Return where a checkout was cloned from, without a secret; nothing if git does not know.

    A remote called ``upstream`` is what a fork on a forge calls the repository that it was made from; ``origin``
    may have another name, by git's clone.defaultRemoteName.
    """
    with suppress(Refused):
        there = git(tree, "remote").split()
        for remote in ("upstream", "origin", *there):
            if remote in there:
                return without_secret(git(tree, "remote", "get-url", remote).strip())
    return ""


def without_secret(url: str) -> str:
    """Return a URL without a password or token; a path as it is."""
    parts = urlsplit(url)
    if not (parts.scheme and parts.netloc):
        return url
    user, at, host = parts.netloc.rpartition("@")
    login = user.partition(":")[0] + at if "ssh" in parts.scheme else ""
    return urlunsplit((parts.scheme, f"{login}{host}", parts.path, "", ""))


# ---- fetching -------------------------------------------------------------------------------------------------------


def fetch(tree: Path, source: str, timeout_s: float | None = None) -> None:
    """Fetch all of Groundwork.

    Args:
        tree: the fork.
        source: a URL or a path.
        timeout_s: how long it may take; None: as long as something comes, and git may ask for a password.
    Raises: Refused (it can't be read).
    """
    refs = [f"+HEAD:{REFS}/HEAD", f"+refs/heads/*:{REFS}/heads/*", f"+refs/tags/*:{REFS}/tags/*"]
    slow = ("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=30", "-c", "gc.auto=0")
    command = [GIT, *slow, "fetch", "--quiet", "--no-tags", "--prune", "--", source, *refs]
    quiet = {} if timeout_s is None else {"GIT_TERMINAL_PROMPT": "0", "SSH_ASKPASS_REQUIRE": "never"}
    shown = without_secret(source)
    # a session of its own has no terminal to ask at, and ends as a whole
    running = subprocess.Popen(
        command,
        cwd=tree,
        env=os.environ | quiet,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=timeout_s is not None,
    )
    try:
        _, said = running.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _kill(running)
        running.communicate()
        raise Refused(f"{shown} does not answer within {timeout_s:.0f} s.") from None
    if running.returncode:
        reason = next((line for line in said.splitlines() if line.startswith("fatal: ")), said.strip()[-200:])
        reason = reason.removeprefix("fatal: ").replace(source, shown)
        raise Refused(
            f"{shown} can't be read: {reason.rstrip('.')}. Is the network there? If Groundwork has moved, write:"
            " make update source=URL"
        )
    if REFS in said:  # git has left out what begins in the middle of the history
        raise Refused(f"{shown} does not have the whole history. Write there: git fetch --unshallow")


def _kill(running: "subprocess.Popen[str]") -> None:
    """Kill a process with those that it has started, which hold its output open."""
    if hasattr(os, "killpg"):
        os.killpg(running.pid, signal.SIGKILL)
    else:  # Windows has no groups of processes
        command = ["taskkill", "/f", "/t", "/pid", str(running.pid)]
        subprocess.run(command, capture_output=True, check=False)


def commit_of(tree: Path, word: str) -> str | None:
    """Return the commit that a release, a branch or the beginning of a commit's name stands for; None for none."""
    short = f"{word.removeprefix('v')}."
    tags = [tag for tag in releases(tree) if tag.removeprefix("v").startswith(short)]  # v1.3 is v1.3.2
    tries = [f"{REFS}/{name}" for name in (f"tags/{word}", f"tags/v{word}", *(f"tags/{tag}" for tag in tags[:1]))]
    tries += [f"{REFS}/heads/{word}", *([f"{REFS}/HEAD"] if word == "HEAD" else [])]
    if re.fullmatch(r"[0-9a-f]{4,64}", word):
        tries.append(word)
    for name in tries:
        with suppress(Refused):
            return git(tree, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
    return None


def is_groundwork(tree: Path, commit: str) -> bool:
    """Whether a commit is one of Groundwork, and not of a fork."""
    try:
        return f'name = "{OURS}"' in git(tree, "show", f"{commit}:pyproject.toml")
    except Refused:
        return False


def releases(tree: Path, *which: str) -> list[str]:
    """Return the tags of the releases that were fetched, the newest first: all, or those that git finds by options."""
    names = git(tree, "for-each-ref", "--format=%(refname:lstrip=3)", *which, f"{REFS}/tags").split()
    found = [(tuple(map(int, match.groups())), name) for name in names if (match := RELEASE.fullmatch(name))]
    return [name for _, name in sorted(found, reverse=True)]


def is_within(tree: Path, commit: str, other: str) -> bool:
    """Whether a commit is another one, or one before it."""
    try:
        git(tree, "merge-base", "--is-ancestor", commit, other)
    except Refused:
        return False
    return True


# ---- the commit that a fork stands on -------------------------------------------------------------------------------


def original_of(tree: Path, commit: str) -> str | None:
    """Return the commit of Groundwork that a commit of the fork is, or comes from; None if there is none.

    A fork that was made without the history, by a forge's template or by copying, begins with a commit of its own,
    which has all files of one of Groundwork. What was committed after it, before ``make fork``, is the fork's own.
    """
    try:
        whole = git(tree, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}").strip()
    except Refused:  # it is not here
        return None
    known = dict(map(str.split, _history(tree, "%H %T", f"--glob={REFS}/*")))
    if whole not in known and not is_within(tree, whole, "HEAD") and is_groundwork(tree, whole):
        return whole  # an earlier update brought it, and Groundwork has taken it back
    by_files = {files: other for other, files in reversed(known.items())}
    for one, files in map(str.split, _history(tree, "%H %T", whole)):
        if found := one if one in known else by_files.get(files):
            return found
    return None


def nearest(tree: Path) -> tuple[str, int] | None:
    """Return the commit of Groundwork that has the most files as the fork has them, and how many these are."""
    mine = {*git(tree, "ls-tree", "-r", "HEAD").splitlines()}
    best, most = "", 0
    for commit in _history(tree, "%H", f"--glob={REFS}/*"):
        alike = len(mine & {*git(tree, "ls-tree", "-r", commit).splitlines()})
        if alike > most and is_groundwork(tree, commit):
            best, most = commit, alike
    return (best, most) if most else None


def _history(tree: Path, form: str, which: str) -> list[str]:
    return git(tree, "log", "--no-show-signature", f"--format={form}", which).splitlines()
