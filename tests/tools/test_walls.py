"""The wall checker finds what it is there to find."""

import ast
import textwrap

import pytest

from tools import check_walls as walls


def includes(room_file, line):
    return list(walls.check_includes(walls.ROOT / room_file, line + "\n"))


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("core/kernels/generic/loop.cpp", '#include "tensor/tensor.h"'),
        ("core/base/dtype.cpp", '#include "tensor/storage.h"'),
        ("core/tensor/tensor.cpp", '#include "registry/op.h"'),
        ("core/registry/op.cpp", '#include "autograd/node.h"'),
        ("core/ops/unary.cpp", '#include "../base/dtype.h"'),
        ("core/ops/matmul.cpp", "#include <oneapi/dnnl/dnnl.hpp>"),
        ("bindings/module.cpp", '#include "dnnl.h"'),
    ],
)
def test_wrong_include_is_found(file, line):
    assert len(includes(file, line)) == 1


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("core/ops/unary.cpp", '#include "kernels/generic/vec.h"'),
        ("core/kernels/onednn/engine.h", "#include <oneapi/dnnl/dnnl.hpp>"),
        ("core/autograd/engine.cpp", '#include "registry/op.h"'),
        ("core/base/dims.h", "#include <vector>"),
        ("bindings/module.cpp", '#include "registry/op.h"'),
    ],
)
def test_right_include_passes(file, line):
    assert includes(file, line) == []


def imports(file, source):
    return list(walls.check_imports(walls.ROOT / file, ast.parse(textwrap.dedent(source))))


@pytest.mark.parametrize(
    ("file", "source", "says"),
    [
        ("rushlight/functional/loss.py", "from rushlight.nn import Module", "may not import nn"),
        ("rushlight/nn/modules/linear.py", "import rushlight.optim", "may not import optim"),
        ("rushlight/optim/sgd.py", "from rushlight.utils import data", "may not import utils"),
        ("rushlight/nn/modules/linear.py", "from ...optim import SGD", "may not import optim"),
        ("rushlight/nn/modules/linear.py", "from rushlight import Linear", "the module that defines it"),
        ("rushlight/nn/modules/linear.py", "def f():\n    from rushlight.functional import x", "inside a function"),
        ("rushlight/novelty.py", "pass", "no place in the order"),
    ],
)
def test_wrong_import_is_found(file, source, says):
    (breach,) = imports(file, source)
    assert says in breach


def test_wide_lines_are_found():
    wide = "x" * 121 + "\n"
    (breach,) = walls.check_columns(walls.ROOT / "core/ops/view.cpp", "short\n" + wide)
    assert breach == "core/ops/view.cpp:2: 121 columns; the limit is 120"


def test_loading_by_name_is_found():
    tree = ast.parse("def f():\n    return import_module('rushlight.io').save")
    assert len(list(walls.check_late_imports(walls.ROOT / "rushlight/nn/init.py", tree))) == 1
    assert not list(walls.check_late_imports(walls.ROOT / "rushlight/__init__.py", tree))
    upward = ast.parse("_LATER = {'save': 'rushlight.io.serialization', 'script': 'rushlight.jit._scripting'}")
    found = list(walls.check_late_imports(walls.ROOT / "rushlight/jit/__init__.py", upward))
    assert len(found) == 1 and "jit may not load io" in found[0]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("rushlight/nn/modules/linear.py", "from rushlight.nn.modules.module import Module"),
        ("rushlight/optim/sgd.py", "from rushlight import _C\nfrom rushlight.autograd import no_grad\nimport math"),
        ("rushlight/nn/modules/linear.py", "if TYPE_CHECKING:\n    from rushlight.optim import SGD"),
        ("rushlight/vision/models.py", "import rushlight\nfrom rushlight import nn"),
    ],
)
def test_right_import_passes(file, source):
    assert imports(file, source) == []


FUNCTIONS = textwrap.dedent(
    r"""
    // a comment with a { brace
    namespace one {
    struct Point {
        int x = 0;
        int sum() const { return x; }
    };
    MACRO(first)
    MACRO(second)

    template <class T>
    int longer(T a, const char* b = "}") {
        if (a) {
            return '}';
        }
        const char* raw = R"(
        } } }
        )";
        return 1;
    }

    OP(name) = {.signature = "name() -> Tensor",
                .run = [](Call& c) {
                    use(c);
                },
                .doc = "text"};
    }
    """
)


def test_lengths_of_cpp_functions():
    assert list(walls.cpp_functions(FUNCTIONS)) == [(6, 1), (11, 10), (22, 4)]


def test_long_functions_are_found():
    docstring, body = "line\n" * 100, "    x += 1\n" * 90
    tree = ast.parse(f'def f(x):\n    """{docstring}"""\n{body}')
    (breach,) = walls.check_python_functions(walls.ROOT / "rushlight/f.py", tree)
    assert "f has 91 lines" in breach


def test_wrong_permission_in_the_build_is_found():
    text = "room(base MAY_INCLUDE)\nroom(tensor MAY_INCLUDE base ops)\nroom(ops MAY_INCLUDE base kernels/generic)\n"
    breaches = list(walls.check_build_permissions(walls.ROOT / "core/CMakeLists.txt", text))
    assert breaches == ["core/CMakeLists.txt:2: room(tensor) may not include ops"]
