"""What can go wrong, by who can mend it; the number is the exit code of `course`."""


class CourseError(Exception):
    """One clear sentence for the person at the keyboard: what came, what was wanted, what to do."""

    exit_code = 4


class UsageError(CourseError):
    """The command line names something that is not there."""

    exit_code = 2


class AuthorError(CourseError):
    """A lesson breaks a rule of the course."""

    exit_code = 3


class InfrastructureError(CourseError):
    """The machine, the disk or a process failed, not a person."""

    exit_code = 4
