"""A flame graph as one SVG file: wide is slow, below is what was called. It needs no network and no other file."""
import html
import re

_WIDTH, _ROW, _LETTER, _TOP, _MARGIN = 1200, 18, 6.7, 54, 10
#: Blocks narrower than this many pixels are left out.
_NARROWEST = 0.3

#: What each colour says: hue, saturation and lightness are varied a little by the name.
_HUES = {"all": (0, 0, 82), "frame": (38, 90, 68), "builtin": (55, 75, 72), "op": (208, 75, 70),
         "kernel": (140, 45, 64), "backward": (280, 50, 78), "range": (0, 70, 80)}
_LEGEND = (("frame", "Python"), ("builtin", "built-in function"), ("op", "operator"), ("kernel", "kernel"),
           ("backward", "backward node"), ("range", "record_function"))

_STYLE = """
text { font: 11px monospace; pointer-events: none; fill: #111 }
.title { font-size: 15px; font-family: sans-serif } .small { font-family: sans-serif }
.button { pointer-events: all; cursor: pointer; fill: #06c; font-family: sans-serif }
g.b { cursor: pointer } g.b:hover rect { stroke: #000; stroke-width: 1 } .found rect { fill: #f0f !important }
.above { opacity: .55 }
"""

_SCRIPT = """
const margin = MARGIN, whole = WIDTH - 2 * MARGIN, letter = LETTER;
const blocks = [...document.querySelectorAll('g.b')];
const at = g => +g.dataset.x, wide = g => +g.dataset.w, nameOf = g => g.dataset.n;
function place(g, x, w) {
  const rect = g.querySelector('rect'), text = g.querySelector('text');
  rect.setAttribute('x', margin + x * whole);
  rect.setAttribute('width', Math.max(w * whole - .5, .2));
  text.setAttribute('x', margin + x * whole + 3);
  const room = Math.floor((w * whole - 6) / letter), name = nameOf(g);
  text.textContent = room < 3 ? '' : name.length <= room ? name : name.slice(0, room - 2) + '..';
}
function zoom(to) {
  const left = at(to), width = wide(to), slack = 2e-7;
  for (const g of blocks) {
    const around = at(g) <= left + slack && at(g) + wide(g) >= left + width - slack && +g.dataset.d <= +to.dataset.d;
    const inside = at(g) >= left - slack && at(g) + wide(g) <= left + width + slack && +g.dataset.d >= +to.dataset.d;
    g.style.display = around || inside ? '' : 'none';
    g.classList.toggle('above', around && g !== to);
    if (around) place(g, 0, 1);
    else if (inside) place(g, (at(g) - left) / width, wide(g) / width);
  }
  document.getElementById('reset').style.display = to === blocks[0] ? 'none' : '';
}
function search() {
  const wanted = prompt('Search for (a regular expression):', '');
  if (wanted === null) return;
  let pattern = null;
  try { pattern = wanted ? new RegExp(wanted, 'i') : null; } catch (e) { alert(e.message); return; }
  let end = -1, sum = 0;
  for (const g of blocks) g.classList.toggle('found', pattern !== null && pattern.test(nameOf(g)));
  for (const g of blocks.filter(g => g.classList.contains('found')).sort((a, b) => at(a) - at(b) || wide(b) - wide(a)))
    if (at(g) >= end - 2e-7) { sum += wide(g); end = at(g) + wide(g); }
  document.getElementById('matched').textContent = pattern ? 'matched: ' + (100 * sum).toFixed(2) + ' %' : '';
}
for (const g of blocks) g.addEventListener('click', () => zoom(g));
document.getElementById('reset').addEventListener('click', () => zoom(blocks[0]));
document.getElementById('search').addEventListener('click', search);
window.addEventListener('keydown', e => {
  if (e.key === 'F3' || ((e.ctrlKey || e.metaKey) && e.key === 'f')) { e.preventDefault(); search(); }
  if (e.key === 'Escape') zoom(blocks[0]);
});
"""


#: Characters that XML has no place for, whatever a user calls his ranges.
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escape(text):
    return html.escape(_NOT_XML.sub("?", text))


