"""Graphs of scripted programs as Python-like text, for people to read."""
import re

_PLACE = re.compile(r' at "(?:[^"\\]|\\.)*"')
_HEAD = re.compile(r"graph ([\w.]+)\((.*)\) \{$")
_CONSTANT = re.compile(r'(?:const|state) %([\w.]+): .* = "(.*)"$')
_NODE = re.compile(r"(?:(.*?) = )?(if|while|for|call|[\w.]+)\b(.*)$")
_START = re.compile(r"%([\w.]+): ([^%=]+?) = ([^%]\S*?|%[\w.]+)(?=, %|\)$)")
_ARITHMETIC = {"num_add": "+", "num_sub": "-", "num_mul": "*", "num_div": "/", "num_floordiv": "//", "num_mod": "%",
               "num_pow": "**", "num_eq": "==", "num_ne": "!=", "num_lt": "<", "num_le": "<=", "num_gt": ">",
               "num_ge": ">=", "str_add": "+", "list_add": "+", "value_eq": "==", "value_ne": "!="}
_SHOWN = {"tensor": "Tensor", "list": "List", "dict": "Dict", "tuple": "Tuple", "optional": "Optional",
          "none": "NoneType"}


def code_of(text):
    """The text of one graph as a Python function.

    Example:
        >>> from rushlight.jit._script_code import code_of
        >>> print(code_of("graph f(%x: tensor, %n: int) {\\n  %1: tensor = add(%x, %n, alpha=1)\\n  return %1\\n}\\n"))
        def f(x: Tensor,
              n: int):
            _1 = add(x, n, alpha=1)
            return _1
        <BLANKLINE>
    """
    return _Printer(text).run()


class _Printer:
    def __init__(self, text):
        self.lines = [_PLACE.sub("", line).strip() for line in text.splitlines()]
        self.out, self.at, self.constants = [], 0, {}

    def run(self):
        name, inputs = _HEAD.match(self.lines[0]).groups()
        shown = [f"{self._name(v)}: {_type(t)}" for v, t in re.findall(r"%([\w.]+): ([^%]+?)(?=, %|$)", inputs)]
        name = name.rpartition(".")[2]
        self.out.append(f"def {name}({(',' + chr(10) + ' ' * (len(name) + 5)).join(shown)}):")
        self.at = 1
        self._block(1, [])
        return "\n".join(self.out) + "\n"

    def _name(self, name):
        return self.constants.get(name, "_" + name if name[0].isdigit() else name.replace(".", "_"))

    def _values(self, text):
        return re.sub(r"%([\w.]+)", lambda found: self._name(found[1]), text)

    def _say(self, depth, text):
        self.out.append("    " * depth + text)

    def _block(self, depth, results):
        """Lines up to the closing brace; a yield assigns to `results`. Gives the line that ended it."""
        begin = len(self.out)
        while True:
            line = self.lines[self.at]
            self.at += 1
            if line.startswith("}"):
                if len(self.out) == begin:
                    self._say(depth, "pass")
                return line
            if line.startswith(("const ", "state ")):
                name, key = _CONSTANT.match(line).groups()
                self.constants[name] = "self." + key
            elif line.startswith("yield"):
                self._assign(depth, results, self._values(line[6:]))
            elif line.startswith("return"):
                self._say(depth, self._values(line).replace("return nothing", "return None"))
            else:
                self._node(depth, line)

    def _assign(self, depth, results, values):
        if results and values and ", ".join(results) != values:
            self._say(depth, f"{', '.join(results)} = {values}")

    def _node(self, depth, line):
        left, what, rest = _NODE.match(line).groups()
        results = [self._name(name) for name in re.findall(r"%([\w.]+):", left or "")]
        if what in ("if", "while", "for") and line.endswith("{"):
            getattr(self, "_" + what)(depth, rest.strip()[:-1].strip(), results)
            return
        call = self._values(f"{what}{rest}")
        found = re.match(r"(\w+)\((.*), (.*?)\)$", call)
        if found and found[1] in _ARITHMETIC:
            call = f"{found[2]} {_ARITHMETIC[found[1]]} {found[3]}"
        call = re.sub(r"^call ", "", call)
        if results and not left.startswith("_"):
            self._say(depth, f"{', '.join(results)} = {call}")
        else:
            self._say(depth, call)

    def _if(self, depth, test, results):
        self._say(depth, f"if {self._values(test)}:")
        if self._block(depth + 1, results).startswith("} else"):
            self._say(depth, "else:")
            self._block(depth + 1, results)

    def _starts(self, depth, text):
        """Assigns what a loop begins with; gives the names that it carries."""
        found = _START.findall(text)
        names = [self._name(name) for name, _, _ in found]
        for name, (_, _, value) in zip(names, found, strict=True):
            self._say(depth, f"{name} = {self._values(value)}")
        return names

    def _while(self, depth, head, results):
        names = self._starts(depth, head.strip()[1:])
        self._say(depth, "while True:")
        test = ["_go"]
        self._block(depth + 1, test)
        self._say(depth + 1, "if not _go: break")
        self._block(depth + 1, names)
        self._assign(depth, results, ", ".join(names))

    def _for(self, depth, head, results):
        found = re.match(r"%([\w.]+): .*? in (\S+)(?: \((.*))?$", head)
        names = self._starts(depth, found[3] or "")
        over = self._values(found[2])
        over = f"range({over})" if not found[2].startswith("%") or "int in" in head else over
        self._say(depth, f"for {self._name(found[1])} in {over}:")
        self._block(depth + 1, names)
        self._assign(depth, results, ", ".join(names))


def _type(text):
    return re.sub(r"\b(tensor|list|dict|tuple|optional|none)\b", lambda found: _SHOWN[found[0]], text)
