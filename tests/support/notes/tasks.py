"""The job of notes."""

from collections.abc import Iterator

from app.jobs.handlers import Work, handles
from tests.support.notes import service


@handles(service.IMPORT)
def import_notes(work: Work) -> Iterator[None]:
    """Create a note for each line of the file. Each line is a batch."""
    titles = work.open().read().decode().splitlines()
    work.total = len(titles)
    for title in titles[work.done :]:
        service.create(work.owner_id, title=title, text=title, code=title)
        work.done += 1
        yield
