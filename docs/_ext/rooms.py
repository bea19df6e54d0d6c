"""``{room} theory/filtering``: the documented members of every module of a room, in the order of their names."""

from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parents[2]


class Room(SphinxDirective):
    """Automodule of each module in a folder of the repository (not below it)."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """A section a module."""
        folder = ROOT / self.arguments[0]
        paths = sorted(path for path in folder.glob("*.py") if not path.stem.startswith("_"))
        found: list[nodes.Node] = []
        for path in paths:
            name = ".".join(["implicit_bayes", *path.relative_to(ROOT).with_suffix("").parts])
            section = nodes.section(ids=[nodes.make_id(name)])
            section += nodes.title("", path.stem)
            lines = [f".. automodule:: {name}", "   :members:", ""]
            self.state.nested_parse(StringList(lines, source=str(path)), 0, section, match_titles=False)
            found.append(section)
        return found


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("room", Room)
    return {"parallel_read_safe": True}
