"""The source of what is scripted: its text, where it stands, and how errors show it."""
import inspect
import os
import textwrap

from rushlight.jit.frontend import FrontendError


class Source:
    """The text of a function or class, and where it stands.

    Attributes:
        text (str): without the common indentation.
        file (str), first (int): the file, and the line of the text's first line in it.
    """

    def __init__(self, thing):
        try:
            lines, self.first = inspect.getsourcelines(thing)
            self.file = inspect.getsourcefile(thing) or inspect.getfile(thing)
        except (OSError, TypeError) as error:
            raise FrontendError(f"script: the source of {thing!r} can't be read ({error}); expected a function or "
                                "class "
                                "that is defined in a file") from error
        here = os.getcwd() + os.sep
        self._called = self.file.removeprefix(here)
        whole = "".join(lines)
        self.text = textwrap.dedent(whole)
        first = next((line for line in lines if line.strip()), "")
        self.shift = len(first) - len(first.lstrip())
        self.lines = self.text.splitlines()

    def place(self, node):
        """file:line of a node of the text, as the graph keeps it; the file as it is called from here."""
        return f"{self._called}:{self.line(node)}"

    def line(self, node):
        return self.first + getattr(node, "lineno", 1) - 1

    def shown(self, node):
        """The node's line with a caret under where it begins."""
        number = getattr(node, "lineno", 1) - 1
        line = self.lines[number] if number < len(self.lines) else ""
        end = getattr(node, "end_col_offset", None)
        begin = getattr(node, "col_offset", 0)
        width = max(1, end - begin) if end is not None and node.end_lineno == node.lineno else 1
        return f"    {line}\n    {' ' * begin}{'^' * width}"

    def told(self, message, node):
        """The message with file, line and source line."""
        return f"{message}\n  File \"{self.file}\", line {self.line(node)}\n{self.shown(node)}"
