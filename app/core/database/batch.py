"""Batch migrations of SQLite tables that have generated columns.

To change a table, Alembic copies its rows into a new one. It would also insert values into generated columns, which
SQLite refuses. `migrations/env.py` imports this module for its effect.
"""

from alembic.operations.batch import ApplyBatchImpl

_read_table = ApplyBatchImpl._grab_table_elements  # noqa: SLF001


def _read_table_to_copy(self: ApplyBatchImpl) -> None:
    _read_table(self)
    for column in self.table.columns:
        if column.computed is not None:
            self.column_transfers[column.name] = {}  # a column of the new table without a value to copy


ApplyBatchImpl._grab_table_elements = _read_table_to_copy  # type: ignore[method-assign]  # noqa: SLF001
