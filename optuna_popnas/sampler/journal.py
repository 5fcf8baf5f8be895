"""A journal file that a full disk cannot make unreadable."""

from __future__ import annotations

import json
import os
from typing import Any

from optuna_popnas.sampler.optuna_internals import journal_lock
from optuna_popnas.sampler.optuna_internals import journal_path
from optuna_popnas.sampler.optuna_internals import JournalFileBackend


class SoundJournalFile(JournalFileBackend):
    """Optuna's journal file, but a line that was written in part is taken back.

    With Optuna's own, the next line is appended to the torn one, and nobody can read the journal
    any more.
    """

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append lines, or none.

        Raises:
            OSError: There is no space, or the file is out of reach.
        """
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        with journal_lock(self), open(journal_path(self), "r+b", buffering=0) as file:
            mend_journal(file)
            start = file.seek(0, os.SEEK_END)
            try:
                left = text
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(start)
                raise


def mend_journal(file: Any) -> int:
    """Cut off a last line that has no end; return how many bytes that were.

    Args:
        file: A journal, open to be read and written, that nobody else writes now.
    """
    end = file.seek(0, os.SEEK_END)
    start = end
    tail = b""
    while start > 0 and b"\n" not in tail:
        start = max(0, start - 65536)
        file.seek(start)
        tail = file.read(end - start)
    keep = start + tail.rfind(b"\n") + 1
    if keep < end:
        file.truncate(keep)
    return int(end - keep)
