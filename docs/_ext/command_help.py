"""``{command-help} verify``: what ``implicit-bayes verify --help`` prints; without a name, the overview."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class CommandHelp(SphinxDirective):
    """The help of one subcommand, as it stands on the screen."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """A literal block."""
        from implicit_bayes.benchmarks.cli import commands, help_text

        if self.arguments:
            text = help_text.of_command(commands.COMMANDS[self.arguments[0]])
        else:
            text = help_text.overview(commands.COMMANDS, commands.DESCRIPTION)
        block = nodes.literal_block(text, text)
        block["language"] = "text"
        return [block]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True}
