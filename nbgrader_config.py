"""nbgrader's settings for this course: `nbgrader ...` and `course build` read them from here.

nbgrader executes this file several times in one process, so that every line assigns and none appends.
What `course grade` needs beyond this it sets in code.
"""

import os
import sys

c = get_config()  # noqa: F821  (nbgrader puts it there)

c.CourseDirectory.course_id = "llms-from-the-inside"

# Files that nbgrader must not copy into release/ nor beside a submission. The lesson source NN_unit.py carries all
# the answers: without its pattern every student would be given them. The first four are nbgrader's own.
c.CourseDirectory.ignore = [
    ".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback",
    "[0-9][0-9]_*.py", ".*", "*~",
]

# What stands where a solution stood.
c.ClearSolutions.code_stub = {
    "python": '# YOUR CODE HERE\nraise NotImplementedError("Write your answer here, then delete this line.")',
}
c.ClearSolutions.text_stub = "YOUR ANSWER HERE"

# Seconds. A unit's reference run takes at most 90 s in all; the first cell of a cold machine also loads a model.
c.Execute.timeout = 180
c.Execute.startup_timeout = 120
c.Execute.interrupt_on_timeout = True
c.Execute.iopub_timeout = 30

# The longer demonstrations, which no graded cell depends on.
c.Execute.skip_cells_with_tag = "lab"

# Kernels that run side by side, each with a torch thread per core, slow each other down many times over. Only here: a
# student's own kernel, started by JupyterLab, may use all cores.
if {"autograde", "validate"} & set(sys.argv):
    os.environ.setdefault("OMP_NUM_THREADS", "1")
