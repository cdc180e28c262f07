"""Refuse migrations that block a busy table. `bin/lint` runs this; it needs no database.

The SQL for PostgreSQL of each migration is checked by squawk. `squawk.toml` has the rules.
"""

import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from app.core.extensions import db, migrate  # noqa: E402  # the path comes first

NO_SQL = """{path} cannot be written as SQL: {error}
What reads the database must not run if `op.get_context().as_sql` is true: docs/migrations.md has an example."""


def sql_of_migrations() -> dict[str, str]:
    """The SQL of each upgrade, by the name of its file. A merge of two branches has none."""
    app = Flask("lint")
    app.config["SQLALCHEMY_DATABASE_URI"] = "postgresql+psycopg://"  # for its dialect; nothing connects
    db.init_app(app)
    migrate.init_app(app, db, directory=str(ROOT / "migrations"))
    scripts: dict[str, str] = {}
    with app.app_context():
        for script in ScriptDirectory(str(ROOT / "migrations")).walk_revisions():
            if isinstance(script.down_revision, tuple):
                continue
            config = migrate.get_config(str(ROOT / "migrations"))
            config.output_buffer = StringIO()
            try:
                command.upgrade(config, f"{script.down_revision or 'base'}:{script.revision}", sql=True)
            except (AttributeError, SQLAlchemyError) as error:  # `op.get_bind()` has no connection here
                sys.exit(NO_SQL.format(path=Path(script.path).relative_to(ROOT), error=error))
            scripts[Path(script.path).stem] = config.output_buffer.getvalue()
    return scripts


def main() -> int:
    """Run squawk on the SQL. Returns its exit status."""
    scripts = sql_of_migrations()
    with tempfile.TemporaryDirectory() as folder:
        for name, sql in scripts.items():
            (Path(folder) / f"{name}.sql").write_text(sql)
        squawk = [str(Path(sys.executable).with_name("squawk")), "--config", str(ROOT / "migrations" / "squawk.toml")]
        files = [f"{name}.sql" for name in scripts]
        checked = subprocess.run([*squawk, *files], cwd=folder, check=False, capture_output=True, text=True)  # noqa: S603
    if checked.returncode:
        sys.stderr.write(checked.stdout + checked.stderr)
    return checked.returncode


if __name__ == "__main__":
    sys.exit(main())