class Block:
    """Everything that ran under one name at one place: its nanoseconds, and what ran inside.

    Args:
        name (str): the name.
        kind (str): what it is, which gives the colour.
    """

    __slots__ = ("calls", "inside", "kind", "name", "time")

    def __init__(self, name, kind):
        self.name, self.kind, self.time, self.calls, self.inside = name, kind, 0, 0, {}

    def inner(self, name, kind):
        """The block of this name inside this one."""
        key = name, kind
        if key not in self.inside:
            self.inside[key] = Block(name, kind)
        return self.inside[key]

    def sum_up(self):
        """Gives blocks without a time of their own the sum of what is inside."""
        for block in self.inside.values():
            block.sum_up()
        if not self.calls:
            self.time = sum(block.time for block in self.inside.values())


def _colour(block):
    hue, saturation, lightness = _HUES[block.kind]
    vary = sum(ord(letter) * (i + 1) for i, letter in enumerate(block.name)) % 13 - 6
    return f"hsl({hue + vary},{saturation}%,{lightness + vary // 3}%)"


def _laid_out(block, left, depth, scale, out):
    """Appends (block, left, depth) of this block and all inside that are wide enough to see."""
    out.append((block, left, depth))
    for inner in block.inside.values():                    # in the order of their first calls
        if inner.time * scale >= _NARROWEST:
            _laid_out(inner, left, depth + 1, scale, out)
        left += inner.time


def _block_svg(block, left, depth, total):
    whole = _WIDTH - 2 * _MARGIN
    x, width = left / total, block.time / total
    y, room = _TOP + depth * _ROW, int((width * whole - 6) / _LETTER)
    text = "" if room < 3 else block.name if len(block.name) <= room else block.name[: room - 2] + ".."
    inside = sum(inner.time for inner in block.inside.values())
    calls = f", {block.calls} calls" if block.calls > 1 else ""
    hint = (f"{block.name}\n{block.time / 1e3:,.1f} us, {100 * width:.2f} %{calls}\n"
            f"{max(block.time - inside, 0) / 1e3:,.1f} us of its own")
    return (f'<g class="b" data-x="{x:.7f}" data-w="{width:.7f}" data-d="{depth}" data-n="{escape(block.name)}">'
            f"<title>{escape(hint)}</title>"
            f'<rect x="{_MARGIN + x * whole:.2f}" y="{y}" width="{max(width * whole - 0.5, 0.2):.2f}" '
            f'height="{_ROW - 1}" rx="2" style="fill:{_colour(block)}"/>'
            f'<text x="{_MARGIN + x * whole + 3:.2f}" y="{y + 13}">{escape(text)}</text></g>')


def svg(root):
    """The picture of a Block whose times have been summed up, as text."""
    total = max(root.time, 1)
    placed = []
    _laid_out(root, 0, 0, (_WIDTH - 2 * _MARGIN) / total, placed)
    height = _TOP + (max(depth for _, _, depth in placed) + 1) * _ROW + 12
    script = _SCRIPT.replace("MARGIN", str(_MARGIN)).replace("WIDTH", str(_WIDTH)).replace("LETTER", str(_LETTER))
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
             f'height="{height}">', f"<style>{_STYLE}</style>", '<rect width="100%" height="100%" fill="#fff"/>',
             f'<text class="title" x="{_MARGIN}" y="20">{escape(root.name)}: {root.time / 1e6:,.2f} ms</text>',
             f'<text class="button" id="search" x="{_WIDTH - 60}" y="20">Search</text>',
             f'<text class="button" id="reset" x="{_WIDTH - 150}" y="20" style="display:none">Reset zoom</text>',
             f'<text class="small" id="matched" x="{_WIDTH - 160}" y="40"></text>']
    x = _MARGIN
    for kind, label in _LEGEND:
        if any(block.kind == kind for block, _, _ in placed):
            fill = "hsl({},{}%,{}%)".format(*_HUES[kind])
            lines.append(f'<rect x="{x}" y="31" width="10" height="10" style="fill:{fill}"/>'
                         f'<text class="small" x="{x + 14}" y="40">{label}</text>')
            x += 30 + 6 * len(label)
    lines += [_block_svg(block, left, depth, total) for block, left, depth in placed]
    return "\n".join([*lines, f"<script><![CDATA[{script}]]></script>", "</svg>", ""])
