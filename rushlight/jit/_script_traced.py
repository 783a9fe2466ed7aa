"""Traced programs within scripted ones: graphs for all sizes, which they work out when they run."""
import re

_HEAD = re.compile(r"graph [\w.]+\((.*)\)")
_INPUT = re.compile(r"%([\w.]+): \w+\[([^\]]*)\]")
_SIZED = re.compile(r"(%[\w.]+: )\w+\[[^\]]*\](?: by \[[^\]]*\])?")
_QUOTED_OR_SIZE = re.compile(r'"(?:[^"\\]|\\.)*"|<([^<>]*)>')


class _Sizes:
    """Values of the graph for expressions of sizes: each is worked out once, before it is needed first."""

    def __init__(self):
        self.known = {}
        self._lines = []

    def value(self, expression):
        """What stands for an expression."""
        if expression not in self.known:
            if "/" in expression:
                top, _, name = expression.partition("/")
                made = self._line("float", "num_div", top, self.value(name))
            else:
                made = self._sum(re.findall(r"[+-]?[^+-]+", expression))
            self.known[expression] = made
        return self.known[expression]

    def _sum(self, terms):
        made = None
        for term in terms:
            first, *rest = [self.known.get(f, f) for f in term.lstrip("+-").split("*")]
            for factor in rest:
                first = self._line("int", "num_mul", first, factor)
            made = (self._line("int", "num_sub" if term[0] == "-" else "num_add", made or 0, first)
                    if made or term[0] == "-" else first)
        return made

    def _line(self, kind, primitive, *args):
        name = f"%size.{len(self.known)}.{len(self._lines)}"
        self._lines.append(f"  {name}: {kind} = {primitive}({', '.join(map(str, args))})\n")
        return name

    def take(self):
        lines, self._lines = self._lines, []
        return "".join(lines)


def _inputs(text):
    """(name, sizes as written) of a graph's inputs."""
    return [(name, sizes.split(", ") if sizes else []) for name, sizes in
            _INPUT.findall(_HEAD.match(text)[1])]


def for_all_sizes(text):
    """The graph of a text with expressions of sizes, for inputs of any."""
    head, *lines = text.splitlines(keepends=True)
    sizes, out = _Sizes(), []
    for name, dims in _inputs(text):
        for dim, written in enumerate(dims):
            symbol = written.strip("<>")
            if written.startswith("<") and symbol not in sizes.known:
                sizes.known[symbol] = f"%size.{symbol}"
                out.append(f"  %size.{symbol}: int = tensor_size(%{name}, {dim})\n")
    for line in lines:
        left, equals, right = line.partition(" = ")
        if not equals or line.startswith(("  const ", "  state ")):
            out.append(line)
            continue
        right = _QUOTED_OR_SIZE.sub(lambda m: m[0] if m[1] is None else sizes.value(m[1]), right)
        out.append(sizes.take() + _SIZED.sub(r"\1tensor", left) + equals + right)
    constants = [line for line in out if line.startswith(("  const ", "  state "))]
    return _SIZED.sub(r"\1tensor", head) + "".join(constants + [line for line in out if line not in constants])


def graphs_of(captures, name):
    """Graphs of a traced program that together do for all sizes, the first of which is called; and their tensors.

    Args:
        captures (Captures): the program.
        name (str): of the first graph.
    """
    captures.generalize()
    found = captures.first
    if not captures.families:
        return _named(found.text, name), found.constants
    texts, choices, constants, called = [], [], {}, ""
    apart = [one for one in captures.captured if not any(family.covers(one) for family in captures.families)]
    for at, one in enumerate([*apart, *reversed(captures.families)]):
        keys = {key: key if at == 0 else f"{at}.{key}" for key in one.constants if key.startswith("constant.")}
        own = f"{name}_{at}"
        main, end, called = one.text.partition("\n}\n")         # what it calls is the same at all sizes
        texts.append(_with_keys(_named(for_all_sizes(main + end), own), keys))
        constants |= {keys.get(key, key): t for key, t in one.constants.items()}
        choices.append((own, _inputs(one.text), getattr(one, "least", 1)))
    return _chooser(name, choices, captures.families[0], found) + "".join(texts) + called, constants


def _with_keys(text, keys):
    return re.sub(r'^(  (?:const|state) .* = )"(.*)"$', lambda m: f'{m[1]}"{keys.get(m[2], m[2])}"', text,
                  flags=re.MULTILINE)


def _named(text, name):
    return re.sub(r"^graph [\w.]+(?=\()", f"graph {name}", text, count=1)


def _chooser(name, choices, family, found):
    """A graph that calls the one that does for the sizes of its inputs."""
    varying = {(i, dim) for _, inputs, _ in choices for i, (_, dims) in enumerate(inputs)
               for dim, size in enumerate(dims) if size.startswith("<")}
    names = [input_name for input_name, _ in choices[0][1]]
    lines = [f"graph {name}({', '.join(f'%{n}: tensor' for n in names)}) {{\n"]
    lines += [f"  %d.{i}.{dim}: int = tensor_size(%{names[i]}, {dim})\n" for i, dim in sorted(varying)]
    results = len(found.graph.outputs)

    def given(at, depth):
        return ", ".join(f"%r.{at}.{k}: tensor" for k in range(results)), ", ".join(
            f"%r.{at}.{k}" for k in range(results))

    def choose(at, indent):
        """The lines that define the results of number `at`."""
        typed, _ = given(at, indent)
        pad = "  " * indent
        if at == len(choices):
            said = f"a traced program is called with other sizes than it does for: {family.describe()}"
            lines.append(f'{pad}{typed} = raise("ValueError", "{said}")\n')
            return
        own, inputs, least = choices[at]
        tests = []
        for i, dim in sorted(varying):
            size = inputs[i][1][dim]
            fixed = not size.startswith("<")
            if fixed or least > 1:
                test = f"%t.{at}.{i}.{dim}"
                lines.append(f"{pad}{test}: bool = {'num_eq' if fixed else 'num_ge'}(%d.{i}.{dim}, "
                             f"{size if fixed else least})\n")
                tests.append(test)
        called = f"call {own}({', '.join('%' + n for n in names)})"
        if not tests:
            lines.append(f"{pad}{typed} = {called}\n")
            return
        whole = tests[0]
        for k, test in enumerate(tests[1:]):
            lines.append(f"{pad}%a.{at}.{k}: bool = int_and({whole}, {test})\n")
            whole = f"%a.{at}.{k}"
        lines.append(f"{pad}{typed} = if {whole} {{\n")
        inner = typed.replace(f"%r.{at}.", f"%y.{at}.")
        lines.append(f"{pad}  {inner} = {called}\n{pad}  yield {inner.replace(': tensor', '')}\n{pad}}} else {{\n")
        choose(at + 1, indent + 1)
        lines.append(f"{pad}  yield {given(at + 1, indent)[1]}\n{pad}}}\n")

    choose(0, 1)
    lines.append(f"  return {given(0, 1)[1]}\n}}\n")
    return "".join(lines)
