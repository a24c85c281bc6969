"""Refuse revisions that would block or break a running application: squawk, on the SQL that PostgreSQL would get.

``make check`` runs it as ``python -m migrations.seedwork.lint``. Only a line in the revision allows one:

    # squawk: allow ban-drop-column: no release since 7 reads or writes it
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from adapters.seedwork.settings import PROJECT

EXCLUDED = (
    "prefer-bigint-over-int",
    "prefer-identity",
    "prefer-text-field",
    "require-lock-timeout",  # env.py sets it
    "require-statement-timeout",  # a migration may take long where it blocks nobody
)
STEP = re.compile(r"^-- Running upgrade .*?-> (\w+)$", re.MULTILINE)
INDEX = re.compile(r'(CREATE (?:UNIQUE )?INDEX CONCURRENTLY )(?:IF NOT EXISTS )?("[^"]+"|\w+)', re.IGNORECASE)
DROP_FIRST = (
    "A build that fails leaves a broken index, which IF NOT EXISTS would take for a good one. Drop it first:"
    " op.drop_index(..., if_exists=True, postgresql_concurrently=True)"
)
BEFORE_BLOCK = re.compile(r"def upgrade.*?\b(op\.(?!execute|get_|f\b)\w+).*?\bautocommit_block\b", re.DOTALL)
MARKER = re.compile(r"^\s*# squawk: allow ([\w-]+)(?:: *(\S.*))?$", re.MULTILINE)


def refusals(config: Config) -> Iterator[str]:
    """Yield what is wrong, with the name of the revision."""
    script = ScriptDirectory.from_config(config)
    steps, error = render(config)
    for revision, found in squawk(steps).items():
        path = Path(script.get_revision(revision).path)
        source = path.read_text("utf-8")
        findings = [*found, *committed_early(source)]
        markers: dict[str, str] = dict(MARKER.findall(source))
        for rule in markers.keys() - {rule for rule, _ in findings}:
            yield f"{path.name}: nothing to allow for {rule}. Remove the marker."
        for rule, text in findings:
            if not markers.get(rule):
                yield f"{path.name}: {text}\n  If it is safe here, say why in that file: # squawk: allow {rule}: ..."
    if error:
        yield f"No SQL can be shown of what follows {', '.join(steps) or 'base'}: {error}"


def committed_early(source: str) -> Iterator[tuple[str, str]]:
    """Yield what a block of a revision commits before its time: squawk does not see a block that reads rows."""
    if before := BEFORE_BLOCK.search(source.partition("\ndef downgrade")[0]):
        rule, action = "autocommit-block-first", f"autocommit_block() commits {before[1]}(), which stands before it"
        advice = "An upgrade that fails later can't be run again. Put the block first, or into a revision of its own."
        yield rule, f"{rule}: {action}\n  {advice}"


def render(config: Config) -> tuple[dict[str, str], Exception | None]:
    """Return the SQL of each revision, and the error of the first one that has none."""
    config.attributes["url"] = "postgresql://"
    config.output_buffer = output = StringIO()
    error = None
    try:
        command.upgrade(config, "heads", sql=True)
    except Exception as failure:  # a revision that reads rows may raise anything
        error = failure
    _, *parts = STEP.split(output.getvalue())
    ended = {revision: sql.rpartition("COMMIT;") for revision, sql in zip(parts[::2], parts[1::2], strict=True)}
    return {revision: f"BEGIN;{sql}{commit}" for revision, (sql, commit, _) in ended.items() if commit}, error


def squawk(steps: dict[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Return what squawk finds in each: the rule, and the statement with the advice."""
    program = shutil.which("squawk", path=str(Path(sys.executable).parent))
    assert program, "it comes with the development install"
    if not steps:
        return {}
    with TemporaryDirectory() as folder:
        for revision, sql in steps.items():
            # squawk-ignore: by this comment a statement would allow itself
            Path(folder, f"{revision}.sql").write_text(as_repeatable(sql.replace("squawk-ignore", "")), "utf-8")
        run = [program, "--reporter=json", f"--exclude={','.join(EXCLUDED)}", "*.sql"]
        result = subprocess.run(run, cwd=folder, check=False, capture_output=True, encoding="utf-8")  # noqa: S603  # no input of others
    if result.stderr:
        raise RuntimeError(result.stderr)
    found: dict[str, list[tuple[str, str]]] = {revision: [] for revision in steps}
    for finding in json.loads(result.stdout):
        revision, rule = Path(finding["file"]).stem, finding["rule_name"]
        statement = " ".join("\n".join(steps[revision].splitlines()[finding["line"] : finding["line_end"] + 1]).split())
        advice = " ".join(filter(None, (finding["message"], finding["help"])))
        if rule == "prefer-robust-stmts" and INDEX.match(statement):
            advice = DROP_FIRST
        found[revision].append((rule, f"{rule}: {statement}\n  {advice}"))
    return found


def as_repeatable(sql: str) -> str:
    """Write IF NOT EXISTS, which squawk asks for outside a transaction, into each index that is dropped first."""

    def rewrite(found: re.Match[str]) -> str:
        create, name = found.groups()
        is_dropped = f"DROP INDEX CONCURRENTLY IF EXISTS {name};".casefold() in sql[: found.start()].casefold()
        return f"{create}{'IF NOT EXISTS ' if is_dropped else ''}{name}"

    return INDEX.sub(rewrite, sql)


if __name__ == "__main__":
    sys.exit("\n".join(refusals(Config(toml_file=PROJECT / "pyproject.toml"))) or None)
